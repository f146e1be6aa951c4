"""Onto which disk GRUB for BIOS may be installed again: decided from what is known, never guessed."""

import re
from collections.abc import Collection
from typing import NamedTuple

from reprov.domain.boot import BIOS_BOOT
from reprov.domain.inventory import Partition

_QUESTION = re.compile(r"^Name: grub-pc/install_devices\n(?:.+\n)*?Value: (.*)$", re.MULTILINE)


class Target(NamedTuple):
    """The disk to install onto, or why there is none."""

    disk: str
    trouble: str = ""


def install_devices_of(debconf: str) -> tuple[str, ...]:
    """The answer to grub-pc/install_devices in debconf's config.dat; empty where there is none."""
    found = _QUESTION.search(debconf)
    return tuple(device.strip() for device in found[1].split(",") if device.strip()) if found else ()


def bios_target(boot_disk: str, partitions: Collection[Partition], answered: Collection[str]) -> Target:
    """The disk that GRUB's directory lies on, if a bios-boot partition says that GRUB belongs there, and nobody has said otherwise.

    `answered` are the disks that debconf was told, by the names that the kernel has for them.
    """
    if not boot_disk:
        return Target("", "the filesystem of /boot does not lie on a partition of one disk")
    own = [partition for partition in partitions if partition.type_name == BIOS_BOOT]
    if len(own) != 1:
        return Target("", f"{boot_disk} has {len(own) or 'no'} bios-boot partitions, so that it cannot be told where GRUB belongs")
    if answered and set(answered) != {boot_disk}:
        return Target("", f"debconf's grub-pc/install_devices is {', '.join(sorted(answered))}, and /boot lies on {boot_disk}")
    return Target(boot_disk)
