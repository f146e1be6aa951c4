"""How a machine finds the operating system on a disk: which boot loaders a layout asks for, and whether what they were told is right."""

import re
from collections.abc import Sequence
from enum import StrEnum

from reprov.domain.inventory import Partition
from reprov.domain.layout import Layout
from reprov.errors import Refused

BIOS_BOOT = "bios-boot"
ESP = "esp"
GRUB_DEFAULTS = "etc/default/grub"
INITRAMFS_WITH_LVM = "usr/share/initramfs-tools/hooks/lvm2"
"""By it an initramfs gets the programs and rules that activate the volume group of its root."""

_KERNEL_WORDS = re.compile(r"^(\s*(?:export\s+)?GRUB_CMDLINE_LINUX\w*=)(.*)$", re.MULTILINE)
_NO_UUID = re.compile(r"^\s*(?:export\s+)?GRUB_DISABLE_LINUX_UUID=.*\n?", re.MULTILINE)
# With the white space before it, so that no word is left in two halves; the first one follows a quote.
_OLD_ROOT = re.compile(r"""(?:^|(?<=["'])|\s+)(?:root|rootflags|rootfstype|resume|resume_offset)=[^\s"']*""")
_LINUX = re.compile(r"^\s*linux(?:16|efi)?\s+\S+(.*)$", re.MULTILINE)


class Firmware(StrEnum):
    """Who starts the boot loader."""

    BIOS = "BIOS"
    """It runs the first sector, and the rest lies in a bios-boot partition."""
    EFI = "EFI"
    """It runs a file of the EFI system partition."""

    @property
    def platform(self) -> str:
        """What GRUB calls it."""
        return "i386-pc" if self is Firmware.BIOS else "x86_64-efi"


def firmwares_of(layout: Layout) -> tuple[Firmware, ...]:
    """The firmwares that a layout has a partition for. Raises `Refused` for an ESP into which no boot loader can be put."""
    found = []
    if any(partition.type_name == BIOS_BOOT for partition in layout.partitions):
        found.append(Firmware.BIOS)
    if any(partition.type_name == ESP for partition in layout.partitions):
        esp_mount(layout)
        found.append(Firmware.EFI)
    return tuple(found)


def esp_mount(layout: Layout) -> str:
    """Where the layout mounts its first ESP. Raises `Refused` when that is nowhere, or no firmware can read it."""
    esp = next(partition for partition in layout.partitions if partition.type_name == ESP)
    if esp.filesystem != "vfat" or not esp.mount:
        raise Refused(
            f"the layout's partition {esp.name!r} is an ESP without {'a mount point' if esp.filesystem == 'vfat' else 'vfat'}",
            hint="the boot loader goes there: filesystem: vfat, mount: /boot/efi",
        )
    return esp.mount


def refuse_foreign_bios_boot(layout: Layout, partitions: tuple[Partition, ...]) -> None:
    """GRUB for BIOS writes into the first bios-boot partition of the disk. Raises `Refused` unless the layout names all there are."""
    own = {partition.name for partition in layout.partitions if partition.type_name == BIOS_BOOT}
    foreign = [partition for partition in partitions if partition.type_name == BIOS_BOOT and partition.label not in own]
    if own and foreign:
        raise Refused(
            f"{foreign[0].path} ({foreign[0].label}) is a bios-boot partition, too, and none of the layout's",
            hint="GRUB takes the first that it finds: name this one in the layout, or have the layout boot by EFI alone",
        )


def without_old_root(defaults: str) -> str:
    """/etc/default/grub as it was (console, serial line, kernel parameters), without what names filesystems of before."""
    return _KERNEL_WORDS.sub(lambda line: line[1] + _OLD_ROOT.sub("", line[2]), _NO_UUID.sub("", defaults))


def boot_trouble(configuration: str, names: Sequence[str]) -> str:
    """What is wrong with a grub.cfg that is to boot a root which has these names (`UUID=...`); "" for nothing."""
    lines = _LINUX.findall(configuration)
    if not lines:
        return "it starts no kernel"
    for words in lines:
        roots = [word for word in words.split() if word.startswith("root=")]
        if len(roots) != 1 or roots[0].removeprefix("root=") not in names:
            return f"it gives a kernel {' '.join(roots) or 'no root'} instead of root={' or root='.join(names)}"
    return ""
