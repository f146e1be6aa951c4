"""The boot loader itself after an upgrade: installed again only when the tree has another version of it, and only where it was."""

import os
from pathlib import Path

from reprov.adapters.boot_programs import BootPrograms, device_of, disk_of
from reprov.adapters.loader_files import grub_names, install_devices, is_outdated, renew_systemd_boot
from reprov.adapters.loaders import Grub, Loaders
from reprov.adapters.partition_table import read_table
from reprov.domain.boot import Firmware
from reprov.domain.loader_update import bios_target
from reprov.events import Monitor, Note

_ESP_PLACES = ("boot/efi", "efi")
_REMOVABLE = "BOOT"


def renew_loaders(programs: BootPrograms, loaders: Loaders, monitor: Monitor) -> None:
    """Bring the boot code of a node to the version that the tree has. Where that belongs cannot always be told: then it stays."""
    if loaders.entries and loaders.entries.is_copied and renew_systemd_boot(programs.root, loaders.entries):
        monitor.emit(Note("systemd-boot was brought to the version of the release"))
    if loaders.grub:
        if is_outdated(programs.root, loaders.grub, Firmware.BIOS):
            _install_for_bios(programs, loaders.grub, monitor)
        if is_outdated(programs.root, loaders.grub, Firmware.EFI):
            _install_for_efi(programs, loaders.grub, monitor)


def _install_for_bios(programs: BootPrograms, grub: Grub, monitor: Monitor) -> None:
    device = device_of(programs.root, grub.place)
    disk = disk_of(device) if device else None
    table = read_table(disk) if disk else None
    answered = [os.path.realpath(device) for device in install_devices(programs.root)]
    target = bios_target(str(disk or ""), table.partitions if table else (), answered)
    if target.trouble:
        monitor.emit(Note(f"GRUB in the boot code stays in the version of before: {target.trouble}"))
        return
    programs.run(grub.program("install"), f"--target={Firmware.BIOS.platform}", target.disk)
    monitor.emit(Note(f"GRUB was installed anew onto {target.disk}"))


def _install_for_efi(programs: BootPrograms, grub: Grub, monitor: Monitor) -> None:
    esp, names = next(((place, names) for place in _ESP_PLACES if (names := grub_names(programs.root, place))), ("", ()))
    if not names:
        monitor.emit(Note("GRUB in the ESP stays in the version of before: none is found in /boot/efi or /efi"))
        return
    # Without the firmware's memory, in which the entry for that file is already.
    common = (f"--target={Firmware.EFI.platform}", f"--efi-directory=/{esp}", "--no-nvram")
    for name in names:
        programs.run(grub.program("install"), *common, *(("--removable",) if name.upper() == _REMOVABLE else (f"--bootloader-id={name}",)))
    monitor.emit(Note(f"GRUB was installed anew into {Path('/', esp)}"))
