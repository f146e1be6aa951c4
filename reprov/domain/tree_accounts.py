"""The accounts of a tree that is built against the table of stable ids: what to make beforehand, what is wrong, what is new.

An account that its package would make is made beforehand with the table's number: the tools of packages take one that is there
as it is. Numbers of the table that the tree does not use are reserved meanwhile by entries without meaning, so that no account
that the table does not know gets one of them.
"""

import os
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from reprov.domain.ids import ACCOUNT_NAME, DYNAMIC, STATIC_END, Group, IdTable, User
from reprov.errors import InvalidInput

RESERVED = "reprov-id-"

_DEBIANS_OWN = range(60000, 65000)
"""Numbers that Debian itself gives to a package for good: the package asks for its number, and does for an account that it makes
itself what it does not for one that is there (libvirt-qemu is a member of its own group)."""
_NOBODY = 65534
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_COMMENT = re.compile(r"^\s*#.*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class TreeAccounts:
    """Who is in the passwd and group of a tree."""

    users: tuple[User, ...]
    groups: tuple[Group, ...]

    @classmethod
    def parse(cls, passwd: bytes, group: bytes) -> "TreeAccounts":
        """Read both files. Raises `InvalidInput` with file:line for a line that no tool would take."""
        groups = tuple(Group(fields[0], int(fields[2])) for fields in _fields(group, "etc/group", 4))
        names = {entry.id: entry.name for entry in reversed(groups)}
        users = tuple(
            User(name, int(uid), names.get(int(gid), gid), home or None, shell or "/bin/sh", "".join(filter(str.isprintable, gecos)))
            for name, _, uid, gid, gecos, home, shell in _fields(passwd, "etc/passwd", 7)
        )
        return cls(users, groups)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A tree's accounts against a table."""

    problems: tuple[str, ...]
    """Sentences; any of them fails the build."""
    new: IdTable
    """The dynamic ids of names that the table does not know."""


class Row(NamedTuple):
    """A line of an account file that is to be made when a package names the account."""

    account: str
    """The name that asks for it: a user's, for its primary group's line, too."""
    file: str
    """passwd, shadow, group or gshadow; "" when the account cannot be made and `line` says why."""
    id: int
    line: str


def compare(table: IdTable, found: TreeAccounts) -> Comparison:
    """Judge the ids of a tree."""
    problems = [*_problems("user", table.users.values(), found.users), *_problems("group", table.groups.values(), found.groups)]
    if problems:
        return Comparison(tuple(problems), IdTable({}, {}))
    new_users = (user for user in found.users if user.id in DYNAMIC and user.name not in table.users)
    new_groups = (group for group in found.groups if group.id in DYNAMIC and group.name not in table.groups)
    return Comparison((), IdTable.of(new_users, new_groups))


def reserve(table: IdTable, passwd: bytes, group: bytes, *, first: int = STATIC_END) -> tuple[bytes, bytes]:
    """passwd and group with an entry without meaning for each dynamic id of the table, beginning with `first`, that they do not use."""
    found = TreeAccounts.parse(passwd, group)
    uids = _unused(table.users.values(), found.users, first)
    gids = _unused(table.groups.values(), found.groups, first)
    return (
        passwd + b"".join(b"%b%d:x:%d:%d::/nonexistent:/usr/sbin/nologin\n" % (RESERVED.encode(), uid, uid, _NOBODY) for uid in uids),
        group + b"".join(b"%b%d:x:%d:\n" % (RESERVED.encode(), gid, gid) for gid in gids),
    )


def unreserve(content: bytes) -> bytes:
    """A passwd or group without the entries of `reserve`."""
    return b"".join(line for line in content.splitlines(keepends=True) if not line.startswith(RESERVED.encode()))


def words_of(text: str) -> frozenset[str]:
    """Every word of scripts that could name an account, outside of comments."""
    return frozenset(_WORD.findall(_COMMENT.sub("", text)))


def with_named(file: str, content: bytes, made: Iterable[Row], words: Collection[str]) -> bytes:
    """An account file with the lines of the accounts that the words name and it lacks; the reservations of their ids go.

    Raises `InvalidInput` for an account that cannot be made.
    """
    there = {line.partition(b":")[0] for line in content.splitlines()}
    added: dict[bytes, bytes] = {}
    for row in made:
        if row.account not in words or row.file not in ("", file):
            continue
        if not row.file and row.account.encode() not in there:
            raise InvalidInput(row.line)
        line = os.fsencode(row.line)
        name = line.partition(b":")[0]
        if row.file and name not in there:
            added.setdefault(name, line)
            content = b"".join(kept for kept in content.splitlines(True) if not kept.startswith(b"%b%d:" % (RESERVED.encode(), row.id)))
    return content + b"".join(line + b"\n" for line in added.values())


def rows(table: IdTable, group: bytes, day: int, *, first: int = STATIC_END) -> tuple[Row, ...]:
    """What makes each account of the table, by the account that a package may name; `group` is the tree's, for static groups.

    `first` is the least number that is given beforehand. `day` counts from 1970 and is when the password, which is none, was changed
    last. The lines are those of systemd-sysusers.
    """
    static = {entry.name: entry.id for entry in TreeAccounts.parse(b"", group).groups}
    gids = static | {entry.name: entry.id for entry in table.groups.values()}
    made: list[Row] = []
    for user in table.users.values():
        if not _is_made(user.id) or user.id < first:
            continue
        if user.group not in gids:
            made.append(Row(user.name, "", user.id, f"{user.where}: neither the table nor the tree has the group {user.group!r}"))
        elif user.home is None:
            made.append(Row(user.name, "", user.id, f"{user.where}: the home of user {user.name!r} is missing: add `home: DIRECTORY`"))
        else:
            if user.group in table.groups:
                made += _group_rows(user.name, table.groups[user.group])
            made.append(Row(user.name, "passwd", user.id, _passwd_line(user, gids[user.group])))
            made.append(Row(user.name, "shadow", user.id, f"{user.name}:!*:{day}::::::"))
    for entry in table.groups.values():
        made += _group_rows(entry.name, entry) if entry.id >= first else []
    return tuple(made)


def _group_rows(account: str, group: Group) -> list[Row]:
    if not _is_made(group.id):
        return []
    return [
        Row(account, "group", group.id, f"{group.name}:x:{group.id}:"),
        Row(account, "gshadow", group.id, f"{group.name}:!*::"),
    ]


def _passwd_line(user: User, gid: int) -> str:
    return f"{user.name}:x:{user.id}:{gid}:{user.gecos}:{user.home}:{user.shell}"


def _is_made(number: int) -> bool:
    return number >= STATIC_END and number not in _DEBIANS_OWN


def _unused(wanted: Iterable[User | Group], found: Iterable[User | Group], first: int) -> list[int]:
    used = {entry.id for entry in found}
    return sorted(entry.id for entry in wanted if entry.id in DYNAMIC and entry.id >= first and entry.id not in used)


def _problems(kind: str, known: Iterable[User | Group], found: Iterable[User | Group]) -> list[str]:
    names = {entry.name: entry for entry in known}
    holders = {entry.id: entry for entry in names.values()}
    seen: dict[int, str] = {}
    problems: list[str] = []
    for entry in found:
        of_name, of_id = names.get(entry.name), holders.get(entry.id)
        if of_name and of_name.id != entry.id:
            problems.append(f"{kind} {entry.name} has id {entry.id} in the tree, and id {of_name.id} in {of_name.where}")
        elif not of_name and of_id:
            problems.append(f"{kind} {entry.name} has id {entry.id} in the tree, which {of_id.where} gives to {of_id.name}")
        elif seen.get(entry.id, entry.name) != entry.name and entry.id in DYNAMIC:
            problems.append(f"{kind}s {seen[entry.id]} and {entry.name} have the same id {entry.id} in the tree")
        seen.setdefault(entry.id, entry.name)
    return problems


def _fields(content: bytes, file: str, count: int) -> list[list[str]]:
    """The fields of each line, those at 2 (and, of passwd, 3) numbers, the first one an account's name."""
    found: list[list[str]] = []
    for number, line in enumerate(content.decode("utf-8", "surrogateescape").removesuffix("\n").split("\n"), start=1):
        if not line or line.startswith(("+", "-")):  # of nss_compat: nobody's id
            continue
        fields = line.split(":")
        ids = fields[2 : 4 if count == 7 else 3]
        if len(fields) != count or not ACCOUNT_NAME.fullmatch(fields[0]) or not all(re.fullmatch(r"[0-9]{1,10}", one) for one in ids):
            raise InvalidInput(f"/{file}:{number}: not a line of an account: {line!r}")
        found.append(fields)
    return found
