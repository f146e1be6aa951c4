"""The stable ids of a family: which number a system account has in every tree, whatever is installed before it.

What is below 100 needs no entry: the distribution gives it its number. Standard library only.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from reprov.errors import InvalidInput

STATIC_END = 100
DYNAMIC = range(STATIC_END, 1000)
"""What packages take for their accounts when they ask for no number: Debian's policy, 9.2.2; on the RPM side from `RPM_DYNAMIC_START`."""
RPM_DYNAMIC_START = 201
"""Below it packages of the RPM family ask for the number that their distribution has given them for good."""
NOLOGIN = "/usr/sbin/nologin"
ACCOUNT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")

_PLAIN = re.compile(r"[A-Za-z_/]([A-Za-z0-9 _./-]*[A-Za-z0-9_./-])?")
_YAML_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_TABLES = ("uids", "gids")
_SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class User:
    """A user of the table."""

    name: str
    id: int
    group: str
    """The name of the primary group."""
    home: str | None = None
    """None: the table does not know it, and the account cannot be made from the table."""
    shell: str = NOLOGIN
    gecos: str = ""
    where: str = field(default="", compare=False)
    """The file and line of the entry."""


@dataclass(frozen=True, slots=True)
class Group:
    """A group of the table; members are the business of the packages."""

    name: str
    id: int
    where: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class NewId:
    """An account that a build met first, for the record."""

    kind: str
    """user or group."""
    name: str
    id: int

    def __str__(self) -> str:
        return f"{self.kind} {self.name} {self.id}"


@dataclass(frozen=True, slots=True)
class IdTable:
    """Users and groups by name; in each of the two a number is given once."""

    users: Mapping[str, User]
    groups: Mapping[str, Group]

    @classmethod
    def of(cls, users: Iterable[User], groups: Iterable[Group]) -> "IdTable":
        """The table of these entries; of two equal ones the first stays. Raises `InvalidInput` for a name or number given twice."""
        return cls(_by_name("user", users), _by_name("group", groups))

    def joined(self, other: "IdTable") -> "IdTable":
        """Both tables as one. Raises `InvalidInput` where they contradict each other."""
        return IdTable.of((*self.users.values(), *other.users.values()), (*self.groups.values(), *other.groups.values()))

    @property
    def new_ids(self) -> tuple[NewId, ...]:
        """Every entry for the record."""
        users = (NewId("user", user.name, user.id) for user in self.users.values())
        return (*users, *(NewId("group", group.name, group.id) for group in self.groups.values()))

    def render(self) -> str:
        """The text of an ids/FAMILY.yaml, a line for each entry, in the order of the numbers."""
        lines = ["users:"]
        lines += [f"  {user_line(user)}" for user in sorted(self.users.values(), key=lambda user: user.id)]
        lines += ["groups:"]
        lines += [f"  {group_line(group)}" for group in sorted(self.groups.values(), key=lambda group: group.id)]
        return "\n".join(lines) + "\n"


def user_line(user: User) -> str:
    """A user as YAML on one line: `mysql: {id: 112, group: mysql, home: /nonexistent}`."""
    fields = [f"id: {user.id}", f"group: {_scalar(user.group)}"]
    fields += [f"home: {_scalar(user.home)}"] if user.home is not None else []
    fields += [f"shell: {_scalar(user.shell)}"] if user.shell != NOLOGIN else []
    fields += [f"gecos: {_scalar(user.gecos)}"] if user.gecos else []
    return f"{_scalar(user.name)}: {{{', '.join(fields)}}}"


def group_line(group: Group) -> str:
    """A group as YAML on one line: `crontab: 101`."""
    return f"{_scalar(group.name)}: {group.id}"


