"""The manifest of a tree: every path with its metadata and digest, as mtree(5) text.

`mtree` and `bsdtar` can check a tree against it (`mtree` not one with `*`, `?` or `[` in its names, which it takes for
patterns). What mtree(5) has no keyword for, hard-link groups, SELinux labels and extended
attributes, stands in a comment line before its entry (`#@ group=7 xattr.security.capability=...`), because both
tools refuse or complain about keywords that they do not know.
"""

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from reprov.domain.entry import Entry, Kind, Xattrs, parent_of, show
from reprov.domain.labels import LABEL, value_of
from reprov.errors import InvalidInput

_HEADER = "#mtree v2.0"
_EXTRA = "#@ "
_ESCAPE = re.compile(rb"[^!-~]|[\\#=*?\[\]]")
_UNESCAPE = re.compile(r"\\([0-7]{3})")
_KINDS = {kind.value: kind for kind in Kind}
_WORD = r"(?:selinux=[!-~]+|xattr\.[^ =\n]+=[A-Za-z0-9+/=]*)"
_EXTRA_LINE = re.compile(rf"#@ (?:group=\d+|{_WORD})(?: {_WORD})*")
_PLAIN_LABEL = re.compile(rb"([!-~]+)\0")
_LINE = re.compile(
    r"(\.|\./[!-~]+) type=([a-z]+) mode=([0-7]{4}) uid=(\d+) gid=(\d+) time=(-?\d+)\.(\d{9})"
    r"(?: size=(\d+) sha256digest=([0-9a-f]{64}) nlink=\d+| link=([!-~]*)| device=linux,(\d+),(\d+))?"
)
# Which keywords close a line follows from its kind; 7 is the time.
_LAST_GROUPS = {"file": 9, "link": 10, "char": 12, "block": 12, "dir": 7, "fifo": 7, "socket": 7}
_NOTHING_KNOWN: Mapping[str, Entry] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a tree consists of: entries by path, parents before their children."""

    entries: Mapping[str, Entry]

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> "Manifest":
        """The manifest of these entries, in the stable order of their paths (a parent sorts before its children)."""
        return cls({entry.path: entry for entry in sorted(entries)})

    @classmethod
    def parse(cls, text: str, source: str, known: Mapping[str, Entry] = _NOTHING_KNOWN) -> "Manifest":
        """Read mtree text that `render` wrote. Raises `InvalidInput` with the line for anything else.

        A line in `known` (see `lines_of`) gives the entry that is known for it, the very object: most lines of two
        versions of a role are the same, and what need not be read again need not be compared either.
        """
        entries = parse_entries(text, source, known)
        _check_hierarchy(entries, source)
        return cls(entries)

    def lines_of(self, text: str) -> dict[str, Entry]:
        """The entries by their lines in the text that this manifest was parsed from, with the comment line before it where there is one.

        Names of an inode that has several are left out.
        """
        found: dict[str, Entry] = {}
        entries = iter(self.entries.values())
        extra = ""
        for line in text.split("\n")[1:-1]:
            if line.startswith(_EXTRA):
                extra = line
                continue
            entry = next(entries)
            if not entry.link_group:
                found[f"{extra}\n{line}" if extra else line] = entry
            extra = ""
        return found

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


def parse_entries(text: str, source: str, known: Mapping[str, Entry] = _NOTHING_KNOWN) -> dict[str, Entry]:
    """The entries of mtree text, whether or not they make a whole tree. Raises `InvalidInput` with the line."""
    if not text.startswith(_HEADER + "\n"):
        raise InvalidInput(f"{source}:1: not a manifest (it does not start with {_HEADER!r})")
    lines = text.split("\n")
    if lines[-1]:
        raise InvalidInput(f"{source}:{len(lines)}: the manifest is cut off")
    entries: dict[str, Entry] = {}
    extra = ""
    for number, line in enumerate(lines[1:-1], start=2):
        if not extra and line.startswith(_EXTRA):
            extra = line
            continue
        entry = known.get(f"{extra}\n{line}" if extra else line) if known else None
        if entry is None:
            entry = _parse_entry(line, extra)
            if entry is None:
                raise _bad_line(source, number - 1, extra) if extra else _bad_line(source, number, line)
        extra = ""
        if entry.path in entries:
            raise InvalidInput(f"{source}:{number}: {show(entry.path)} is listed twice")
        entries[entry.path] = entry
    if extra:
        raise _bad_line(source, len(lines) - 1, extra)
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
    words += [_render_xattr(name, value) for name, value in entry.xattrs]
    return _EXTRA + " ".join(words)


def _render_xattr(name: str, value: bytes) -> str:
    if name == LABEL and (plain := _PLAIN_LABEL.fullmatch(value)):
        return f"selinux={plain[1].decode()}"
    return f"xattr.{escape(name)}={base64.b64encode(value).decode()}"


def _parse_entry(line: str, extra: str) -> Entry | None:
    """The entry of a line and of the comment line before it ("": none); None when it is no such line."""
    found = _LINE.fullmatch(line)
    if found is None or found.lastindex != _LAST_GROUPS.get(found[2]):
        return None
    name, kind, mode, uid, gid, seconds, nanoseconds, size, digest, target, major, minor = found.groups()
    try:
        group, xattrs = _parse_extra(extra) if extra else (0, ())
    except ValueError:
        return None
    return Entry(
        unescape(name[2:]) if name != "." else "",
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


@lru_cache(maxsize=1024)  # nearly every path has one of some hundred SELinux labels, and nothing else there
def _parse_extra(extra: str) -> tuple[int, Xattrs]:
    """The hard-link group and the attributes of a comment line. Raises ValueError for any other line."""
    if _EXTRA_LINE.fullmatch(extra) is None:
        raise ValueError(extra)
    group = 0
    xattrs: list[tuple[str, bytes]] = []
    for word in extra.removeprefix(_EXTRA).split(" "):
        key, _, value = word.partition("=")
        if key == "group":
            group = int(value)
        elif key == "selinux":
            xattrs.append((LABEL, value_of(value)))
        else:
            xattrs.append((unescape(key.removeprefix("xattr.")), base64.b64decode(value, validate=True)))
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


def _bad_line(source: str, number: int, line: str) -> InvalidInput:
    return InvalidInput(f"{source}:{number}: not a line of a manifest: {line[:80]!r}")


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
