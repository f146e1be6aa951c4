"""A disk image as a disk of the kernel, for as long as it is needed and not a moment longer, however the process ends."""

import fcntl
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from reprov.adapters.run import run
from reprov.errors import InvalidInput, Refused

_GPT_MAGIC = b"EFI PART"
_PATIENCE_S = 5.0
_INTERVAL_S = 0.05
_LOCKED_BYTES = (0, 0)  # start and length: all of it


@contextmanager
def attached_image(image: Path) -> Iterator[str]:
    """The path of a loop device that shows the image with all its partitions; gone after the block.

    Raises `InvalidInput` when it is no regular file, `Refused` while something else has it.
    """
    try:
        file = image.open("r+b")
    except OSError as error:
        raise InvalidInput(f"{image} is no disk image that can be written to: {error.strerror}") from None
    with file:
        if not image.is_file():
            raise InvalidInput(f"{image} is no disk image: it is no regular file")
        _refuse_other_users(image, file.fileno())
        options = ("--sector-size", str(_sector_bytes(file.fileno())), "--partscan")
        try:
            device = run(("losetup", "--find", "--show", *options, os.fspath(image))).stdout.decode().strip()
            fd = os.open(device, os.O_RDONLY | os.O_CLOEXEC)
        except BaseException:
            if loop := _loop_of(image):
                run(("losetup", "--detach", loop))
            raise
        try:
            # While it is open, the kernel only notes that it is to go: it goes with the last who has it open, should this process
            # be killed, too.
            run(("losetup", "--detach", device))
            run(("partx", "--add", device), fine=(0, 1))  # 1: no partitions, or the kernel has found them already
            yield device
        finally:
            os.close(fd)
            _wait_until_free(image)


def _refuse_other_users(image: Path, fd: int) -> None:
    """A virtual machine locks the image that it runs from; another loop device would write behind our back.

    The image is locked for as long as its file is open: of two that find it free at the same moment one is refused.
    """
    if loop := _wait_until_free(image):
        raise Refused(f"{image} is attached to {loop}", hint=f"losetup --detach {loop}")
    wanted = struct.pack("hhqqixxxx", fcntl.F_WRLCK, os.SEEK_SET, *_LOCKED_BYTES, 0)
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, wanted)
    except BlockingIOError:
        hint = "a virtual machine that runs from it, or another installation"
        raise Refused(f"{image} is in use by another program, which has locked it", hint=hint) from None


def _wait_until_free(image: Path) -> str:
    """The loop device that shows the image; "" when there is none.

    Whoever looks at all devices just then, as blkid does, keeps one that is to go for a moment longer.
    """
    until = time.monotonic() + _PATIENCE_S
    while loop := _loop_of(image):
        if time.monotonic() > until:
            return loop
        time.sleep(_INTERVAL_S)
    return ""


def _loop_of(image: Path) -> str:
    for loop in Path("/sys/block").glob("loop*"):
        with suppress(OSError):  # free, or its file is gone
            if image.samefile((loop / "loop/backing_file").read_text().rstrip("\n")):
                return f"/dev/{loop.name}"
    return ""


def _sector_bytes(fd: int) -> int:
    """A GPT lies in the second sector, and an image does not tell their size; without one it is 512 bytes."""
    return 4096 if os.pread(fd, 8, 4096) == _GPT_MAGIC and os.pread(fd, 8, 512) != _GPT_MAGIC else 512
