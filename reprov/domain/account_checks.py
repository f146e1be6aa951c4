"""Why merged account files must not be used: names, ids and ranges that two claim, and files that cannot be read for sure.

What the node, or the release by itself, had that way already is not reported: a merge does not make it worse.
"""

from collections.abc import Iterator, Mapping

from reprov.domain.account_files import GROUP, GSHADOW, PASSWD, SHADOW, SUBGID, SUBUID, Accounts, Table
from reprov.domain.account_ids import Account, AccountKind, PeopleIds
from reprov.domain.account_lines import Group, Record, SubRange, User, claimed_name, readable
from reprov.domain.comparison import Blocker
from reprov.domain.entry import Kind


def find_blockers(
    base: Accounts,
    live: Accounts,
    new: Accounts,
    people: PeopleIds,
    users: Mapping[bytes, User],
    groups: Mapping[bytes, Group],
) -> tuple[Blocker, ...]:
    """Everything that forbids to use the merged `users` and `groups`, and the ranges that go with them."""
    return (
        *_no_root(PASSWD, AccountKind.USER, users, new.users),
        *_no_root(GROUP, AccountKind.GROUP, groups, new.groups),
        *_unreadable(PASSWD, 7, live.users, new.users),
        *_unreadable(GROUP, 4, live.groups, new.groups),
        *_unreadable(SHADOW, 9, live.shadows, new.shadows),
        *_unreadable(GSHADOW, 4, live.group_shadows, new.group_shadows),
        *_repeated(PASSWD, base.users, live.users, new.users),
        *_repeated(GROUP, base.groups, live.groups, new.groups),
        *_names_of_people(PASSWD, AccountKind.USER, people, base.users, live.users, new.users),
        *_names_of_people(GROUP, AccountKind.GROUP, people, base.groups, live.groups, new.groups),
        *_ids_of_two(PASSWD, AccountKind.USER, users, live.users, new.users),
        *_ids_of_two(GROUP, AccountKind.GROUP, groups, live.groups, new.groups),
        *_gids_of_no_group(users, live, new),
        *_ranges_of_two(SUBUID, base.subuids, live.subuids, new.subuids),
        *_ranges_of_two(SUBGID, base.subgids, live.subgids, new.subgids),
    )


def find_misplaced(kinds: Mapping[str, Kind]) -> tuple[Blocker, ...]:
    """Account files, by path, that are anything but files on the node: to merge the others without them would take groups from users."""
    return tuple(
        Blocker(path, f"is a {kind.value}, and accounts are merged from all of their files together", "put the file itself there")
        for path, kind in kinds.items()
        if kind is not Kind.FILE
    )


def added_ranges(base: Table[SubRange], live: Table[SubRange], new: Table[SubRange]) -> list[SubRange]:
    """The release's ranges for names that have none on the node and had none before."""
    known = {entry.name for table in (base, live) for entry in table.entries.values()}
    return [entry for entry in new.entries.values() if entry.name not in known]


def _no_root(path: str, kind: AccountKind, merged: Mapping[bytes, Account], new: Table[Account]) -> Iterator[Blocker]:
    """A file that is missing, empty or cut off is an accident, and not what an operator wants."""
    if any(entry.number == 0 for entry in new.entries.values()) and not any(entry.number == 0 for entry in merged.values()):
        yield Blocker(path, f"has no {kind} with the {kind.id_name} 0 on the node any more", f"restore it, for example from /{path}-")


def _unreadable(path: str, fields: int, live: Table[Record], new: Table[Record]) -> Iterator[Blocker]:
    """Whatever is made of such a line, a program may see the account twice, or not at all."""
    for number, line in enumerate(live.lines, start=1):
        name = claimed_name(line.raw) if line.key is None else b""
        if name in new.entries and name not in live.entries:
            problem = f"line {number} is for {readable(name)}, which the release has, too, but is no entry of {fields} fields"
            yield Blocker(path, problem, "mend the line, or remove it")


def _repeated(path: str, base: Table[Account], live: Table[Account], new: Table[Account]) -> Iterator[Blocker]:
    """A second line keeps an id alive that the first one may lose."""
    for name in live.entries:
        if name in live.repeated and name in new.entries and name not in base.repeated:
            yield Blocker(path, f"has several lines for {readable(name)}, which the release has, too", "remove all but the first one")


def _names_of_people(
    path: str, kind: AccountKind, people: PeopleIds, base: Table[Account], live: Table[Account], new: Table[Account]
) -> Iterator[Blocker]:
    ids = people.users if kind is AccountKind.USER else people.groups
    for name, entry in live.entries.items():
        theirs = new.entries.get(name)
        if theirs and name not in base.entries and ids.holds(entry.number) and not ids.holds(theirs.number):
            problem = (
                f"has {readable(name)} with a person's {kind.id_name} ({entry.number}),"
                f" and the release brings a system {kind} of that name ({theirs.number})"
            )
            yield Blocker(path, problem, f"rename the node's {kind}, or give it the {kind.id_name} {theirs.number} together with its files")


def _ids_of_two(
    path: str, kind: AccountKind, merged: Mapping[bytes, Account], live: Table[Account], new: Table[Account]
) -> Iterator[Blocker]:
    """Of two accounts with one id, one has it from the node and one from the release: else one side had them both already."""
    by_id: dict[int, list[bytes]] = {}
    for entry in merged.values():
        by_id.setdefault(entry.number, []).append(entry.name)
    for number, names in by_id.items():
        theirs = [name for name in names if name not in live.entries or live.entries[name].number != number]
        ours = [name for name in names if name not in theirs]
        for name in theirs:
            for other in ours:
                if other in new.entries and new.entries[other].number == number:
                    continue
                problem = f"would give the {kind.id_name} {number} to {readable(name)} of the release and {readable(other)} of the node"
                hint = f"give {readable(other)} another {kind.id_name} together with its files, or {readable(name)} in the family's ids"
                yield Blocker(path, problem, hint)


def _gids_of_no_group(users: Mapping[bytes, User], live: Accounts, new: Accounts) -> Iterator[Blocker]:
    """On the node the gid may be a group's with which the account has nothing to do."""
    gids = {group.number for group in new.groups.entries.values()}
    for name, user in users.items():
        ours, theirs, gid = live.users.entries.get(name), new.users.entries.get(name), int(user.gid)
        if theirs and int(theirs.gid) == gid and gid not in gids and (ours is None or int(ours.gid) != gid):
            problem = f"would give {readable(name)} of the release the gid {gid}, which no group of the release has"
            yield Blocker(PASSWD, problem, "mend /etc/group in the release")


def _ranges_of_two(path: str, base: Table[SubRange], live: Table[SubRange], new: Table[SubRange]) -> Iterator[Blocker]:
    for added in added_ranges(base, live, new):
        for entry in live.entries.values():
            if entry.key not in new.entries and added.ids and entry.ids and _overlap(added.ids, entry.ids):
                problem = (
                    f"would give {_show_ids(added.ids)} to {readable(added.name)} of the release,"
                    f" and {_show_ids(entry.ids)} are {readable(entry.name)}'s on the node"
                )
                yield Blocker(path, problem, "give one of them a range of its own")


def _overlap(one: range, other: range) -> bool:
    return one.start < other.stop and other.start < one.stop


def _show_ids(ids: range) -> str:
    return f"{ids.start}-{ids.stop - 1}"
