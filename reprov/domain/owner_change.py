"""Ids that move: which files of the node get which owner, each file once by all accounts that move.

Files carry numbers. When an account gets another number, what is the node's of it has to follow, or it is another
account's, or nobody's. Two accounts may exchange their ids, so nothing may be changed account by account.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple, Self

from reprov.domain.account_ids import AccountKind, LeavingAccount, MovedId
from reprov.domain.acl import ACL_NAMES, NAMED, AclTag, read_acl, write_acl
from reprov.domain.entry import Entry, Xattrs


class Ids(NamedTuple):
    """The owner of a file, by number."""

    uid: int
    gid: int


class Privileges(NamedTuple):
    """What the kernel takes from a file when its owner changes, and has to be given back."""

    inode: int
    """Given back to this inode only: another file at the same path has not had it."""
    mode: int
    """Permission bits with setuid and setgid."""
    capability: bytes
    """The attribute security.capability; empty without one."""


class Owned(NamedTuple):
    """A file of the node that one of the wanted ids owns, or that names one in its access list."""

    path: str
    owner: Ids
    privileges: Privileges | None = None
    acls: Xattrs = ()
    """Its POSIX access lists that name one of the wanted ids, as attributes."""
    fixed: str = ""
    """Why the kernel would not change its owner, as in "is immutable"."""


class Unseen(NamedTuple):
    """A directory that is not looked into, and why not."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class FoundFiles:
    """What a search for the files of some ids found, in path order."""

    owned: tuple[Owned, ...]
    unseen: tuple[Unseen, ...]


class AclChange(NamedTuple):
    """One access list (an extended attribute) of a file, before and after."""

    name: str
    before: bytes
    after: bytes


class OwnerChange(NamedTuple):
    """One file whose owner, or the ids in whose access lists, change."""

    path: str
    before: Ids
    after: Ids
    privileges: Privileges | None = None
    acls: tuple[AclChange, ...] = ()

    def wanted(self, found: Ids, *, forward: bool) -> Ids | None:
        """The owner for a file that has this one, by the change or by its way back; None for a file to be left alone."""
        return (self.after if forward else self.before) if found in (self.before, self.after) else None


@dataclass(frozen=True, slots=True)
class IdMoves:
    """Where ids move, all of them at once; uids and gids are separate numbers."""

    uids: Mapping[int, int]
    gids: Mapping[int, int]

    @classmethod
    def of(cls, moved: Iterable[MovedId]) -> Self:
        """The moves of these accounts."""
        uids: dict[int, int] = {}
        gids: dict[int, int] = {}
        for item in moved:
            (uids if item.kind is AccountKind.USER else gids)[item.live_id] = item.new_id
        return cls(uids, gids)

    def after(self, owner: Ids) -> Ids:
        """The owner that a file of this one gets."""
        return Ids(self.uids.get(owner.uid, owner.uid), self.gids.get(owner.gid, owner.gid))

    def change_of(self, found: Owned) -> OwnerChange | None:
        """What becomes of one file; None when nothing does."""
        after = self.after(found.owner)
        acls = tuple(AclChange(name, acl, new) for name, acl in found.acls if (new := self._acl_after(acl)) != acl)
        if after == found.owner and not acls:
            return None
        return OwnerChange(found.path, found.owner, after, found.privileges, acls)

    def entries_after(self, entries: Mapping[str, Entry]) -> Mapping[str, Entry]:
        """The entries as they are with the new ids; those that stay as they are, are the same objects."""
        if not (self.uids or self.gids):
            return entries
        return {path: self.entry_after(entry) for path, entry in entries.items()}

    def entry_after(self, entry: Entry) -> Entry:
        """One entry as it is with the new ids."""
        acls = tuple(item for item in entry.xattrs if item[0] in ACL_NAMES)
        return with_changes(entry, self.change_of(Owned(entry.path, Ids(entry.uid, entry.gid), acls=acls)))

    def _acl_after(self, acl: bytes) -> bytes:
        moves: dict[int, Mapping[int, int]] = {AclTag.USER: self.uids, AclTag.GROUP: self.gids}
        return write_acl(acl, [item._replace(id=moves.get(item.tag, {}).get(item.id, item.id)) for item in read_acl(acl)])


class WantedIds(NamedTuple):
    """The ids whose files are looked for."""

    uids: frozenset[int]
    gids: frozenset[int]

    @classmethod
    def of(cls, accounts: Iterable[MovedId | LeavingAccount]) -> Self:
        """The ids that these accounts have on the node."""
        ids: dict[AccountKind, set[int]] = {kind: set() for kind in AccountKind}
        for account in accounts:
            ids[account.kind].add(account.live_id if isinstance(account, MovedId) else account.id)
        return cls(frozenset(ids[AccountKind.USER]), frozenset(ids[AccountKind.GROUP]))

    def are_in(self, acl: bytes) -> bool:
        """True when an access list names one of them."""
        return any(item.id in (self.uids if item.tag == AclTag.USER else self.gids) for item in read_acl(acl) if item.tag in NAMED)


def with_changes(entry: Entry, change: OwnerChange | None) -> Entry:
    """The entry of a path as it is after its change."""
    if change is None:
        return entry
    acls = {acl.name: acl.after for acl in change.acls}
    xattrs = tuple((name, acls.get(name, value)) for name, value in entry.xattrs)
    return entry._replace(uid=change.after.uid, gid=change.after.gid, xattrs=xattrs)


def find_changes(moves: IdMoves, found: Iterable[Owned]) -> tuple[OwnerChange, ...]:
    """What becomes of the files that were found, in their order; those that stay as they are left out."""
    return tuple(change for owned in found if (change := moves.change_of(owned)))


def to_fields(changes: Sequence[OwnerChange]) -> dict[str, Any]:
    """The changes for a journal: paths in runs of one change, and what few files have beside."""
    return {
        "changes": [
            [*before, *after, [item.path for item in items]]
            for (before, after), items in groupby(changes, key=lambda item: (item.before, item.after))
        ],
        "privileges": {
            item.path: [item.privileges.inode, item.privileges.mode, item.privileges.capability.hex()]
            for item in changes
            if item.privileges
        },
        "acls": {item.path: [[acl.name, acl.before.hex(), acl.after.hex()] for acl in item.acls] for item in changes if item.acls},
    }


def of_fields(fields: Mapping[str, Any]) -> tuple[OwnerChange, ...]:
    """What `to_fields` wrote. Raises `ValueError`, `KeyError` or `TypeError` for anything else."""
    privileges = {
        path: Privileges(inode, mode, bytes.fromhex(capability)) for path, (inode, mode, capability) in fields["privileges"].items()
    }
    acls = {
        path: tuple(AclChange(name, bytes.fromhex(before), bytes.fromhex(after)) for name, before, after in lists)
        for path, lists in fields["acls"].items()
    }
    return tuple(
        OwnerChange(path, Ids(uid, gid), Ids(new_uid, new_gid), privileges.get(path), acls.get(path, ()))
        for uid, gid, new_uid, new_gid, paths in fields["changes"]
        for path in paths
    )
