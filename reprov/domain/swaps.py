"""Swap in use, as /proc/swaps lists it."""

import re

from reprov.domain.inventory import Swap
from reprov.errors import ReprovError

_KIB = 1024
_DELETED = r"\040(deleted)"


def parse_swaps(text: str) -> tuple[Swap, ...]:
    """Every swap in use (proc(5)); `text` is the bytes of the file as latin-1. Raises `ReprovError` for a line that is none."""
    found = []
    for number, line in enumerate(text.split("\n")[1:], start=2):
        fields = line.split()
        if not fields:
            continue
        if len(fields) != 5 or not fields[2].isascii() or not fields[2].isdecimal():
            raise ReprovError(f"/proc/swaps: line {number} is no swap: {line!r}")
        path = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8) & 0xFF), fields[0].removesuffix(_DELETED))
        found.append(Swap(path.encode("latin-1", "replace").decode("utf-8", "surrogateescape"), int(fields[2]) * _KIB, fields[1] == "file"))
    return tuple(found)
