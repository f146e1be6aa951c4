"""The line merge of diff3(1): what two sides made of one text, where they changed different lines."""

import tempfile
from pathlib import Path

from reprov.adapters.run import run

_OVERLAP = 1
_TIMEOUT_S = 60
# -m without -E calls it a conflict, too, when both sides made the same change.
_ARGV = ("diff3", "--merge", "--show-overlap", "--text")
_MARKERS = (b"<<<<<<< ", b">>>>>>> ")


def merge_text(ours: bytes, base: bytes, theirs: bytes) -> bytes | None:
    """The text with the changes of both, or None where they touch the same or neighbouring lines, or where it is no text.

    A text is what has no NUL byte. Whether the last line ends with a newline is merged like a line of its own. Raises
    `CommandFailed` when diff3 (package diffutils) is missing or fails.
    """
    if any(b"\0" in content for content in (ours, base, theirs)):
        return None
    with tempfile.TemporaryDirectory(prefix="reprov-merge-") as folder:  # which nobody else can enter
        files = [Path(folder, name) for name in ("ours", "base", "theirs")]
        for file, content in zip(files, (ours, base, theirs), strict=True):
            file.write_bytes(_ended(content))
        done = run((*_ARGV, *map(str, files)), fine=(0, _OVERLAP), timeout_s=_TIMEOUT_S)
    if done.status == _OVERLAP or any(line.startswith(_MARKERS) for line in done.stdout.split(b"\n")):
        return None
    return done.stdout if _is_ended(ours, base, theirs) else done.stdout.removesuffix(b"\n")


def _ended(content: bytes) -> bytes:
    """With a newline at its end: diff3 takes a last line without one for another line than the same line with it."""
    return content if not content or content.endswith(b"\n") else content + b"\n"


def _is_ended(ours: bytes, base: bytes, theirs: bytes) -> bool:
    """Whether the last line of the merged text ends with a newline: of two answers there is always one that a side did not change."""
    mine, was, others = (content == _ended(content) for content in (ours, base, theirs))
    return others if mine == was else mine
