"""Holding data devices, so that nobody else opens them exclusively: mkfs, LVM, wipefs, mdadm and Ceph all do that before they write."""

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from reprov.domain.guard import GuardedDevice
from reprov.errors import Refused


def numbers_of(devices: Iterable[GuardedDevice]) -> dict[int, GuardedDevice]:
    """The devices by their numbers (`st_rdev`). Raises `Refused` when one cannot be found: it could not be guarded."""
    found = {}
    for device in devices:
        try:
            status = Path(device.path).stat()
        except OSError as error:
            raise Refused(f"{device.path} cannot be guarded: {error.strerror}", hint="reprov inventory lists what the node has") from None
        if not stat.S_ISBLK(status.st_mode):
            raise Refused(f"{device.path} cannot be guarded: it is no block device", hint="reprov inventory lists what the node has")
        found[status.st_rdev] = device
    return found


@contextmanager
def held(paths: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """Hold devices, for reading alone, while the block runs; passes those that are held.

    One that is mounted, part of a volume or open by its OSD is held already, by whom it belongs to. Raises `OSError` for any
    other reason.
    """
    fds: dict[str, int] = {}
    try:
        for path in paths:
            try:
                fds[path] = os.open(path, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC)
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise
        yield tuple(fds)
    finally:
        for fd in fds.values():
            os.close(fd)
