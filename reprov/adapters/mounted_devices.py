"""Which device each mount of a node's root shows, and the swap in use."""

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from reprov.adapters.mounts import read_mounts
from reprov.domain.mounts import Mount

if TYPE_CHECKING:
    from reprov.domain.inventory import Swap

_SWAPS = Path("/proc/swaps")


def mounted_devices(root: Path) -> tuple[tuple[Mount, str], ...]:
    """The mounts at or below the root, each with the number of its device ("8:1"), "" for one that is of none."""
    return tuple((mount, _number(mount, root)) for mount in read_mounts(root))


def read_swaps() -> "tuple[Swap, ...]":
    """The swap in use; none where the kernel has no swap."""
    # Imported here: every plan reads mounts, and the words of an inventory are many.
    from reprov.domain.swaps import parse_swaps

    try:
        return parse_swaps(_SWAPS.read_bytes().decode("latin-1"))
    except FileNotFoundError:
        return ()


def _number(mount: Mount, root: Path) -> str:
    """By the device node: btrfs gives its files numbers of their own. /dev/root has no node; only what has a source there is looked at."""
    if not mount.source.startswith("/dev/"):
        return ""
    with suppress(OSError):
        status = Path(mount.source).stat()
        if stat.S_ISBLK(status.st_mode):
            return f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    with suppress(OSError):
        device = (root / mount.path).stat().st_dev
        return f"{os.major(device)}:{os.minor(device)}"
    return ""
