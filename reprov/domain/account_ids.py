"""Whose an id is, and which ids of a node stand for something else after an upgrade.

Files carry numbers, so an account whose number changes, or whose number another account gets, takes its files away from
it. What is said here is what a workflow has to look for in kept paths before it may start.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple, Self, TypeVar

from reprov.domain.account_files import Accounts, Table
from reprov.domain.account_lines import Group, Record, User, names_in, readable
from reprov.errors import InvalidInput

_LARGEST_OF_16_BITS = 65535

Account = TypeVar("Account", User, Group)


class AccountKind(StrEnum):
    """What an id is an id of."""

    USER = "user"
    GROUP = "group"

    @property
    def id_name(self) -> str:
        """What its id is called."""
        return "uid" if self is AccountKind.USER else "gid"


class IdRange(NamedTuple):
    """The ids of people, both ends among them.

    The default is that of Debian and RHEL. From 60000 to 65535 are ids that distributions, systemd and `nobody` take
    (Debian policy 9.2.2: 64045 is ceph); above 16 bits nobody does, so these are people's again.
    """

    minimum: int = 1000
    maximum: int = 60000

    def holds(self, number: int) -> bool:
        """True for an id of a person."""
        return number >= self.minimum and not self.maximum < number <= _LARGEST_OF_16_BITS


@dataclass(frozen=True, slots=True)
class PeopleIds:
    """Which uids and gids are people's."""

    users: IdRange
    groups: IdRange

    @classmethod
    def parse(cls, content: bytes, source: str) -> Self:
        """As login.defs(5) has it: UID_MIN, UID_MAX, GID_MIN, GID_MAX; InvalidInput for one that is no number."""
        found: dict[bytes, int] = {}
        for number, line in enumerate(content.splitlines(), start=1):
            name, *values = line.split() or [b""]
            if name in (b"UID_MIN", b"UID_MAX", b"GID_MIN", b"GID_MAX"):
                if not values or not values[0].isdigit():
                    raise InvalidInput(f"{source}:{number}: {name.decode()} is not a number")
                found[name] = int(values[0])
        default = IdRange()
        return cls(
            IdRange(found.get(b"UID_MIN", default.minimum), found.get(b"UID_MAX", default.maximum)),
            IdRange(found.get(b"GID_MIN", default.minimum), found.get(b"GID_MAX", default.maximum)),
        )


USUAL_PEOPLE: Final = PeopleIds(IdRange(), IdRange())


class MovedId(NamedTuple):
    """An account that has one id on the node and another one in the release, which it gets."""

    kind: AccountKind
    name: str
    live_id: int
    new_id: int


class DroppedAccount(NamedTuple):
    """An account that the installed release brought and the new one lacks; it stays, so that no file loses its owner."""

    kind: AccountKind
    name: str
    id: int


class LeavingAccount(NamedTuple):
    """A dropped account that cannot stay, because the release gives its id away; nobody on the node ever changed it.

    Kept files of this id would get another owner: with one of those an upgrade must not start.
    """

    kind: AccountKind
    name: str
    id: int
    reason: str


def is_persons(ids: IdRange, base: Account | None, live: Account, new: Account | None) -> bool:
    """True for an account of the node that is a person's: also to the release, or the installed release did not bring it."""
    return ids.holds(live.number) and (base is None or new is None or ids.holds(new.number))


def find_leaving(base: Accounts, live: Accounts, new: Accounts, people: PeopleIds) -> dict[tuple[AccountKind, bytes], LeavingAccount]:
    """The dropped accounts that have to go, by kind and name: their id is another's in the release, or their group goes."""
    users = {name: user for name, user in live.users.entries.items() if _is_dropped_system_user(user, base, live, new, people)}
    taken_uids = _taken(live.users.entries, new.users.entries)
    leaving = {
        (AccountKind.USER, name): _leaving(AccountKind.USER, user, f"the release gives its uid to {taken_uids[user.number]}")
        for name, user in users.items()
        if user.number in taken_uids
    }
    taken_gids = _taken(live.groups.entries, new.groups.entries)
    for name, group in live.groups.entries.items():
        if group.number not in taken_gids or not _is_dropped_system_group(group, base, live, new, people):
            continue
        primary_of = [user for user in live.users.entries.values() if _has_as_primary(user, group, base, new)]
        if all(user.name in users for user in primary_of):
            leaving[AccountKind.GROUP, name] = _leaving(
                AccountKind.GROUP, group, f"the release gives its gid to {taken_gids[group.number]}"
            )
            for user in primary_of:
                leaving.setdefault(
                    (AccountKind.USER, user.name), _leaving(AccountKind.USER, user, f"its primary group {readable(name)} goes")
                )
    return leaving


def _leaving(kind: AccountKind, entry: User | Group, reason: str) -> LeavingAccount:
    return LeavingAccount(kind, readable(entry.name), entry.number, reason)


def _taken(live: Mapping[bytes, Account], new: Mapping[bytes, Account]) -> dict[int, str]:
    """The ids that the release gives to an account which has not got them on the node, and the first such account."""
    taken: dict[int, str] = {}
    for name, entry in new.items():
        if name not in live or live[name].number != entry.number:
            taken.setdefault(entry.number, readable(name))
    return taken


def _is_dropped_system_user(user: User, base: Accounts, live: Accounts, new: Accounts, people: PeopleIds) -> bool:
    """True for an account that the release dropped, that is no person's, and that the node has as it got it."""
    name = user.name
    return (
        name in base.users.entries
        and name not in new.users.entries
        and not people.users.holds(user.number)
        and _is_as_it_was(name, base.users, live.users)
        and _is_as_it_was(name, base.shadows, live.shadows)
        and not any(name in names_in(group.members) and name not in _members(base, group.name) for group in live.groups.entries.values())
    )


def _is_dropped_system_group(group: Group, base: Accounts, live: Accounts, new: Accounts, people: PeopleIds) -> bool:
    name = group.name
    return (
        name in base.groups.entries
        and name not in new.groups.entries
        and not people.groups.holds(group.number)
        and _is_as_it_was(name, base.groups, live.groups)
        and _is_as_it_was(name, base.group_shadows, live.group_shadows)
    )


def _is_as_it_was(name: bytes, base: Table[Record], live: Table[Record]) -> bool:
    return base.entries.get(name) == live.entries.get(name) and name not in live.repeated


def _members(accounts: Accounts, group: bytes) -> list[bytes]:
    return names_in(accounts.groups.entries[group].members) if group in accounts.groups.entries else []


def _has_as_primary(user: User, group: Group, base: Accounts, new: Accounts) -> bool:
    """True for an account of the node that would still have the group as its own one after a merge."""
    was = base.users.entries.get(user.name)
    is_the_releases = user.name in new.users.entries and was is not None and int(was.gid) == int(user.gid)
    return int(user.gid) == group.number and not is_the_releases
