"""The six account files of a tree: their bytes, their entries, and writing them again without moving what was there.

A line that is no entry (a comment, a blank line, `+@netgroup`, `-user`, something malformed) is no business of a merge
and stays where it is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Final, Generic, NamedTuple, Self

from reprov.domain.account_lines import Group, GroupShadow, Record, Shadow, SubRange, User

ACCOUNT_PATHS: Final = ("etc/passwd", "etc/group", "etc/shadow", "etc/gshadow", "etc/subuid", "etc/subgid")
"""Where the files of `AccountFiles` lie, in the order of its fields."""
PASSWD, GROUP, SHADOW, GSHADOW, SUBUID, SUBGID = ACCOUNT_PATHS


@dataclass(frozen=True, slots=True)
class AccountFiles:
    """The content of the account files of one tree; None where there is no such file."""

    passwd: bytes | None = None
    group: bytes | None = None
    shadow: bytes | None = None
    gshadow: bytes | None = None
    subuid: bytes | None = None
    subgid: bytes | None = None

    @classmethod
    def of(cls, contents: Mapping[str, bytes]) -> Self:
        """The files out of contents by path; other paths are none of them."""
        return cls(*(contents.get(path) for path in ACCOUNT_PATHS))

    def by_path(self) -> dict[str, bytes]:
        """The files that there are, by path."""
        return {path: content for path, content in zip(ACCOUNT_PATHS, astuple(self), strict=True) if content is not None}


class AccountNote(NamedTuple):
    """What an operator should know of a merge, and the file that it is about."""

    path: str
    text: str


class Line(NamedTuple):
    """A line as it stands, without its newline."""

    raw: bytes
    key: bytes | None
    """None: not an entry, or one of a name that an earlier line has (the first one counts)."""


@dataclass(frozen=True, slots=True)
class Table(Generic[Record]):
    """One file, read."""

    content: bytes | None
    lines: tuple[Line, ...]
    entries: Mapping[bytes, Record]
    """By key, in the order of the file."""
    repeated: frozenset[bytes]
    """The keys that have more than one line."""

    @classmethod
    def read(cls, content: bytes | None, parse: Callable[[bytes], Record | None]) -> Self:
        """The table of a file; of one that is missing: an empty one."""
        lines: list[Line] = []
        entries: dict[bytes, Record] = {}
        repeated: set[bytes] = set()
        for raw in content.removesuffix(b"\n").split(b"\n") if content else []:
            entry = parse(raw)
            if entry and entry.key not in entries:
                entries[entry.key] = entry
                lines.append(Line(raw, entry.key))
                continue
            lines.append(Line(raw, None))
            if entry:
                repeated.add(entry.key)
        return cls(content, tuple(lines), entries, frozenset(repeated))


@dataclass(frozen=True, slots=True)
class Accounts:
    """The account files of one tree, read."""

    users: Table[User]
    groups: Table[Group]
    shadows: Table[Shadow]
    group_shadows: Table[GroupShadow]
    subuids: Table[SubRange]
    subgids: Table[SubRange]
    group_names: Mapping[int, bytes]
    """The first group of each gid."""

    @classmethod
    def read(cls, files: AccountFiles) -> Self:
        """The tables of the files."""
        groups = Table[Group].read(files.group, Group.parse)
        return cls(
            Table[User].read(files.passwd, User.parse),
            groups,
            Table[Shadow].read(files.shadow, Shadow.parse),
            Table[GroupShadow].read(files.gshadow, GroupShadow.parse),
            Table[SubRange].read(files.subuid, SubRange.parse),
            Table[SubRange].read(files.subgid, SubRange.parse),
            {group.number: group.name for group in reversed(tuple(groups.entries.values()))},
        )


def lay_out(base: Table[Record], live: Table[Record], new: Table[Record], entries: Mapping[bytes, Record]) -> bytes | None:
    """The file with the merged entries: the node's lines where they were, and each new entry after its neighbour in the release.

    A file that nobody touched is laid out as the release's, with what the release lacks after its neighbour on the node.
    None where there is nothing to write and was no file.
    """
    mould, other = (new, live) if live.content == base.content else (live, new)
    keys = [line.key for line in mould.lines if line.key is None or line.key in entries]
    opaque = iter([line.raw for line in mould.lines if line.key is None])
    _insert(keys, [key for key in other.entries if key in entries])
    _insert(keys, list(entries))
    text = b"".join((next(opaque) if key is None else b":".join(entries[key])) + b"\n" for key in keys)
    if mould.content is not None and text == mould.content + b"\n":
        return mould.content  # nothing changes: not even its missing last newline
    return None if mould.content is None and not text else text


def _insert(keys: list[bytes | None], order: Sequence[bytes]) -> None:
    """Put in what is missing: after the last one before it in the order, else before the first one after it, else at the end."""
    present = set(keys)
    previous: bytes | None = None
    for number, key in enumerate(order):
        if key not in present:
            neighbour = previous or next((later for later in order[number + 1 :] if later in present), None)
            keys.insert(keys.index(neighbour) + (neighbour is previous) if neighbour else len(keys), key)
            present.add(key)
        previous = key
