"""The commands that make and activate volume groups of the operating system. LVM sees one device in each of them, and no other.

Nothing here forces anything, or answers a question with yes: where LVM would ask, it is answered no, and the command fails.
"""

import re
from typing import Final

from reprov.domain.layout import MIB, OsVolume
from reprov.errors import ReprovError

EXTENT_BYTES: Final = 4 * MIB
"""Of the groups that are made here; volumes are whole numbers of them."""

_PLAIN: Final = re.compile(r"/dev/[A-Za-z0-9_/-]+")
Command = tuple[str, ...]


def group_commands(group: str, device: str) -> tuple[Command, ...]:
    """Make a device the one physical volume of a new group; whatever it holds is gone."""
    alone = _alone(device)
    return (
        ("wipefs", "--quiet", "--all", device),
        ("pvcreate", *alone, device),
        ("vgcreate", *alone, "--physicalextentsize", f"{EXTENT_BYTES}b", group, device),
    )


def volume_command(volume: OsVolume, device: str) -> Command:
    """Make a volume in a group on a device, and activate it. Its old content is not looked at: what formats it takes that away."""
    as_it_is = ("--wipesignatures", "n", "--zero", "n", "--activate", "y")
    size = f"{volume.size_bytes}b"
    return "lvcreate", *_alone(device), "--type", "linear", *as_it_is, "--name", volume.volume, "--size", size, volume.group


def activation_command(group: str, device: str, *, is_on: bool) -> Command:
    """Activate or deactivate every volume of a group that lies on a device."""
    return "vgchange", *_alone(device), "--activate", "y" if is_on else "n", group


def capacity_bytes(partition_bytes: int) -> int:
    """What volumes can have of a partition that becomes a group of its own: whole extents, without one for LVM's own data."""
    return max(partition_bytes // EXTENT_BYTES - 1, 0) * EXTENT_BYTES


def in_extents(size_bytes: int) -> int:
    """The bytes that a volume of a size takes."""
    return -(-size_bytes // EXTENT_BYTES) * EXTENT_BYTES


def _alone(device: str) -> tuple[str, ...]:
    """Options by which LVM neither reads nor writes any other device, whatever its configuration says. Raises `ReprovError`.

    A filter and not --devices, which LVM before 2.03.12 does not know. Backups of metadata would be files of the running system.
    """
    if not _PLAIN.fullmatch(device):
        raise ReprovError(f"{device} has a name that LVM cannot be told exactly")
    only = f'["a|^{device}$|","r|.*|"]'
    devices = f'devices {{ use_devicesfile=0 hints="none" filter={only} global_filter={only} }}'
    return "--config", f"{devices} backup {{ backup=0 archive=0 }}"
