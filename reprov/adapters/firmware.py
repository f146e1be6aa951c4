"""Variables of an EFI firmware, as the running system shows them."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from reprov.adapters import kernel

_PLACE: Final = Path("/sys/firmware/efi/efivars")


@dataclass(frozen=True, slots=True)
class FirmwareVariables:
    """The directory of the variables."""

    place: Path = _PLACE

    @classmethod
    def of_running(cls) -> Self | None:
        """Those of the machine; None where it was not started by EFI, or nothing can be written to them."""
        found = cls()
        return found if found.place.is_dir() and any(found.place.iterdir()) and os.access(found.place, os.W_OK) else None

    def write(self, name: str, content: bytes) -> None:
        """Set a variable: its attributes, four bytes, and its value, in one write as the kernel wants it."""
        place = self.place / name
        if place.exists():
            _make_mutable(place)
        fd = os.open(place, os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            os.write(fd, content)
        finally:
            os.close(fd)

    def remove(self, name: str) -> None:
        """Take a variable away, if it is there."""
        place = self.place / name
        if place.exists():
            _make_mutable(place)
            place.unlink()


def _make_mutable(place: Path) -> None:
    """The kernel shows variables immutable, so that `rm -rf /` does not make a machine that never starts again."""
    fd = os.open(place, os.O_RDONLY)
    try:
        if kernel.inode_flags(fd) & kernel.IMMUTABLE:
            kernel.set_inode_flags(fd, kernel.inode_flags(fd) & ~kernel.IMMUTABLE)
    finally:
        os.close(fd)
