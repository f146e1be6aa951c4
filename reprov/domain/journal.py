"""The journal of a commit: every exchange with the identity of both sides, written before the first one happens.

With it, anything that stops in the middle can be told apart op by op, and undone or finished.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from reprov.domain import labels, owner_change
from reprov.domain.entry import Entry, Kind, is_below, show
from reprov.domain.labels import LabelChange
from reprov.domain.owner_change import OwnerChange
from reprov.domain.scan import volume_holding
from reprov.domain.units import Op, OpKind
from reprov.errors import NeedsAttention

JOURNAL_FORMAT = 1
OWNERS_FORMAT = 2
"""Of a journal with owner changes: whoever does not know them must not decide over such a commit."""
LABELS_FORMAT = 3
"""Of one with label changes, the same way."""


class Identity(NamedTuple):
    """Which inode it is. Device numbers are left out: they change with the order in which disks are found at boot."""

    inode: int
    birth_ns: int
    """0 where the filesystem does not tell; then the mark alone decides between a file and its successor."""


class Side(NamedTuple):
    """What was found at one of the two paths of an op: identity, and the mark of reprov's own xattr ("" without one)."""

    identity: Identity
    mark: str


class JournalOp(NamedTuple):
    """One exchange: `new` becomes live, `old` becomes staged."""

    op: Op
    new: Identity
    old: Identity


class Linked(NamedTuple):
    """A file of the node that was linked into the staged tree: which it was, and when it had been written to, at that time."""

    path: str
    identity: Identity
    written_ns: int


class DirectoryChange(NamedTuple):
    """A directory that does not swap: its metadata before and after. The modification time is what is restored, too."""

    path: str
    before: Entry
    after: Entry


class Written(NamedTuple):
    """A merged file, of which each of the two trees has its own: the sha256 in hex of the one that becomes live."""

    path: str
    digest: str


