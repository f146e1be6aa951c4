"""The order of RPM package versions, as rpm-version(7) defines it: pure, because the domain starts no rpm."""

import re

_SEGMENTS = re.compile(r"[0-9]+|[A-Za-z]+|~|\^")


def compare(first: str, second: str) -> int:
    """Below 0 when the first `[epoch:]version[-release]` is older, above 0 when it is newer, 0 when rpm takes them for the same."""
    one, other = split(first), split(second)
    if one[0] != other[0]:
        return -1 if one[0] < other[0] else 1
    return vercmp(one[1], other[1]) or vercmp(one[2], other[2])


def split(version: str) -> tuple[int, str, str]:
    """Epoch, version and release; the epoch of one that names none is 0."""
    epoch, colon, rest = version.partition(":")
    if not colon or not epoch.isdecimal():
        epoch, rest = "0", version
    upstream, _, release = rest.rpartition("-") if "-" in rest else (rest, "", "")
    return int(epoch), upstream, release


def vercmp(first: str, second: str) -> int:
    """rpm's order of two versions or two releases: by segments of digits or of letters, whatever stands between them.

    A tilde sorts before everything, even before the end; a caret after the end and before everything else.
    """
    if first == second:
        return 0
    one, other = _SEGMENTS.findall(first), _SEGMENTS.findall(second)
    for mine, theirs in zip(one, other, strict=False):
        order = _compare_segments(mine, theirs)
        if order:
            return order
    return _compare_ends(one[len(other) :], other[len(one) :])


def _compare_segments(mine: str, theirs: str) -> int:
    for mark in ("~", "^"):
        if mark in (mine, theirs):
            return (theirs == mark) - (mine == mark)
    if mine.isdigit() != theirs.isdigit():
        return 1 if mine.isdigit() else -1
    if mine.isdigit():
        return (int(mine) > int(theirs)) - (int(mine) < int(theirs))
    return (mine > theirs) - (mine < theirs)


def _compare_ends(mine: list[str], theirs: list[str]) -> int:
    """The order of two versions of which one ends where the other has more segments."""
    if mine:
        return -1 if mine[0] == "~" else 1
    if theirs:
        return 1 if theirs[0] == "~" else -1
    return 0
