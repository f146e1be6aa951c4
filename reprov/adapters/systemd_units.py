"""Reading the unit files that are installed in a root, without asking systemd."""

import os
from contextlib import suppress

from reprov.adapters import kernel
from reprov.adapters.package_database import read_text
from reprov.domain.unit_files import UNIT_SUFFIXES, UnitDirectory, directories_of

# In the order in which systemd prefers them; what is generated at boot is in /run and none of a root's.
_FOLDERS = ("etc/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system", "lib/systemd/system")
_DROP_INS = ".d"


def read_unit_directories(root_fd: int) -> tuple[UnitDirectory, ...]:
    """The state, cache and log directories of every installed unit that is not masked, in the order of the units' names.

    A link is another name of a unit that is read itself, or masks it, and is not followed.
    """
    units: dict[str, str] = {}
    drop_ins: dict[str, dict[str, str]] = {}
    for folder in _FOLDERS:
        for name in _names_in(folder, root_fd):
            if name.endswith(UNIT_SUFFIXES):
                units.setdefault(name, f"{folder}/{name}")
            elif name.endswith(_DROP_INS):
                for part in _names_in(f"{folder}/{name}", root_fd):
                    if part.endswith(".conf"):
                        drop_ins.setdefault(name.removesuffix(_DROP_INS), {}).setdefault(part, f"{folder}/{name}/{part}")
    found: list[UnitDirectory] = []
    for unit, path in sorted(units.items()):
        own = _text(path, root_fd)
        if own is not None:
            added = [_text(part, root_fd) or "" for _, part in sorted(drop_ins.get(unit, {}).items())]
            found += directories_of(unit, [own, *added])
    return tuple(found)


def _names_in(folder: str, root_fd: int) -> list[str]:
    # Not there, behind a link (/lib of a merged /usr: seen already), or not ours to read.
    with suppress(OSError):
        fd = kernel.open_beneath(folder, os.O_RDONLY | os.O_DIRECTORY, dir_fd=root_fd)
        try:
            return sorted(os.listdir(fd))
        finally:
            os.close(fd)
    return []


def _text(path: str, root_fd: int) -> str | None:
    with suppress(OSError):
        return read_text(path, dir_fd=root_fd)
    return None
