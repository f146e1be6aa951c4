"""Partition tables of disks and disk images, read by sfdisk, which opens them read-only to print them."""

import os
from pathlib import Path

from reprov.adapters.run import CommandFailed, run
from reprov.domain.sfdisk import TableOnDisk, parse_sfdisk
from reprov.errors import ReprovError

_TIMEOUT_S = 30
_NO_TABLE = b"does not contain a recognized partition table"
_GPT_MAGIC = b"EFI PART"


def read_table(disk: Path, *, sector_bytes: int = 512) -> TableOnDisk | None:
    """The table as it is on the disk, whatever the kernel or udev remember; None when there is none.

    `sector_bytes` is for versions of sfdisk that do not print it. Raises `ReprovError` when the disk cannot be read.
    """
    try:
        said = run(("sfdisk", "--json", os.fspath(disk)), timeout_s=_TIMEOUT_S)
    except CommandFailed as failed:
        if _NO_TABLE in failed.stderr:
            return None
        raise
    complaints = said.stderr.decode("utf-8", "replace")
    return parse_sfdisk(said.stdout.decode("utf-8", "surrogateescape"), str(disk), complaints=complaints, sector_bytes=sector_bytes)


def require_sectors_of_512(image: Path) -> None:
    """Refuse an image of a disk with sectors of 4096 bytes: for a file, sfdisk supposes 512. Raises `ReprovError`."""
    try:
        with image.open("rb") as file:
            start = file.read(4096 + len(_GPT_MAGIC))
    except OSError as error:
        raise ReprovError(f"{image}: {error.strerror}") from None
    if start[4096:] == _GPT_MAGIC and start[512:520] != _GPT_MAGIC:
        hint = "losetup --sector-size 4096 --read-only --find --show makes a disk of it, which reprov inventory lists"
        raise ReprovError(f"{image}: the image of a disk with sectors of 4096 bytes", hint=hint)
