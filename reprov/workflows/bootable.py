"""Installed root -> disk that boots it."""

from pathlib import Path

from reprov.adapters import boot_loader
from reprov.adapters.partition_table import read_table
from reprov.domain.boot import BIOS_BOOT, Firmware, boot_trouble, esp_mount, firmwares_of, refuse_foreign_bios_boot, without_old_root
from reprov.domain.layout import Layout
from reprov.errors import Refused, ReprovError
from reprov.events import Monitor, Note, phase

_PACKAGES = {Firmware.BIOS: "grub-pc-bin and grub2-common", Firmware.EFI: "grub-efi-amd64-bin and grub2-common"}


def make_bootable(root: Path, disk_device: str, layout: Layout, monitor: Monitor) -> None:
    """Install the boot loader of a root onto its disk, for every firmware that the layout has a partition for, durably.

    `root` is mounted from a partition of the disk or from a volume on one, and so are the layout's other filesystems in it;
    `disk_device` is a block device.
    Outside of these filesystems, the bios-boot partition and the boot code of the first sector nothing of the disk is written.
    A second run does no harm. Raises `Refused` before anything is written, `ReprovError` when a program fails or the result would
    not boot.
    """
    firmwares, versions = firmwares_of(layout), boot_loader.kernels_in(root)
    if not firmwares:
        what = "has a kernel, but the layout has" if versions else "has no kernel, and the layout has"
        monitor.emit(Note(f"the new system {what} neither esp nor bios-boot: no boot loader is installed"))
        return
    disk = Path(disk_device).resolve()
    _refuse(root, disk, layout, firmwares, versions)
    with phase(monitor, "boot", "Making the disk bootable"):
        _tidy_defaults(root, monitor)
        with boot_loader.opened_bootable(root, disk) as bootable:
            for version in versions:
                if not boot_loader.has_initramfs(root, version):
                    bootable.make_initramfs(version)
            if Firmware.BIOS in firmwares:
                bootable.install_for_bios()
            if Firmware.EFI in firmwares:
                bootable.install_for_efi(esp_mount(layout), boot_loader.distribution_of(root))
            if trouble := boot_trouble(bootable.configure(), bootable.names):
                raise ReprovError(
                    f"the configuration of GRUB in {root} is wrong: {trouble}", hint="see /etc/default/grub and /etc/grub.d in it"
                )


def _refuse(root: Path, disk: Path, layout: Layout, firmwares: tuple[Firmware, ...], versions: tuple[str, ...]) -> None:
    if not versions:
        raise Refused(
            f"{root} has no kernel (/boot/vmlinuz-*), and the layout is that of a disk which boots",
            hint="install a role with a kernel, or take esp and bios-boot out of the layout",
        )
    for firmware in firmwares:
        if missing := boot_loader.missing_for(root, firmware):
            raise Refused(f"{root} cannot be booted by {firmware}: it lacks /{missing}", hint=f"the role needs {_PACKAGES[firmware]}")
    if Firmware.BIOS in firmwares:
        found = read_table(disk)
        partitions = found.partitions if found else ()
        if not any(partition.type_name == BIOS_BOOT for partition in partitions):
            raise Refused(f"{disk} has no bios-boot partition", hint="the layout's partitions have to be made first")
        refuse_foreign_bios_boot(layout, partitions)


def _tidy_defaults(root: Path, monitor: Monitor) -> None:
    """What the node had for GRUB is kept, but for the filesystems of before."""
    before = boot_loader.read_grub_defaults(root)
    after = without_old_root(before) if before is not None else None
    if before is not None and after is not None and after != before:
        boot_loader.write_grub_defaults(root, after)
        monitor.emit(Note("/etc/default/grub no longer names the root or the swap of before"))
