"""A disk image with partitions of an operating system between those of others, and a real Debian tree on it that can boot."""

import os
import shutil
import subprocess
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from reprov.domain.layout import MIB, DiskChoice, Layout
from reprov.domain.new_fstab import fstab_of
from reprov.domain.partition_types import guid_of
from tests.disk_builders import os_partition
from tests.storage_lab import attached

BIOS = os_partition("bios", 1, "", "", "bios-boot")
EFI = os_partition("efi", 64, "vfat", "/boot/efi", "esp")
ROOT = replace(os_partition("root", 1200, "ext4", "/"), label="root")
SWAP = os_partition("swap", 8, "swap", "", "swap")
BIOS_LAYOUT = Layout(DiskChoice(image="disk.img"), (BIOS, ROOT, SWAP))
EFI_LAYOUT = Layout(DiskChoice(image="disk.img"), (EFI, ROOT, SWAP))

# By number: what others have lies before, between and behind.
_PARTITIONS = (
    ("ceph-block-db", "db", 2),
    ("bios-boot", "bios", 1),
    ("ceph-osd-data", "osd", 3),
    ("esp", "efi", 64),
    ("linux", "srv-data", 2),
    ("linux", "root", 1200),
    ("ceph-block", "block", 4),
    ("swap", "swap", 8),
    ("lvm", "pv", 2),
)
NUMBERS = {label: number for number, (_, label, _) in enumerate(_PARTITIONS, start=1)}
BOOT_CODE_BYTES = 440
_OVMF = Path("/usr/share/OVMF")

GRUB_DEFAULTS = """\
GRUB_TIMEOUT=0
GRUB_TERMINAL=serial
GRUB_SERIAL_COMMAND="serial --unit=0 --speed=115200"
GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0,115200n8 mitigations=off nokaslr root=UUID=of-before panic=1"
"""
_UNIT = """\
[Unit]
DefaultDependencies=no
After=local-fs.target
Requires=local-fs.target
[Service]
Type=oneshot
ExecStart=/usr/local/sbin/tell
ExecStart=systemctl poweroff --force --force
"""
_TELL = """\
#!/bin/sh
firmware=BIOS
test ! -d /sys/firmware/efi || firmware=EFI
for point in / /usr /boot; do echo "$point is $(findmnt -no SOURCE $point)"; done >/dev/ttyS0
echo "BOOTED $(findmnt -no UUID /) by $firmware" >/dev/ttyS0
"""


@dataclass
class BootDisk:
    """The disk as the kernel has it, with its root mounted."""

    image: Path
    device: str
    root: Path
    uuids: dict[str, str]
    """Of the filesystems, by the name of the partition."""
    ours: frozenset[str]
    """The names of the layout's partitions."""

    def changes_of_others(self, before: dict[str, bytes]) -> list[str]:
        """What a boot loader has no business with, and is not as before."""
        now = self.others()
        return [label for label in before if now[label] != before[label]]

    def others(self) -> dict[str, bytes]:
        """What is on the disk outside of the layout's partitions and of the boot code."""
        os.sync()  # so that it is in the file, whatever was written through the disk or one of its partitions
        return others_on(self.image, self.ours)


def others_on(image: Path, ours: Container[str]) -> dict[str, bytes]:
    """What is on a disk outside of these partitions and of the boot code: by label, and what lies before and behind all."""
    found = {}
    with image.open("rb") as disk:
        found["head"] = disk.read(MIB)[BOOT_CODE_BYTES:]
        for _, label, size_mib in _PARTITIONS:
            if label in ours:
                disk.seek(size_mib * MIB, os.SEEK_CUR)
            else:
                found[label] = disk.read(size_mib * MIB)
        found["tail"] = disk.read()
    return found


def make_image(image: Path) -> None:
    """The partition table, and random bytes everywhere else."""
    lines = ["label: gpt", *(f'size={size}M, type={guid_of(kind)}, name="{label}"' for kind, label, size in _PARTITIONS)]
    with image.open("wb") as file:
        for _, label, size_mib in (("", "", 1), *_PARTITIONS, ("", "", 1)):
            if label == "root":
                file.truncate(file.seek(size_mib * MIB, os.SEEK_CUR))
            else:
                file.write(os.urandom(size_mib * MIB))
    _run("sfdisk", "--quiet", "--wipe", "never", "--wipe-partitions", "never", str(image), given="\n".join(lines))


