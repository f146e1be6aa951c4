"""A disk that is being written to: held open, so that its number and its names stay its own, and locked, so that nobody else writes."""

import fcntl
import os
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from reprov.adapters.device_use import InUse, opened_unused, writers
from reprov.domain.block_device import KERNEL_SECTOR_BYTES
from reprov.domain.inventory import Partition
from reprov.errors import Refused, ReprovError

_NUMBERED = Path("/sys/dev/block")
_PATIENCE_S = 10.0
_INTERVAL_S = 0.05


class _Found(NamedTuple):
    """A partition as the kernel has it."""

    path: str
    number: int
    start_bytes: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class HeldDisk:
    """A disk by its device number: while it is open, no other device gets that number, whatever is plugged in or out."""

    path: str
    number: int
    sector_bytes: int

    def device_of(self, entry: Partition) -> str:
        """The path of the device that the kernel has made of an entry of this disk's table.

        Waits a little for it. Raises `ReprovError` when there is none, or when it does not lie where the entry says.
        """
        until = time.monotonic() + _PATIENCE_S
        while True:
            found = self._found(entry.number)
            if found and _number_at(found.path) == found.number:
                break
            if time.monotonic() > until:
                hint = f"partx --add --nr {entry.number}:{entry.number} {self.path} makes one"
                raise ReprovError(f"the kernel has made no device of partition {entry.number} of {self.path}", hint=hint)
            time.sleep(_INTERVAL_S)
        if (found.start_bytes, found.size_bytes) != (entry.start_sector * self.sector_bytes, entry.sectors * self.sector_bytes):
            hint = f"partx --update {self.path} tells the kernel what the table says"
            raise ReprovError(f"{found.path} does not lie where the partition table of {self.path} says", hint=hint)
        return found.path

    def refuse_uses(self, entries: Iterable[Partition]) -> None:
        """Raise `Refused` when one of these partitions is in use: mounted in any namespace, held, open for writing, locked."""
        writing = writers()
        for entry in entries:
            path = self.device_of(entry)
            try:
                with opened_unused(Path(path), writing):
                    pass
            except InUse as use:
                raise Refused(f"{path} is in use: {use}", hint="nothing has been written; see fuser and lsblk") from None

    def _found(self, number: int) -> _Found | None:
        """What the kernel knows of a partition."""
        for place in (_NUMBERED / _text(self.number)).glob("*/partition"):
            if int(place.read_text()) == number:
                folder = place.parent
                major, minor = map(int, (folder / "dev").read_text().split(":"))
                start, size = (int((folder / name).read_text()) * KERNEL_SECTOR_BYTES for name in ("start", "size"))
                return _Found("/dev/" + folder.name.replace("!", "/"), os.makedev(major, minor), start, size)
        return None


@contextmanager
def held_disk(path: str, sector_bytes: int) -> Iterator[HeldDisk]:
    """Hold and lock a disk of the inventory for the block, as https://systemd.io/BLOCK_DEVICE_LOCKING/ asks for.

    Raises `Refused` when another program has locked it, `ReprovError` when the path is not that of the device that sysfs calls so.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        status = os.fstat(fd)
        known = Path("/sys/class/block") / Path(path).name / "dev"
        if not stat.S_ISBLK(status.st_mode) or not known.is_file() or known.read_text().strip() != _text(status.st_rdev):
            raise ReprovError(f"{path} is not the disk that the kernel calls {Path(path).name}")
        _lock(fd, path)
        yield HeldDisk(path, status.st_rdev, sector_bytes)
    finally:
        os.close(fd)


def _lock(fd: int, path: str) -> None:
    """udev shares the lock while it looks at a disk that was just closed: that is worth waiting for."""
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > until:
                raise Refused(f"{path} is locked by another program", hint="wait for it to end") from None
            time.sleep(_INTERVAL_S)


def _number_at(path: str) -> int:
    try:
        status = Path(path).stat()
    except OSError:
        return -1
    return status.st_rdev if stat.S_ISBLK(status.st_mode) else -1


def _text(number: int) -> str:
    return f"{os.major(number)}:{os.minor(number)}"
