"""One path of a tree: what a manifest promises about it and what a scan finds of it.

Paths are relative to the tree's root, without a leading slash ("" is the root itself), and are str with
surrogateescape for names that are not UTF-8; `show` makes one printable.
"""

from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """The type of a path, by the names that mtree(5) uses."""

    DIR = "dir"
    FILE = "file"
    LINK = "link"
    CHAR = "char"
    BLOCK = "block"
    FIFO = "fifo"
    SOCKET = "socket"


Xattrs = tuple[tuple[str, bytes], ...]
"""Extended attributes as (name, value), sorted by name; POSIX ACLs and file capabilities are among them."""


class Entry(NamedTuple):
    """Everything that reprov knows and restores of one path. A NamedTuple, because a tree has 80,000 of them."""

    path: str
    kind: Kind
    mode: int
    """Permission bits with setuid, setgid and sticky (0o7777)."""
    uid: int
    gid: int
    mtime_ns: int
    size: int = 0
    """Bytes; only files have one."""
    digest: str = ""
    """sha256 of the content in hex; only files have one."""
    target: str = ""
    """Where a symbolic link points."""
    device: tuple[int, int] = (0, 0)
    """(major, minor) of a device node."""
    link_group: int = 0
    """Paths with the same number above 0 are names of one inode."""
    xattrs: Xattrs = ()

    def equals(self, other: "Entry") -> bool:
        """True when both promise the same of the path itself; which other names the inode has is the tree's matter."""
        return self[:_GROUP_FIELD] == other[:_GROUP_FIELD] and self.xattrs == other.xattrs


_GROUP_FIELD = Entry._fields.index("link_group")


def show(path: str) -> str:
    """The path as an operator reads it: absolute, and with every byte that a terminal could choke on escaped."""
    if path.isascii() and path.isprintable():
        return "/" + path
    text = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "/" + "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def parent_of(path: str) -> str:
    """The directory that holds the path; that of a top-level name, and of the root itself, is the root."""
    return path.rpartition("/")[0]


def ancestors_of(path: str) -> list[str]:
    """Every directory above the path, the root ("") first; of the root itself: none."""
    if not path:
        return []
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(len(parts))]


def is_below(path: str, directory: str) -> bool:
    """True when the path lies in the directory, at any depth, or is the directory itself."""
    return not directory or path == directory or path.startswith(directory + "/")
