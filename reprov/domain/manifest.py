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
_DIGEST = re.compile(r"[0-9a-f]{64}")
_WORDS = {Kind.FILE: 9, Kind.LINK: 7, Kind.CHAR: 7, Kind.BLOCK: 7}
_KINDS = {kind.value: kind for kind in Kind}


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
    entries: dict[str, Entry] = {}
    lines = text.split("\n")
    if lines[0] != _HEADER:
        raise InvalidInput(f"{source}:1: not a manifest (it does not start with {_HEADER!r})")
    if lines[-1] != "":
        raise InvalidInput(f"{source}:{len(lines)}: the manifest is cut off")
    group: int = 0
    xattrs: Xattrs = ()
    for number, line in enumerate(lines[1:-1], start=2):
        try:
            if line.startswith("#"):
                group, xattrs = _parse_extra(line)
                continue
            entry = _parse_entry(line, group, xattrs)
        except (ValueError, KeyError, IndexError) as error:
            raise InvalidInput(f"{source}:{number}: not a manifest line ({error}): {line[:80]!r}") from None
        group, xattrs = 0, ()
        if entry.path in entries:
            raise InvalidInput(f"{source}:{number}: {show(entry.path)} is listed twice")
        entries[entry.path] = entry
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


def _parse_extra(line: str) -> tuple[int, Xattrs]:
    if not line.startswith(_EXTRA):
        raise ValueError("unknown comment")
    group = 0
    xattrs: list[tuple[str, bytes]] = []
    for word in line[len(_EXTRA) :].split(" "):
        key, _, value = word.partition("=")
        if key == "group":
            group = int(value)
        elif key.startswith("xattr."):
            xattrs.append((unescape(key.removeprefix("xattr.")), base64.b64decode(value, validate=True)))
        else:
            raise ValueError(f"unknown keyword {key}")
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


def _parse_entry(line: str, group: int, xattrs: Xattrs) -> Entry:
    # Fixed keyword order keeps this at a few microseconds a line: 80,000 of them are read at every plan.
    words = line.split(" ")
    name = words[0]
    if name == ".":
        path = ""
    elif name[:2] == "./":
        path = unescape(name[2:])
    else:
        raise ValueError("no path")
    kind = _KINDS[_value(words[1], "type")]
    seconds, _, nanoseconds = _value(words[5], "time").partition(".")
    if len(nanoseconds) != 9:
        raise ValueError("a time without nanoseconds")
    size, digest, target, device = 0, "", "", (0, 0)
    if len(words) != _WORDS.get(kind, 6):
        raise ValueError(f"{len(words)} words")
    if kind is Kind.FILE:
        size = int(_value(words[6], "size"))
        digest = _value(words[7], "sha256digest")
        if not _DIGEST.fullmatch(digest) or size < 0:
            raise ValueError("not a size and a sha256 digest")
    elif kind is Kind.LINK:
        target = unescape(_value(words[6], "link"))
    elif kind in (Kind.CHAR, Kind.BLOCK):
        _, major, minor = _value(words[6], "device").split(",")
        device = (int(major), int(minor))
    return Entry(
        path,
        kind,
        int(_value(words[2], "mode"), 8),
        int(_value(words[3], "uid")),
        int(_value(words[4], "gid")),
        int(seconds) * 1_000_000_000 + int(nanoseconds),
        size,
        digest,
        target,
        device,
        group,
        xattrs,
    )


def _value(word: str, key: str) -> str:
    found, _, value = word.partition("=")
    if found != key:
        raise ValueError(f"{key}= expected")
    return value


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
