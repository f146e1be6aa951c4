"""A path as a line of an ownership list: the pattern that matches this path, whatever its name holds."""

import re

_WILDCARD = re.compile(r"[*?\[]")
_TO_ESCAPE = re.compile(r"[*?\[\\]")


def pattern_of(path: str, *, is_dir: bool) -> str:
    """The anchored rsync pattern of a path (not of the root); of a directory with a slash, so that it covers what is in it.

    Bytes that cannot stand in a list which people read (a line break, an escape sequence, what is not UTF-8) become `?`, which
    matches any byte. rsync takes a backslash for itself where a pattern has no wildcard, so only then is nothing escaped.
    """
    if _WILDCARD.search(path) or not path.isprintable():
        path = "".join(_escaped(char) for char in path)
    return f"/{path}/" if is_dir else f"/{path}"


def _escaped(char: str) -> str:
    if not char.isprintable():
        return "?" * len(char.encode("utf-8", "surrogateescape"))
    return "\\" + char if _TO_ESCAPE.match(char) else char
