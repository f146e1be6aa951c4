"""The programs of a root that make it boot: in the running system as they are, elsewhere in namespaces of their own.

There /dev holds the devices of the filesystems that a boot needs, the disks that these lie on, and no other device.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from reprov.adapters.mounts import read_mounts
from reprov.adapters.run import CommandFailed, run
from reprov.adapters.sandbox import SYSTEM_DIRECTORIES, Sandbox, sandbox

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_TIMEOUT_S = 900
_BOOT_MOUNTS = ("", "boot", "boot/efi", "efi")
_BLKID_TIMEOUT_S = 30


@dataclass(frozen=True, slots=True)
class BootPrograms:
    """A root whose programs can run."""

    root: Path
    box: Sandbox | None
    """None for the running system."""

    @property
    def is_running(self) -> bool:
        """True when the root is the running system."""
        return self.box is None

    def run(self, *argv: str, environment: Mapping[str, str] = _NOTHING) -> str:
        """Run a program of the root and give what it says. Raises `CommandFailed`."""
        if self.box is None:
            return run(argv, extra_environment=environment, timeout_s=_TIMEOUT_S).stdout.decode("utf-8", "surrogateescape")
        words = ("timeout", "--kill-after=10", str(_TIMEOUT_S), "chroot", os.fspath(self.root), *argv)
        try:
            # LVM's programs, whom GRUB asks about a volume, must not hold themselves to a list of devices that the node had before.
            return self.box.run(words, extra_environment={"LVM_SYSTEM_DIR": "/run/reprov", **environment}).stdout.decode(
                "utf-8", "surrogateescape"
            )
        except CommandFailed as error:
            raise CommandFailed(argv, error.status, error.stderr) from None


@contextmanager
def opened_programs(root: Path) -> Iterator[BootPrograms]:
    """The programs of a root for the block; afterwards nothing that they needed is left."""
    if root == Path("/"):
        yield BootPrograms(root, None)
        return
    with sandbox() as box:
        for name in SYSTEM_DIRECTORIES:
            (root / name).mkdir(exist_ok=True)
        box.mount_system(root)
        _show_devices(root, box.view(root / "dev"))
        yield BootPrograms(root, box)


def disk_of(device: Path) -> Path | None:
    """The disk that a partition lies on; None for what is no partition."""
    place = _described(device)
    return Path("/dev") / place.parent.name if (place / "partition").exists() else None


def device_of(root: Path, path: str) -> Path | None:
    """The block device of the filesystem that a directory of the root lies on, as the mount table names it; None where there is none."""
    held = {mount.path: mount.source for mount in read_mounts(root)}
    while path not in held and path:
        path = path.rpartition("/")[0]
    device = Path(held.get(path, ""))
    return device if device.is_relative_to("/dev") and device.is_block_device() else None


def _show_devices(root: Path, dev: Path) -> None:
    for folder in ("disk/by-uuid", "mapper"):
        (dev / folder).mkdir(parents=True)
    mounted = {device for mount in _BOOT_MOUNTS if (device := device_of(root, mount))}
    below = {lower for device in mounted for lower in _all_below(device)}
    disks = {disk for device in mounted | below if (disk := disk_of(device))}
    for device in mounted | below | disks:
        place = dev / device.relative_to("/dev")
        place.parent.mkdir(parents=True, exist_ok=True)
        os.mknod(place, stat.S_IFBLK | 0o600, device.stat().st_rdev)
    for device in mounted:
        # grub-mkconfig gives a kernel no UUID that it does not find here.
        if uuid := _uuid_of(device):
            (dev / "disk/by-uuid" / uuid).symlink_to(Path("../..") / device.relative_to("/dev"))


def _all_below(device: Path) -> set[Path]:
    """What a volume or an array lies on; nothing for a partition."""
    lower = {Path("/dev") / slave.name for slave in (_described(device) / "slaves").glob("*")}
    return lower | {deeper for one in lower for deeper in _all_below(one)}


def _described(device: Path) -> Path:
    number = device.stat().st_rdev
    return Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}").resolve()


def _uuid_of(device: Path) -> str:
    """Read from the device itself, which udev need not know; "" for none."""
    argv = ("blkid", "--probe", "--match-tag", "UUID", "--output", "value", os.fspath(device))
    return run(argv, fine=(0, 2), timeout_s=_BLKID_TIMEOUT_S).stdout.decode().strip()
