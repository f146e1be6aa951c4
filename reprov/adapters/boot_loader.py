"""GRUB and the initramfs of a root that lies on a disk, made by the root's own programs.

They run in a mount namespace of their own, where /dev holds the disk, the partitions and volumes that are mounted in the root (with
the partitions that these volumes lie on), and no other device: whatever they do, there is no node through which they could open a data
partition.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reprov.adapters import kernel
from reprov.adapters.files import opened_directory
from reprov.adapters.mounts import read_mounts
from reprov.adapters.root_view import RootView
from reprov.adapters.run import run
from reprov.adapters.sandbox import SYSTEM_DIRECTORIES, Sandbox, sandbox
from reprov.domain.boot import GRUB_DEFAULTS, Firmware
from reprov.errors import ReprovError

_BLKID_TIMEOUT_S = 30
_BLOCK = Path("/sys/class/block")
_NUMBERED = Path("/sys/dev/block")
_CONFIGURATION = "boot/grub/grub.cfg"
_OS_RELEASE = ("etc/os-release", "usr/lib/os-release")
_KERNEL, _INITRAMFS = "vmlinuz-", "initrd.img-"
_PROGRAMS = ("usr/sbin/grub-install", "usr/sbin/grub-mkconfig")


@dataclass(frozen=True, slots=True)
class BootableRoot:
    """A root in which the boot loader's programs can run."""

    box: Sandbox
    root: Path
    disk: str
    """By the name that it has inside."""
    names: tuple[str, ...]
    """By which a kernel can be told where its root is, as in `root=UUID=...`. GRUB prefers its device for a volume."""

    def make_initramfs(self, version: str) -> None:
        """The initramfs of a kernel. Raises `CommandFailed`."""
        self._run("update-initramfs", "-c", "-k", version)

    def install_for_bios(self) -> None:
        """Into the boot code of the first sector and the bios-boot partition. Raises `CommandFailed`."""
        self._run("grub-install", f"--target={Firmware.BIOS.platform}", "--recheck", self.disk)

    def install_for_efi(self, esp: str, name: str) -> None:
        """Into the ESP, where a firmware finds it that remembers nothing, and by the name of the distribution. Raises `CommandFailed`.

        The firmware's own memory is left alone: it may be another machine's, and in a rescue system it need not be there.
        """
        common = (f"--target={Firmware.EFI.platform}", f"--efi-directory={esp}", "--no-nvram")
        self._run("grub-install", *common, f"--bootloader-id={name}")
        self._run("grub-install", *common, "--removable")

    def configure(self) -> str:
        """Write the configuration that finds the kernels, and give it. Raises `CommandFailed`."""
        self._run("grub-mkconfig", "-o", f"/{_CONFIGURATION}")
        return (self.root / _CONFIGURATION).read_text(errors="surrogateescape")

    def _run(self, *argv: str) -> None:
        # LVM's programs, whom GRUB asks about a volume, must not hold themselves to a list of devices that the node had before.
        self.box.run(("chroot", os.fspath(self.root), *argv), extra_environment={"LVM_SYSTEM_DIR": "/run/reprov"})


@contextmanager
def opened_bootable(root: Path, disk: Path) -> Iterator[BootableRoot]:
    """Make the root one that the programs can run in; afterwards nothing of that is left, and what they wrote is on the disk.

    Raises `ReprovError` for a root that does not lie on the disk.
    """
    mounted = _mounted_devices(root, disk)
    uuids = {place: _uuid_of(device) for place, device in mounted.items()}
    with sandbox() as box:
        for name in SYSTEM_DIRECTORIES:
            (root / name).mkdir(exist_ok=True)
        box.mount_system(root)
        dev = box.view(root / "dev")
        for folder in ("disk/by-uuid", "mapper"):
            (dev / folder).mkdir(parents=True)
        below = {partition for device in mounted.values() for partition in _partitions_below(device)}
        for device in {disk, *mounted.values(), *below}:
            os.mknod(dev / device.relative_to("/dev"), 0o060600, device.stat().st_rdev)
        for place, device in mounted.items():
            # grub-mkconfig gives a kernel no UUID that it does not find here.
            (dev / "disk/by-uuid" / uuids[place]).symlink_to(Path("../..") / device.relative_to("/dev"))
        volume = (str(mounted[""]),) if _partitions_below(mounted[""]) else ()
        yield BootableRoot(box, root, f"/dev/{disk.name}", (f"UUID={uuids['']}", *volume))
    for place in mounted:
        with opened_directory(root / place) as fd:
            kernel.syncfs(fd)
    _sync_device(disk)


