"""Swap in use, as /proc/swaps lists it."""

from reprov.domain.inventory import Swap
from reprov.domain.proc_text import unescaped
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
        found.append(Swap(unescaped(fields[0].removesuffix(_DELETED)), int(fields[2]) * _KIB, fields[1] == "file"))
    return tuple(found)
