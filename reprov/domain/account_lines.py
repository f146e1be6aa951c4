"""The lines of the account files, passwd(5) to subgid(5): entries of fields between colons, and lines that are none.

Everything stays bytes, because names and gecos fields are in whatever encoding their author had.
"""

from collections.abc import Iterable
from typing import NamedTuple, Self, TypeVar

from reprov.domain.entry import show

_LARGEST_ID = 2**32 - 2  # 2**32 - 1 is "no id" to chown(2) and setuid(2)


class User(NamedTuple):
    """A line of passwd."""

    name: bytes
    password: bytes
    uid: bytes
    gid: bytes
    gecos: bytes
    home: bytes
    shell: bytes

    @classmethod
    def parse(cls, line: bytes) -> Self | None:
        """The entry, or None for a line that is none; a colon too many is the shell's, as to the C library."""
        fields = line.split(b":", 6)
        return cls(*fields) if len(fields) == 7 and _is_name(fields[0]) and _is_id(fields[2]) and _is_id(fields[3]) else None

    @property
    def key(self) -> bytes:
        """What makes it one of a kind."""
        return self.name

    @property
    def number(self) -> int:
        """The uid."""
        return int(self.uid)


class Group(NamedTuple):
    """A line of group."""

    name: bytes
    password: bytes
    gid: bytes
    members: bytes

    @classmethod
    def parse(cls, line: bytes) -> Self | None:
        """The entry, or None for a line that is none."""
        fields = line.split(b":", 3)
        return cls(*fields) if len(fields) == 4 and _is_name(fields[0]) and _is_id(fields[2]) else None

    @property
    def key(self) -> bytes:
        """What makes it one of a kind."""
        return self.name

    @property
    def number(self) -> int:
        """The gid."""
        return int(self.gid)


class Shadow(NamedTuple):
    """A line of shadow."""

    name: bytes
    password: bytes
    ageing: bytes
    """Everything after the password, as it stands."""

    @classmethod
    def parse(cls, line: bytes) -> Self | None:
        """The entry, or None for a line that is none."""
        fields = line.split(b":", 2)
        return cls(*fields) if len(fields) == 3 and _is_name(fields[0]) else None

    @property
    def key(self) -> bytes:
        """What makes it one of a kind."""
        return self.name


class GroupShadow(NamedTuple):
    """A line of gshadow."""

    name: bytes
    password: bytes
    admins: bytes
    members: bytes

    @classmethod
    def parse(cls, line: bytes) -> Self | None:
        """The entry, or None for a line that is none."""
        fields = line.split(b":", 3)
        return cls(*fields) if len(fields) == 4 and _is_name(fields[0]) else None

    @property
    def key(self) -> bytes:
        """What makes it one of a kind."""
        return self.name


class SubRange(NamedTuple):
    """A line of subuid or subgid; an account may have several."""

    name: bytes
    start: bytes
    size: bytes

    @classmethod
    def parse(cls, line: bytes) -> Self | None:
        """The entry, or None for a line that is none."""
        fields = line.split(b":")
        return cls(*fields) if len(fields) == 3 and _is_name(fields[0]) and _is_id(fields[1]) and _is_id(fields[2]) else None

    @property
    def key(self) -> bytes:
        """What makes it one of a kind: all of it."""
        return b":".join(self)

    @property
    def ids(self) -> range:
        """The ids that it stands for."""
        return range(int(self.start), int(self.start) + int(self.size))


Record = TypeVar("Record", User, Group, Shadow, GroupShadow, SubRange)


def names_in(field: bytes) -> list[bytes]:
    """The names of a list between commas."""
    return [name for name in field.split(b",") if name]


def claimed_name(raw: bytes) -> bytes:
    """The name that a line which is no entry seems to be meant for; b"" for a comment or a `+` or `-` line."""
    name = raw.strip().partition(b":")[0]
    return b"" if name[:1] in (b"#", b"+", b"-") else name


def readable(names: bytes | Iterable[bytes]) -> str:
    """A name as an operator reads it, or several, with commas."""
    if isinstance(names, bytes):
        return show(names.decode("utf-8", "surrogateescape")).removeprefix("/")
    return ", ".join(map(readable, names))


def _is_name(field: bytes) -> bool:
    return bool(field) and field[:1] not in b"+-#" and not field[:1].isspace()


def _is_id(field: bytes) -> bool:
    return field.isdigit() and len(field) <= 10 and int(field) <= _LARGEST_ID
