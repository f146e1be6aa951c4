"""How one text differs from another, as `diff -u` shows it and fit for a terminal."""

import difflib
from typing import Final

LARGEST_BYTES: Final = 1 << 20
"""Of a content that is compared by lines; for a larger one that takes longer than anybody waits."""


def is_text(content: bytes) -> bool:
    """True for what has no NUL byte."""
    return b"\0" not in content


def unified(old: bytes | None, new: bytes | None, old_name: str, new_name: str) -> tuple[str, ...]:
    """The difference of two texts in lines without their ends, none where they are the same; None is a text that is not there.

    Bytes that are not UTF-8, and what a terminal would obey, are escaped.
    """
    before, after = ((name if content is not None else "/dev/null").encode() for content, name in ((old, old_name), (new, new_name)))
    found = difflib.diff_bytes(difflib.unified_diff, _lines(old or b""), _lines(new or b""), before, after, lineterm=b"")
    return tuple(_shown(line) for lines in found for line in lines.split(b"\n"))


def _lines(content: bytes) -> list[bytes]:
    lines = content.split(b"\n")
    last = lines.pop()
    return [*lines, last + b"\n\\ No newline at end of file"] if last else lines


def _shown(line: bytes) -> str:
    text = line.decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() or char == "\t" else char.encode("unicode_escape").decode() for char in text)
