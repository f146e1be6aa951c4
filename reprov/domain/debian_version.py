"""The order of Debian package versions, as deb-version(7) defines it: pure, because the domain starts no dpkg."""

import re

_PARTS = re.compile(r"([^0-9]*)([0-9]*)")
OrderKey = tuple[int, list[tuple[list[int], int]], list[tuple[list[int], int]]]
_END = 0  # the end of a part sorts after "~" and before everything else
_NOTHING = ([_END], 0)


def compare(first: str, second: str) -> int:
    """Below 0 when the first version is older, above 0 when it is newer, 0 when dpkg takes them for the same."""
    one, other = order_key(first), order_key(second)
    return (one > other) - (one < other)


def order_key(version: str) -> OrderKey:
    """A sort key that puts versions into dpkg's order."""
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, dash, revision = rest.rpartition("-")
    if not dash:
        upstream, revision = rest, ""
    return int(epoch), _part_key(upstream), _part_key(revision)


def _part_key(part: str) -> list[tuple[list[int], int]]:
    """Alternating text and numbers: the text by `_weight`, closed by the weight of the end, so that lists compare as dpkg does.

    A part goes on with nothing and 0 for ever, so trailing ones say nothing. Two stand for them all: only the first
    pair of a part can look like that in the middle of it ("0~" is older than "").
    """
    key = [([*map(_weight, text), _END], int(number or "0")) for text, number in _PARTS.findall(part)]
    while key and key[-1] == _NOTHING:
        key.pop()
    return [*key, _NOTHING, _NOTHING]


def _weight(char: str) -> int:
    if char == "~":
        return -1
    return ord(char) if char.isalpha() else ord(char) + 256
