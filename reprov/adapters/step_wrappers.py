"""Wrappers over the programs by which scripts act on services, and over those whose work is done once for all scripts.

A wrapper writes down what was wanted and says that it went well; what a script only asks or enables goes to the program itself.
"""

import os
from pathlib import Path
from typing import Final

from reprov.adapters.program_covers import MountSpace, cover
from reprov.domain.collected import PROGRAMS, SEPARATOR, TREATMENT
from reprov.domain.native_work import NATIVE

_PART: Final = "services"
_RECORDS: Final = "records"
_WRAPPER: Final = """\
#!/bin/sh
# reprov settles services, and does what many scripts ask for, once after all of them: see reprov(8).
name=${{0##*/}}
real() {{
    [ -e {folder}/as/{number}/"$name" ] || ln -s ../../real/{number} {folder}/as/{number}/"$name"
    exec {folder}/as/{number}/"$name" "$@"
}}
collect() {{ line=$name; for word; do line=$line{separator}$word; done; printf '%s\\n' "$line" >> {folder}/{records}; }}
refuse() {{ echo "$name: not while the scripts of an upgrade run" >&2; exit 1; }}
[ -z "${{{native}-}}" ] || real "$@"
case $name in
{treatment}
esac
real "$@"
"""


def cover_services(space: MountSpace) -> None:
    """Lay the wrappers over the programs of the root. Raises `CommandFailed`."""

    def wrapper(folder: str, number: int) -> str:
        return _WRAPPER.format(
            folder=folder, number=number, records=_RECORDS, separator=SEPARATOR, native=NATIVE, treatment=TREATMENT.rstrip("\n")
        )

    cover(space, PROGRAMS.__contains__, wrapper, _PART)
    file = _file(space)
    file.touch()
    file.chmod(0o622)  # users without privileges start such programs, too


def take_records(space: MountSpace) -> str:
    """What has been collected since the last time."""
    file = _file(space)
    fd = os.open(file, os.O_RDWR | os.O_NOFOLLOW)
    with os.fdopen(fd, "r+b") as opened:
        text = opened.read().decode("utf-8", "surrogateescape")
        opened.truncate(0)
    return text


def _file(space: MountSpace) -> Path:
    return space.view(space.folder / _PART / _RECORDS)
