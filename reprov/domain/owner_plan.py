"""What a plan says of ids that move: the files that would lose their owner, and what stops an upgrade because of them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, NamedTuple, Self

from reprov.domain.account_ids import AccountKind, LeavingAccount, MovedId
from reprov.domain.comparison import Blocker
from reprov.domain.entry import is_below, parent_of, show
from reprov.domain.owner_change import FoundFiles, IdMoves, Ids, Owned, OwnerChange, Unseen, WantedIds, find_changes


class ChangeGroup(NamedTuple):
    """Changes that are alike: of a directory and of everything that changes below it, or of files beside each other."""

    path: str
    """The directory; for a single change: its path."""
    number: int
    before: Ids
    after: Ids
    whole: bool
    """Whether the path itself is among them."""


class Running(NamedTuple):
    """A process that runs under an id that moves."""

    pid: int
    name: str
    kind: AccountKind
    id: int


@dataclass(frozen=True, slots=True)
class OwnerPlan:
    """Which of the node's files change their owner together with the accounts."""

    moved: tuple[MovedId, ...]
    changes: tuple[OwnerChange, ...]
    unseen: tuple[Unseen, ...]
    blockers: tuple[Blocker, ...]
    """What no change of owners helps against."""

    @classmethod
    def of(cls, moved: Sequence[MovedId], leaving: Sequence[LeavingAccount], found: FoundFiles, claimed: Sequence[MovedId] = ()) -> Self:
        """The plan for the files of the accounts that move, or leave, and were looked for; no file may have an id that is `claimed`."""
        changes = find_changes(IdMoves.of(moved), found.owned)
        changing = {change.path for change in changes}
        blockers = (
            *_blockers_of_two_ways(moved),
            *_blockers_of_leaving(leaving, found.owned),
            *_blockers_of_claims(claimed, found.owned),
            *(_blocker_of_fixed(owned) for owned in found.owned if owned.fixed and owned.path in changing),
        )
        return cls(tuple(moved), changes, found.unseen, blockers)

    def refusals(self, *, apply_chown: bool) -> tuple[Blocker, ...]:
        """Why an upgrade must not start; without `apply_chown` also for every account that files would be taken from."""
        return self.blockers if apply_chown else (*self.blockers, *self._blockers_of_moves())

    def _blockers_of_moves(self) -> Iterator[Blocker]:
        for item in self.moved:
            paths = [change.path for change in self.changes if _concerns(change, item)]
            if paths:
                yield Blocker(
                    paths[0],
                    f"{_and_more(paths)} {item.name}'s by the {item.kind.id_name} {item.live_id}, which becomes {item.new_id}",
                    "`reprov plan` lists them; with --apply-chown they follow, in the same transaction",
                )

    def blockers_of(self, running: Iterable[Running]) -> tuple[Blocker, ...]:
        """What must not run while the owners of its files change: it would go on making files of the old id."""
        names = {(item.kind, item.live_id): item for item in self.moved}
        if not self.changes:
            return ()
        return tuple(
            Blocker(
                "",
                f"runs {process.name} ({process.pid}) as {names[key].name}, whose {process.kind.id_name} moves",
                f"stop {process.name} for the upgrade",
            )
            for process in running
            if (key := (process.kind, process.id)) in names
        )

    @property
    def wanted(self) -> WantedIds:
        """The ids that move away."""
        return WantedIds.of(self.moved)

    def to_fields(self) -> dict[str, Any]:
        """The plan as JSON fields: every account and every path."""
        return {
            "moved": [{"kind": item.kind.value, "name": item.name, "live_id": item.live_id, "new_id": item.new_id} for item in self.moved],
            "changes": [
                {
                    "path": show(item.path),
                    "before": list(item.before),
                    "after": list(item.after),
                    "access_lists": [acl.name for acl in item.acls],
                }
                for item in self.changes
            ],
            "unseen": [{"path": show(item.path), "reason": item.reason} for item in self.unseen],
        }


