"""The OSDs that run on this machine, in containers, too, by the files that they have open: no cluster and no socket is asked."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from reprov.domain.activation import OsdProcess

_PROC = Path("/proc")
_NAME = "ceph-osd"
_LOCK = "/fsid"
"""An OSD keeps this file of its directory open, and locked, from the time at which it opens its device."""


def running_osds(proc: Path = _PROC) -> tuple[OsdProcess, ...]:
    """Every ceph-osd that has opened its OSD, in the order of their numbers."""
    found = []
    for process in sorted(int(item.name) for item in proc.iterdir() if item.name.isdigit()):
        with suppress(OSError):  # it ended while we looked
            if (proc / str(process) / "comm").read_text(errors="replace").strip() == _NAME:
                found += [*_osds(process, proc / str(process))][:1]
    return tuple(found)


def _osds(pid: int, process: Path) -> Iterator[OsdProcess]:
    for descriptor in (process / "fd").iterdir():
        with suppress(OSError):
            target = str(descriptor.readlink()).removesuffix(" (deleted)")
            if target.endswith(_LOCK):
                home = process / "root" / target.removesuffix(_LOCK).lstrip("/")
                whoami = _text(home / "whoami")
                yield OsdProcess(
                    pid,
                    int(whoami) if whoami.isascii() and whoami.isdecimal() else None,
                    descriptor.read_text(errors="replace").strip().lower(),
                    _text(home / "ceph_fsid").lower(),
                )


def _text(file: Path) -> str:
    with suppress(OSError):
        return file.read_text(errors="replace").strip()
    return ""