def parse_ids_tables(text: str, source: str) -> IdTable:
    """The table that eDeploy's `ids.tables` holds: `uids = {name: (uid, gid)}` and `gids = {name: (gid, '')}`, numbers also as text.

    It is read as the literal that it is and never executed. Static ids, below 100, are left out; home and shell are not in it.
    Raises `InvalidInput` with file:line for anything that is no literal or contradicts itself.
    """
    found = _tables_of(text, source)
    groups = [Group(name, gid, where) for name, (gid, _), where in _entries(found["gids"], source, has_gid=False)]
    names: dict[int, list[str]] = {}
    for group in groups:
        names.setdefault(group.id, []).append(group.name)
    users: list[User] = []
    for name, (uid, gid), where in _entries(found["uids"], source, has_gid=True):
        if uid < STATIC_END:
            continue
        if gid not in names:
            raise InvalidInput(f"{where}: user {name!r} has the primary group {gid}, which gids does not name")
        users.append(User(name, uid, name if name in names[gid] else names[gid][0], where=where))
    return IdTable.of(users, (group for group in groups if group.id >= STATIC_END))


class _Entry(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def id(self) -> int: ...
    @property
    def where(self) -> str: ...


_E = TypeVar("_E", bound=_Entry)


def _by_name(kind: str, entries: Iterable[_E]) -> dict[str, _E]:
    found: dict[str, _E] = {}
    holders: dict[int, _E] = {}
    for entry in entries:
        known = found.setdefault(entry.name, entry)
        if known.id != entry.id:
            raise InvalidInput(f"{entry.where}: {kind} {entry.name!r} has id {entry.id}, and id {known.id} in {known.where}")
        holder = holders.setdefault(entry.id, entry)
        if holder.name != entry.name:
            raise InvalidInput(f"{entry.where}: {kind} {entry.name!r} has id {entry.id}, which {holder.where} gives to {holder.name!r}")
    return found


def _scalar(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _YAML_WORDS:
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _tables_of(text: str, source: str) -> dict[str, ast.Dict]:
    try:
        body = ast.parse(text).body
    except SyntaxError as error:
        raise InvalidInput(f"{source}:{error.lineno or 1}: not a literal: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise InvalidInput(f"{source}:1: not a literal: {str(error) or type(error).__name__}") from None
    found: dict[str, ast.Dict] = {}
    for statement in body:
        target = statement.targets[0] if isinstance(statement, ast.Assign) and len(statement.targets) == 1 else None
        name = target.id if isinstance(target, ast.Name) else ""
        value = statement.value if isinstance(statement, ast.Assign) else None
        if name not in _TABLES or name in found or not isinstance(value, ast.Dict):
            raise InvalidInput(f"{source}:{statement.lineno}: only `uids = {{...}}` and `gids = {{...}}` stand in such a file, each once")
        found[name] = value
    for name in _TABLES:
        if name not in found:
            raise InvalidInput(f"{source}:1: there is no `{name} = {{...}}`")
    return found


def _entries(table: ast.Dict, source: str, *, has_gid: bool) -> Iterator[tuple[str, tuple[int, int], str]]:
    for key, value in zip(table.keys, table.values, strict=True):
        where = f"{source}:{(key or value).lineno}"
        try:
            name = ast.literal_eval(key) if key else None
            pair = ast.literal_eval(value)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            raise InvalidInput(f"{where}: not a literal: {_shown(value)}") from None
        if not isinstance(name, str) or not ACCOUNT_NAME.fullmatch(name):
            raise InvalidInput(f"{where}: {name!r} is not an account name")
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise InvalidInput(f"{where}: {name!r}: a pair is expected, not {pair!r}")
        yield name, (_number(pair[0], name, where), _number(pair[1], name, where) if has_gid else 0), where


def _shown(value: ast.expr) -> str:
    """The beginning of what stands there."""
    try:
        text = ast.unparse(value)
    except RecursionError:
        return "nested too deeply"
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


def _number(found: object, name: str, where: str) -> int:
    if isinstance(found, str) and re.fullmatch(r"[0-9]{1,10}", found):
        found = int(found)
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found < 2**32 - 1:
        raise InvalidInput(f"{where}: {name!r}: {found!r} is not an id")
    return found