def ids_claimed(moved: Sequence[MovedId], leaving: Sequence[LeavingAccount]) -> tuple[MovedId, ...]:
    """The accounts that get an id which no account gives up: files that have it already are not theirs, and no way back would know."""
    given_up = {(item.kind, item.live_id) for item in moved} | {(item.kind, item.id) for item in leaving}
    return tuple(item for item in moved if (item.kind, item.new_id) not in given_up)


NO_OWNER_CHANGES: Final = OwnerPlan((), (), (), ())


def grouped(changes: Sequence[OwnerChange]) -> tuple[ChangeGroup, ...]:
    """The changes in as few groups as tell them all, in path order: a directory below which all are alike, then files beside each other."""
    ordered = sorted(changes, key=lambda change: change.path.split("/"))
    groups: list[ChangeGroup] = []
    start = 0
    while start < len(ordered):
        top = ordered[start]
        end = start + 1
        while end < len(ordered) and is_below(ordered[end].path, top.path):
            end += 1
        if any(ordered[index][1:3] != top[1:3] for index in range(start, end)):
            end = start + 1
        groups.append(ChangeGroup(top.path, end - start, top.before, top.after, whole=True))
        start = end
    return tuple(_joined(groups))


def _joined(groups: Iterable[ChangeGroup]) -> Iterator[ChangeGroup]:
    """Groups of one path each, beside each other and alike, as one."""
    for (_, before, after, _), some in groupby(groups, key=lambda item: (parent_of(item.path), item.before, item.after, item.number == 1)):
        items = list(some)
        if len(items) > 1 and items[0].number == 1:
            yield ChangeGroup(parent_of(items[0].path), len(items), before, after, whole=False)
        else:
            yield from items


def _concerns(change: OwnerChange, moved: MovedId) -> bool:
    return _id_of(change.before, moved.kind) == moved.live_id or any(WantedIds.of([moved]).are_in(acl.before) for acl in change.acls)


def _id_of(owner: Ids, kind: AccountKind) -> int:
    return owner.uid if kind is AccountKind.USER else owner.gid


def _paths_with(kind: AccountKind, number: int, found: Sequence[Owned]) -> list[str]:
    return [owned.path for owned in found if _id_of(owned.owner, kind) == number]


def _and_more(paths: Sequence[str]) -> str:
    return f"and {len(paths) - 1:,} more are" if len(paths) > 1 else "is"


def _blockers_of_two_ways(moved: Sequence[MovedId]) -> Iterator[Blocker]:
    """One id of two accounts that part: which files are whose, nobody can say."""
    known: dict[tuple[AccountKind, int], MovedId] = {}
    for item in moved:
        other = known.setdefault((item.kind, item.live_id), item)
        if other.new_id != item.new_id:
            yield Blocker(
                "etc/passwd" if item.kind is AccountKind.USER else "etc/group",
                f"has {other.name} and {item.name} with the {item.kind.id_name} {item.live_id},"
                f" and the release gives them {other.new_id} and {item.new_id}",
                f"give one of them another {item.kind.id_name} together with its files",
            )


def _blockers_of_leaving(leaving: Sequence[LeavingAccount], found: Sequence[Owned]) -> Iterator[Blocker]:
    for account in leaving:
        if paths := _paths_with(account.kind, account.id, found):
            yield Blocker(
                paths[0],
                f"{_and_more(paths)} {account.name}'s ({account.kind.id_name} {account.id}), which cannot stay: {account.reason}",
                "remove them, or give them to an account that stays",
            )


def _blockers_of_claims(claimed: Sequence[MovedId], found: Sequence[Owned]) -> Iterator[Blocker]:
    for item in claimed:
        if paths := _paths_with(item.kind, item.new_id, found):
            yield Blocker(
                paths[0],
                f"{_and_more(paths)} nobody's by the {item.kind.id_name} {item.new_id}, which {item.name} gets",
                "remove them, or give them to an account",
            )


def _blocker_of_fixed(owned: Owned) -> Blocker:
    return Blocker(owned.path, f"{owned.fixed}, and its owner would have to change", "mend that first, or give the file away")