@dataclass(frozen=True, slots=True)
class Journal:
    """One commit, in the order in which it happens."""

    transaction: str
    """Names the transaction; marks on the new tops carry it."""
    volumes: tuple[str, ...]
    ops: tuple[JournalOp, ...]
    linked: tuple[Linked, ...]
    rebuilt: tuple[str, ...]
    directories: tuple[DirectoryChange, ...]
    written: tuple[Written, ...] = ()
    owners: tuple[OwnerChange, ...] = ()
    """What is the node's and follows an account to another id."""
    labels: tuple[LabelChange, ...] = ()
    """What is the node's and gets another SELinux label, because the rule for it has changed."""

    def mark_of(self, index: int) -> str:
        """What the `trusted.reprov.op` attribute of an op's new top says."""
        return f"{self.transaction}:{index}"

    def volume_of(self, path: str) -> str:
        """The volume that a path lies on."""
        return volume_holding(path, self.volumes)

    def find_done(self, sides: Sequence[tuple[Side | None, Side | None]]) -> list[bool]:
        """Which exchanges have happened, from what is at the (live, staged) paths of each op now (None: nothing).

        Raises `NeedsAttention` when the two paths of an op are neither its old nor its new state.
        """
        done: list[bool] = []
        for index, (live, staged) in enumerate(sides):
            done.append(self._is_done(index, live, staged, done))
        return done

    def _is_done(self, index: int, live: Side | None, staged: Side | None, earlier: list[bool]) -> bool:
        entry = self.ops[index]
        op = entry.op
        above = next((number for number in range(index - 1, -1, -1) if is_below(op.path, self.ops[number].op.path)), None)
        if above is not None and not earlier[above]:
            # What lies in a unit, or in a directory that is carried, cannot be ahead of it: only its own tree shows it.
            return False
        if op.kind is OpKind.CARRY:
            # A kept directory is at its place before its unit swaps and after it came back: only then is it carried.
            if live is not None and live.identity == entry.new:
                return True
            if (live is not None and live.identity == entry.old) or (staged is not None and staged.identity == entry.new):
                return False
            raise self._unknown(op)
        if live is None and op.kind is OpKind.REMOVE:
            return True  # its placeholder has been cleared away
        if live is None and op.kind is OpKind.CREATE:
            return False  # its placeholder was never made
        # The mark decides first: inode numbers are not unique everywhere (every btrfs subvolume root is 256) and are
        # used again. Identity decides where there is no mark: for placeholders.
        mark = self.mark_of(index)
        if live is not None and live.mark == mark:
            return True
        if staged is not None and staged.mark == mark:
            return False
        found = (live.identity if live else None, staged.identity if staged else None)
        if found == (entry.new, entry.old):
            return True
        if found == (entry.old, entry.new):
            return False
        raise self._unknown(op)

    @staticmethod
    def _unknown(op: Op) -> NeedsAttention:
        return NeedsAttention(
            f"{show(op.path)} is neither what it was nor what it should become",
            hint=f"compare it with its copy below {show(op.volume).rstrip('/')}/.reprov/staged and put the right one in place",
        )

    def to_json(self) -> str:
        """The text of the journal file."""
        fields = {
            "format": LABELS_FORMAT if self.labels else OWNERS_FORMAT if self.owners else JOURNAL_FORMAT,
            "transaction": self.transaction,
            "volumes": self.volumes,
            "ops": [[entry.op.kind, entry.op.path, entry.op.volume, *entry.new, *entry.old] for entry in self.ops],
            "linked": [[item.path, *item.identity, item.written_ns] for item in self.linked],
            "rebuilt": self.rebuilt,
            "directories": [[item.path, metadata_fields(item.before), metadata_fields(item.after)] for item in self.directories],
            "written": self.written,
            **({"owners": owner_change.to_fields(self.owners)} if self.owners else {}),
            **({"labels": labels.to_fields(self.labels)} if self.labels else {}),
        }
        return json.dumps(fields) + "\n"

    @classmethod
    def parse(cls, text: str, source: str) -> "Journal":
        """Read what `to_json` wrote. Raises `NeedsAttention`: a journal that cannot be read decides nothing."""
        try:
            fields = json.loads(text)
            if fields["format"] not in (JOURNAL_FORMAT, OWNERS_FORMAT, LABELS_FORMAT):
                raise ValueError(f"format {fields['format']}")
            return cls(
                transaction=str(fields["transaction"]),
                volumes=tuple(fields["volumes"]),
                ops=tuple(
                    JournalOp(Op(OpKind(kind), path, volume), Identity(new, new_birth), Identity(old, old_birth))
                    for kind, path, volume, new, new_birth, old, old_birth in fields["ops"]
                ),
                linked=tuple(Linked(path, Identity(inode, birth_ns), written_ns) for path, inode, birth_ns, written_ns in fields["linked"]),
                rebuilt=tuple(fields["rebuilt"]),
                directories=tuple(
                    DirectoryChange(path, directory_of(path, before), directory_of(path, after))
                    for path, before, after in fields["directories"]
                ),
                written=tuple(Written(path, digest) for path, digest in fields["written"]),
                owners=owner_change.of_fields(fields["owners"]) if fields["format"] == OWNERS_FORMAT or "owners" in fields else (),
                labels=labels.of_fields(fields["labels"]) if fields["format"] == LABELS_FORMAT else (),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise NeedsAttention(
                f"{source}: the journal cannot be read ({error})", hint="do not remove /.reprov; see reprov(8), RECOVERY"
            ) from None


def metadata_fields(entry: Entry) -> list[Any]:
    """What a directory looks like, as JSON."""
    return [entry.mode, entry.uid, entry.gid, entry.mtime_ns, [[name, value.hex()] for name, value in entry.xattrs]]


def directory_of(path: str, fields: list[Any]) -> Entry:
    """The directory that `metadata_fields` tells of."""
    mode, uid, gid, mtime_ns, xattrs = fields
    return Entry(path, Kind.DIR, mode, uid, gid, mtime_ns, xattrs=tuple((name, bytes.fromhex(value)) for name, value in xattrs))
