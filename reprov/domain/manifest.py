"""The manifest of a tree: every path with its metadata and digest, as mtree(5) text.

`mtree` and `bsdtar` can check a tree against it (`mtree` not one with `*`, `?` or `[` in its names, which it takes for
patterns). What mtree(5) has no keyword for, hard-link groups and extended
attributes, stands in a comment line before its entry (`#@ group=7 xattr.security.capability=...`), because both
tools refuse or complain about keywords that they do not know.
"""

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reprov.domain.entry import Entry, Kind, Xattrs, parent_of, show
from reprov.errors import InvalidInput

_HEADER = "#mtree v2.0"
_EXTRA = "#@ "
_ESCAPE = re.compile(rb"[^!-~]|[\\#=*?\[\]]")
_UNESCAPE = re.compile(r"\\([0-7]{3})")
_KINDS = {kind.value: kind for kind in Kind}
_LINE = re.compile(
    r"(?:#@ ((?:group=\d+|xattr\.[^ =\n]+=[A-Za-z0-9+/=]*)(?: xattr\.[^ =\n]+=[A-Za-z0-9+/=]*)*)\n)?"
    r"(\.|\./[!-~]+) type=([a-z]+) mode=([0-7]{4}) uid=(\d+) gid=(\d+) time=(-?\d+)\.(\d{9})"
    r"(?: size=(\d+) sha256digest=([0-9a-f]{64}) nlink=\d+| link=([!-~]*)| device=linux,(\d+),(\d+))?\n"
)
# Which keywords close a line follows from its kind; 8 is the time.
_LAST_GROUPS = {"file": 10, "link": 11, "char": 13, "block": 13, "dir": 8, "fifo": 8, "socket": 8}


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a tree consists of: entries by path, parents before their children."""

    entries: Mapping[str, Entry]

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> "Manifest":
        """The manifest of these entries, in the stable order of their paths (a parent sorts before its children)."""
        return cls({entry.path: entry for entry in sorted(entries)})

    @classmethod
    def parse(cls, text: str, source: str) -> "Manifest":
        """Read mtree text that `render` wrote. Raises `InvalidInput` with the line for anything else."""
        entries = parse_entries(text, source)
        _check_hierarchy(entries, source)
        return cls(entries)

    def render(self) -> str:
        """The mtree text; equal manifests give equal text."""
        group_sizes: dict[int, int] = {}
        for entry in self.entries.values():
            if entry.link_group:
                group_sizes[entry.link_group] = group_sizes.get(entry.link_group, 0) + 1
        lines = [_HEADER]
        for entry in self.entries.values():
            if entry.link_group or entry.xattrs:
                lines.append(_render_extra(entry))
            lines.append(_render_entry(entry, group_sizes.get(entry.link_group, 1)))
        return "\n".join(lines) + "\n"


def parse_entries(text: str, source: str) -> dict[str, Entry]:
    """The entries of mtree text, whether or not they make a whole tree. Raises `InvalidInput` with the line."""
    if not text.startswith(_HEADER + "\n"):
        raise InvalidInput(f"{source}:1: not a manifest (it does not start with {_HEADER!r})")
    if not text.endswith("\n"):
        raise InvalidInput(f"{source}:{text.count(chr(10)) + 1}: the manifest is cut off")
    entries: dict[str, Entry] = {}
    position, end = len(_HEADER) + 1, len(text)
    # One match a line, in C: 80,000 of them are read at every plan.
    match = _LINE.match
    while position < end:
        found = match(text, position)
        if found is None or found.lastindex != _LAST_GROUPS.get(found[3]):
            raise _bad_line(text, position, source)
        extra, name, kind, mode, uid, gid, seconds, nanoseconds, size, digest, target, major, minor = found.groups()
        path = unescape(name[2:]) if name != "." else ""
        if path in entries:
            raise InvalidInput(f"{source}:{_line_number(text, found.start(2))}: {show(path)} is listed twice")
        group, xattrs = _parse_extra(extra, text, position, source) if extra else (0, ())
        entries[path] = Entry(
            path,
            _KINDS[kind],
            int(mode, 8),
            int(uid),
            int(gid),
            int(seconds) * 1_000_000_000 + int(nanoseconds),
            int(size) if size else 0,
            digest or "",
            unescape(target) if target else "",
            (int(major), int(minor)) if major else (0, 0),
            group,
            xattrs,
        )
        position = found.end()
    return entries


def escape(name: str) -> str:
    """A name as mtree(5) writes it: everything that is not plain printable ASCII, and glob characters, in octal."""
    return _ESCAPE.sub(lambda found: b"\\%03o" % found[0][0], name.encode("utf-8", "surrogateescape")).decode("ascii")


def unescape(text: str) -> str:
    """The name that `escape` wrote."""
    if "\\" not in text:
        return text
    raw = _UNESCAPE.sub(lambda found: chr(int(found[1], 8)), text)
    return raw.encode("latin-1").decode("utf-8", "surrogateescape")


def _render_extra(entry: Entry) -> str:
    words = [f"group={entry.link_group}"] if entry.link_group else []
    words += [f"xattr.{escape(name)}={base64.b64encode(value).decode()}" for name, value in entry.xattrs]
    return _EXTRA + " ".join(words)


def _parse_extra(extra: str, text: str, position: int, source: str) -> tuple[int, Xattrs]:
    group = 0
    xattrs: list[tuple[str, bytes]] = []
    try:
        for word in extra.split(" "):
            key, _, value = word.partition("=")
            if key == "group":
                group = int(value)
            else:
                xattrs.append((unescape(key.removeprefix("xattr.")), base64.b64decode(value, validate=True)))
    except ValueError:
        raise _bad_line(text, position, source) from None
    return group, tuple(xattrs)


def _render_entry(entry: Entry, links: int) -> str:
    path = "./" + escape(entry.path) if entry.path else "."
    seconds, nanoseconds = divmod(entry.mtime_ns, 1_000_000_000)
    line = f"{path} type={entry.kind.value} mode={entry.mode:04o} uid={entry.uid} gid={entry.gid} time={seconds}.{nanoseconds:09d}"
    if entry.kind is Kind.FILE:
        return f"{line} size={entry.size} sha256digest={entry.digest} nlink={links}"
    if entry.kind is Kind.LINK:
        return f"{line} link={escape(entry.target)}"
    if entry.kind in (Kind.CHAR, Kind.BLOCK):
        return f"{line} device=linux,{entry.device[0]},{entry.device[1]}"
    return line


def _bad_line(text: str, position: int, source: str) -> InvalidInput:
    line = text[position : text.index("\n", position)]
    return InvalidInput(f"{source}:{_line_number(text, position)}: not a line of a manifest: {line[:80]!r}")


def _line_number(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _check_hierarchy(entries: Mapping[str, Entry], source: str) -> None:
    """Every path hangs below listed directories: nothing outside the tree, nothing reached through a symlink."""
    root = entries.get("")
    if root is None or root.kind is not Kind.DIR:
        raise InvalidInput(f"{source}: there is no root directory in the manifest")
    for path in entries:
        parent = entries.get(parent_of(path))
        if path and (parent is None or parent.kind is not Kind.DIR):
            raise InvalidInput(f"{source}: {show(path)} does not lie in a directory of the manifest")
        if path.startswith("/") or path.endswith(("/", "/.", "/..")) or path in (".", "..") or "\0" in path:
            raise InvalidInput(f"{source}: {show(path)} is not a path inside the tree")
