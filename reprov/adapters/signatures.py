"""What devices and parts of disk images hold, as blkid finds it. It opens them read-only and keeps nothing."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from reprov.adapters.run import Finished, run
from reprov.domain.blkid import ambivalent, parse_place, parse_probe
from reprov.domain.inventory import AMBIVALENT, Signature

_TIMEOUT_S = 60
_FINE = (0, 2, 8)
"""2: nothing found, or a device could not be read; 8: several signatures at once. Both are told on standard error, by device."""


class Probed(NamedTuple):
    """What was found, and what was not, in words."""

    contents: Mapping[str, Signature]
    notes: tuple[str, ...]


def probe(paths: Sequence[str]) -> Probed:
    """The content of devices, by path. One blkid for each: it ends at the first device that holds nothing or cannot be read."""
    contents: dict[str, Signature] = {}
    notes: list[str] = []
    for path in paths:
        said = _blkid("export", path)
        several = dict.fromkeys(ambivalent(_text(said.stderr)), Signature(AMBIVALENT))
        contents |= {**several, **parse_probe(_text(said.stdout), "blkid")}
        notes += _notes(said)
    return Probed(contents, tuple(notes))


def probe_at(file: Path, offset_bytes: int, size_bytes: int) -> tuple[Signature | None, tuple[str, ...]]:
    """The content of a part of a file or device, and notes."""
    said = _blkid("udev", "--offset", str(offset_bytes), "--size", str(size_bytes), os.fspath(file))
    return parse_place(_text(said.stdout), f"{file} at {offset_bytes}"), _notes(said)


def _blkid(form: str, *words: str) -> Finished:
    return run(("blkid", "--probe", "--output", form, *words), fine=_FINE, timeout_s=_TIMEOUT_S)


def _notes(said: Finished) -> tuple[str, ...]:
    return tuple(line for line in _text(said.stderr).splitlines() if line.startswith("blkid: error:"))


def _text(output: bytes) -> str:
    return output.decode("utf-8", "surrogateescape")