def kernels_in(root: Path) -> tuple[str, ...]:
    """The versions of the kernels of a root, sorted."""
    with _viewed(root) as view:
        return tuple(name.removeprefix(_KERNEL) for name in view.names("boot") if name.startswith(_KERNEL))


def has_initramfs(root: Path, version: str) -> bool:
    """True when a kernel has one that is not empty."""
    with _viewed(root) as view:
        status = view.status(f"boot/{_INITRAMFS}{version}")
        return status is not None and status.st_size > 0


def missing_for(root: Path, firmware: Firmware) -> str:
    """The first thing that a root lacks to be booted by a firmware; "" when it has everything."""
    with _viewed(root) as view:
        missing = [program for program in _PROGRAMS if not view.is_program(program)]
        modules = f"usr/lib/grub/{firmware.platform}"
        return missing[0] if missing else "" if view.is_directory(modules) else modules


def distribution_of(root: Path) -> str:
    """The ID of os-release, by which its boot loader goes; linux where there is none, as os-release(5) says."""
    with _viewed(root) as view:
        text = next((text for path in _OS_RELEASE if (text := view.text(path)) is not None), "")
    found = [line.partition("=")[2].strip("\"' ") for line in text.splitlines() if line.startswith("ID=")]
    return found[0] if found and found[0].isalnum() else "linux"


def read_grub_defaults(root: Path) -> str | None:
    """/etc/default/grub; None where there is none, which is as good."""
    with _viewed(root) as view:
        return view.text(GRUB_DEFAULTS)


def write_grub_defaults(root: Path, text: str) -> None:
    """Give /etc/default/grub, which is there, another content, atomically; owner and mode stay. A link becomes a file."""
    with _viewed(root) as view:
        before = view.status(GRUB_DEFAULTS)
    place = root / GRUB_DEFAULTS
    incoming = place.with_name(".grub.reprov")
    with incoming.open("w", errors="surrogateescape") as file:
        file.write(text)
        if before is not None:
            os.fchown(file.fileno(), before.st_uid, before.st_gid)
            os.fchmod(file.fileno(), before.st_mode & 0o7777)
        file.flush()
        os.fsync(file.fileno())
    incoming.rename(place)


def _mounted_devices(root: Path, disk: Path) -> dict[str, Path]:
    """By mount point relative to the root ("" for itself), the partitions of the disk that are mounted there, and the volumes on it."""
    found = {}
    for mount in read_mounts(root):
        device = Path(mount.source)
        if not mount.source.startswith("/dev/") or not device.is_block_device():
            continue
        below = _partitions_below(device)
        if below and all(_is_part_of(partition, disk) for partition in below):
            found[mount.path] = device  # by the name that mountinfo has, as GRUB reads it there
        elif _is_part_of(device.resolve(), disk):
            found[mount.path] = device.resolve()
    if "" not in found:
        raise ReprovError(
            f"{root} is not mounted from a partition of {disk}", hint="mount the new root there, and its other filesystems in it"
        )
    return found


def _is_part_of(device: Path, disk: Path) -> bool:
    return (_BLOCK / disk.name / device.name / "partition").exists()


def _partitions_below(device: Path) -> tuple[Path, ...]:
    """What a volume lies on; nothing for a partition."""
    number = device.stat().st_rdev
    slaves = _NUMBERED / f"{os.major(number)}:{os.minor(number)}" / "slaves"
    return tuple(Path("/dev") / below.name for below in sorted(slaves.glob("*")))


def _uuid_of(device: Path) -> str:
    """Read from the device itself: neither a cache nor udev remembers what it was."""
    argv = ("blkid", "--probe", "--match-tag", "UUID", "--output", "value", os.fspath(device))
    return run(argv, timeout_s=_BLKID_TIMEOUT_S).stdout.decode().strip()


def _sync_device(device: Path) -> None:
    fd = os.open(device, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def _viewed(root: Path) -> Iterator[RootView]:
    with opened_directory(root) as root_fd:
        yield RootView(root_fd)
