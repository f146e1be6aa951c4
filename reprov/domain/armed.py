"""What a node is to do at its next boot, before anything of its root runs: the file `/.reprov/armed`.

There is nothing to do when the file is not there. It says what was decided and shown; nothing is decided anew at the boot.
"""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from reprov.domain import labels, owner_change
from reprov.domain.entry import Entry
from reprov.domain.journal import directory_of, metadata_fields
from reprov.domain.labels import LabelChange
from reprov.domain.owner_change import OwnerChange
from reprov.domain.units import Op, OpKind
from reprov.errors import NeedsAttention

ARMED_FORMAT: Final = 1


class ArmedKind(StrEnum):
    """What is to be done."""

    UPGRADE = "upgrade"
    """Exchange the staged tree for the live one."""
    ROLLBACK = "rollback"
    """Bring the previous tree back."""
    TRIAL = "trial"
    """The same, unless the awaited kernel runs: a release whose kernel does not come up is taken back by the boot after it."""


@dataclass(frozen=True, slots=True)
class Armed:
    """What is to be done, and what it takes to know that it still may be."""

    kind: ArmedKind
    transaction: str
    """Of the staged commit; for a rollback or a trial, of the commit that it takes back."""
    reasons: tuple[str, ...]
    """Why it was not done on the running system."""
    volumes: tuple[str, ...]
    """Roots of the filesystems and subvolumes that are written to, "" first; those that fstab mounts are mounted for the time."""
    labels: bool = False
    """The node's files have SELinux labels."""
    fences: tuple[str, ...] = ()
    """Mount points and the like, which were not entered: at the boot most are not mounted, and are gone around all the same."""
    ops: tuple[Op, ...] = ()
    directories: tuple[Entry, ...] = ()
    """Those that do not swap, as they are to be."""
    owners: tuple[OwnerChange, ...] = ()
    relabelled: tuple[LabelChange, ...] = ()
    conflicts: tuple[str, ...] = ()
    """Shown paths that both sides changed, for the history."""
    kernel: str = ""
    """Of a trial: the release of the kernel that is awaited."""
    note: str = ""
    """Of a rollback: why, for the history."""
    accept_changed: bool = False
    """Of a rollback: also to files that are not what they were."""

    def to_json(self) -> str:
        """The text of the file."""
        fields = {
            "format": ARMED_FORMAT,
            "kind": self.kind,
            "transaction": self.transaction,
            "reasons": self.reasons,
            "volumes": self.volumes,
            "labels": self.labels,
            "fences": self.fences,
            "ops": self.ops,
            "directories": [[item.path, metadata_fields(item)] for item in self.directories],
            "owners": owner_change.to_fields(self.owners) if self.owners else None,
            "relabelled": labels.to_fields(self.relabelled),
            "conflicts": self.conflicts,
            "kernel": self.kernel,
            "note": self.note,
            "accept_changed": self.accept_changed,
        }
        return json.dumps(fields) + "\n"

    @classmethod
    def parse(cls, text: str, source: str) -> "Armed":
        """Read what `to_json` wrote. Raises `NeedsAttention`: nothing is done by what cannot be read."""
        try:
            fields = json.loads(text)
            if fields["format"] != ARMED_FORMAT:
                raise ValueError(f"format {fields['format']}")
            return cls(
                kind=ArmedKind(fields["kind"]),
                transaction=str(fields["transaction"]),
                reasons=tuple(fields["reasons"]),
                volumes=tuple(fields["volumes"]),
                labels=bool(fields["labels"]),
                fences=tuple(fields["fences"]),
                ops=tuple(Op(OpKind(kind), path, volume) for kind, path, volume in fields["ops"]),
                directories=tuple(directory_of(path, metadata) for path, metadata in fields["directories"]),
                owners=owner_change.of_fields(fields["owners"]) if fields["owners"] else (),
                relabelled=labels.of_fields(fields["relabelled"]),
                conflicts=tuple(fields["conflicts"]),
                kernel=str(fields["kernel"]),
                note=str(fields["note"]),
                accept_changed=bool(fields["accept_changed"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise NeedsAttention(
                f"{source}: what was armed cannot be read ({error})", hint="`reprov disarm` forgets it, and leaves the node as it is"
            ) from None