@contextmanager
def boot_disk(folder: Path, tree: Path, layout: Layout) -> Iterator[BootDisk]:
    """The disk with a copy of a tree on it: formatted, root mounted, with its fstab, GRUB's settings, and a unit that tells of the boot.

    The ESP is not mounted: not every machine that tests run on has a kernel with vfat.
    """
    image, root = folder / "disk.img", folder / "root"
    make_image(image)
    with attached(image) as (disk,):
        uuids = {}
        for partition in layout.partitions:
            device = f"{disk}p{NUMBERS[partition.name]}"
            for command in partition.format_commands(device):
                _run(*command)
            if partition.filesystem:
                uuids[partition.name] = _run("blkid", "--probe", "--match-tag", "UUID", "--output", "value", device).strip()
        root.mkdir()
        _run("mount", f"{disk}p{NUMBERS['root']}", str(root))
        try:
            _run("cp", "--archive", f"{tree}/.", str(root))
            (root / "etc/fstab").write_text(fstab_of(layout, uuids, ""))
            (root / "etc/machine-id").write_text(f"{'0123456789abcdef' * 2}\n")
            furnish(root)
            yield BootDisk(image, str(disk), root, uuids, frozenset(partition.name for partition in layout.partitions))
        finally:
            _run("umount", str(root))


def furnish(root: Path) -> None:
    """Give a root what GRUB is to do, and a unit that tells of the boot."""
    (root / "etc/default/grub").write_text(GRUB_DEFAULTS)
    (root / "usr/local/sbin/tell").write_text(_TELL)
    (root / "usr/local/sbin/tell").chmod(0o755)
    units = root / "etc/systemd/system"
    (units / "booted.service").write_text(_UNIT)
    (units / "basic.target.wants").mkdir(exist_ok=True)
    (units / "basic.target.wants/booted.service").symlink_to("../booted.service")


def _run(*argv: str, given: str = "") -> str:
    return subprocess.run(argv, input=given, check=True, capture_output=True, text=True).stdout


def boot(image: Path, *, efi: bool = False, folder: Path, timeout_s: float, is_kept: bool = True) -> str:
    """What a virtual machine says that boots from this disk, to which nothing is written if it is to be kept."""
    firmware: tuple[str, ...] = ()
    if efi:
        shutil.copyfile(_OVMF / "OVMF_VARS.fd", folder / "vars.fd")
        firmware = (
            *("-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={_OVMF}/OVMF_CODE.fd"),
            *("-drive", f"if=pflash,unit=1,format=raw,file={folder}/vars.fd"),
        )
    return _virtual_machine(*_disk(image, is_kept=is_kept), *firmware, folder=folder, timeout_s=timeout_s)


def run_as_init(image: Path, program: str, second: Path, tree: Path, *, folder: Path, timeout_s: float) -> str:
    """What a virtual machine says in which one program of the first disk does something to the second one; the first is not written to.

    The kernel is that of the tree, and no boot loader needs to be there.
    """
    (kernel,), (initramfs,) = (tree / "boot").glob("vmlinuz-*"), (tree / "boot").glob("initrd.img-*")
    words = f"root=/dev/vda{NUMBERS['root']} rw console=ttyS0 mitigations=off nokaslr panic=-1 init={program}"
    direct = ("-kernel", str(kernel), "-initrd", str(initramfs), "-append", words)
    return _virtual_machine(*_disk(image, is_kept=True), *_disk(second, is_kept=False), *direct, folder=folder, timeout_s=timeout_s)


def _disk(image: Path, *, is_kept: bool) -> tuple[str, ...]:
    snapshot = "on" if is_kept else "off"
    name = f"disk-{snapshot}"
    return "-drive", f"file={image},format=raw,if=none,id={name},snapshot={snapshot}", "-device", f"virtio-blk-pci,drive={name}"


def _virtual_machine(*words: str, folder: Path, timeout_s: float) -> str:
    """What it says on its serial line until it is off. Slow: there need be no KVM. An AssertionError when it takes longer."""
    serial = folder / "serial.log"
    argv = (
        *("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-machine", "q35", "-accel", "tcg,tb-size=256", "-cpu", "qemu64"),
        *("-m", "1024", "-smp", "1", "-display", "none", "-serial", f"file:{serial}", "-no-reboot"),
        *words,
    )
    try:
        ran = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"not off after {timeout_s} s:\n{serial.read_text(errors='replace')[-4000:]}") from None
    return serial.read_text(errors="replace") + ran.stderr
