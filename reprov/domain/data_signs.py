"""Whether a node may have data devices at all, told from a few bytes of each device, so that a node without any pays next to nothing.

Nothing found here means that `domain.protected` would find nothing, either. A sign means no more than that a full inventory is due:
what cannot be told from so little is a sign, too.
"""

import struct
import uuid
from collections.abc import Collection, Iterable
from typing import Final

from reprov.domain.bluestore import parse_label
from reprov.domain.fstab import MountEntry, link_of
from reprov.domain.lvm import Lvm
from reprov.domain.mounts import Mount
from reprov.domain.partition_types import CEPH_TYPES
from reprov.domain.protected import SEALED, SYSTEM_MOUNTS

START_BYTES: Final = 24 << 10
"""How much of a device is looked at: reaches the end of a GPT of 128 entries, also in sectors of 4096 bytes."""
_GPT_MAGIC: Final = b"EFI PART"
_HEADER_BYTES: Final = 92
_LVM_MAGIC: Final = b"LABELONE"
_MBR_END: Final = 510
_PROTECTIVE: Final = 0xEE
_CEPH: Final = frozenset(uuid.UUID(guid).bytes_le for guid in CEPH_TYPES)
"""Type GUIDs as they are on a disk."""
_ENTRY: Final = struct.Struct("<QII")
"""Of a GPT header, from byte 72: first sector of the entries, their number, the size of one."""


def sign_of_device(start: bytes, sector_bytes: int) -> str:
    """Why a device that starts with these bytes may be data, or hold it; "" when nothing speaks for it."""
    return "a label of bluestore" if parse_label(start) is not None else _sign_of_table(start, sector_bytes)


def is_physical_volume(start: bytes) -> bool:
    """True for a device of LVM: what it holds is for `sign_of_lvm` to say."""
    return any(start[at : at + len(_LVM_MAGIC)] == _LVM_MAGIC for at in range(0, 2048, 512))


def sign_of_lvm(found: Lvm, paths: Collection[str]) -> str:
    """Why volumes on these devices may be data; "" when nothing speaks for it."""
    if {*paths} - {physical.path for physical in found.physical_volumes}:
        return "LVM of which nothing is known"
    tagged = any(tag.startswith("ceph.") for volume in found.volumes for tag in volume.tags)
    return "volumes of Ceph" if tagged else ""


def sign_of_mounts(mounts: Iterable[tuple[Mount, str]], fstab: Iterable[MountEntry], osds: Collection[str]) -> str:
    """Why what is mounted (with the numbers of the devices), to be mounted, or an OSD's speaks for data; "" when nothing does."""
    known = tuple(mounts)
    own = {number for mount, number in known if mount.path in SYSTEM_MOUNTS}
    for mount, number in known:
        if number and number not in own and mount.filesystem not in SEALED:
            return f"a mount at /{mount.path}"
    for entry in fstab:
        path = entry.mount_point.strip("/")
        if entry.is_mounted and path not in SYSTEM_MOUNTS and link_of(entry.source) and not SEALED.issuperset(entry.filesystem.split(",")):
            return f"/{path} in fstab"
    return f"/{next(iter(osds))}" if osds else ""


def _sign_of_table(start: bytes, sector_bytes: int) -> str:
    header = start[sector_bytes : sector_bytes + _HEADER_BYTES]
    if header[:8] != _GPT_MAGIC or len(header) < _HEADER_BYTES:
        types = [start[446 + 16 * number + 4] for number in range(4)] if start[_MBR_END : _MBR_END + 2] == b"\x55\xaa" else []
        return "a partition table that is not whole" if _PROTECTIVE in types else ""
    first, count, size_bytes = _ENTRY.unpack_from(header, 72)
    at = first * sector_bytes
    if size_bytes < 128 or at + count * size_bytes > len(start):
        return "a partition table of an unusual form"
    types_found = {start[at + number * size_bytes :][:16] for number in range(count)}
    return "partitions of Ceph" if types_found & _CEPH else ""
