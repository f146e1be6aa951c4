"""What uses a block device right now, and what the kernel has counted of its writes. Opens nothing for writing."""

import errno
import fcntl
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")
_NUMBERED = Path("/sys/dev/block")
_WRITTEN, _DISCARDED = 6, 13
"""Fields of https://docs.kernel.org/block/stat.html: sectors written, sectors discarded (since Linux 4.18)."""


class InUse(Exception):
    """Something has the device; the text says what, in a clause for people."""


class Writes(NamedTuple):
    """The kernel's counts since the device appeared, in sectors of 512 bytes; None where it does not count."""

    written: int | None = None
    discarded: int | None = None


def writers() -> Mapping[int, str]:
    """Who has a block device open for writing, by the device's number: `ceph-osd (4711)`.

    An OSD need not open its device exclusively. Only descriptors that name a device are looked at: any other may be on a
    network filesystem that does not answer.
    """
    found: dict[int, str] = {}
    for process in _PROC.iterdir():
        if process.name.isdigit():
            with suppress(OSError):  # it ended while we looked
                found |= _devices_of(process)
    return found


def count_writes(number: int) -> Writes:
    """What the kernel has counted of the device of this number."""
    try:
        counts = (_NUMBERED / f"{os.major(number)}:{os.minor(number)}" / "stat").read_text().split()
    except OSError:
        return Writes()
    return Writes(*(int(counts[field]) if field < len(counts) else None for field in (_WRITTEN, _DISCARDED)))


@contextmanager
def opened_unused(device: Path, writing: Mapping[int, str]) -> Iterator[int]:
    """A descriptor for reading that nobody else can open exclusively meanwhile.

    Raises `InUse` when something uses the device: a device built on it, a mount in any namespace, a process that writes or
    that locks it (https://systemd.io/BLOCK_DEVICE_LOCKING/); and `OSError` when it cannot be read.
    """
    number = device.stat().st_rdev
    if holders := _holders(number):
        raise InUse(f"holds {holders}")
    if number in writing:
        raise InUse(f"open in {writing[number]}")
    try:
        fd = os.open(device, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise InUse("held by the kernel or by another program") from None
        raise
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InUse("locked by another program") from None
        yield fd
    finally:
        os.close(fd)


@contextmanager
def opened_image(image: Path) -> Iterator[int]:
    """A descriptor of a disk image for reading. Raises `InUse` when a loop device can write to it, `OSError` when it cannot be read."""
    for loop in Path("/sys/block").glob("loop*"):
        with suppress(OSError):
            if (loop / "ro").read_text().strip() == "0" and image.samefile((loop / "loop/backing_file").read_text().rstrip("\n")):
                raise InUse(f"attached to /dev/{loop.name}")
    fd = os.open(image, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def _holders(number: int) -> str:
    with suppress(OSError):
        place = _NUMBERED / f"{os.major(number)}:{os.minor(number)}" / "holders"
        return ", ".join(sorted(_mapper_name(holder) for holder in place.iterdir()))
    return ""


def _mapper_name(holder: Path) -> str:
    with suppress(OSError):
        return (holder / "dm/name").read_text().strip()
    return holder.name


def _devices_of(process: Path) -> Iterator[tuple[int, str]]:
    name = (process / "comm").read_text(errors="replace").strip()
    for descriptor in (process / "fd").iterdir():
        with suppress(OSError):
            target = str(descriptor.readlink())
            if target.startswith("/dev/") or target.rpartition("/")[2] in ("block", "block.db", "block.wal", "journal"):
                status = descriptor.stat()
                if stat.S_ISBLK(status.st_mode) and _is_for_writing(process / "fdinfo" / descriptor.name):
                    yield status.st_rdev, f"{name} ({process.name})"


def _is_for_writing(fdinfo: Path) -> bool:
    flags = next(line.split()[1] for line in fdinfo.read_text().splitlines() if line.startswith("flags:"))
    return int(flags, 8) & os.O_ACCMODE != os.O_RDONLY
