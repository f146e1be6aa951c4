"""What has to be asked of sfdisk, blkid and the devices themselves, because udev has not told it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from reprov.domain.block_device import BlockDevice
from reprov.domain.bluestore import LABEL_BYTES
from reprov.domain.inventory import AMBIVALENT, Signature, TableKind
from reprov.domain.partition_types import MBR_EXTENDED
from reprov.domain.sfdisk import TableOnDisk

_MAY_BE_BLUESTORE: Final = ("", "ceph_bluestore", AMBIVALENT)
"""What was on the device before may have left its magic, too."""
_NEVER_BLUESTORE: Final = ("esp", "bios-boot", "boot", "swap", "lvm", "gpt-protective")


class Place(NamedTuple):
    """A part of a disk or image that no device of its own shows; `name` is what the inventory calls it."""

    name: str
    path: str
    offset_bytes: int
    size_bytes: int


def disks_to_ask(devices: Sequence[BlockDevice]) -> Iterator[BlockDevice]:
    """Disks whose table udev has not told, or not all of it."""
    lacking = {device.parent for device in devices if device.parent and device.entry is None}
    paths = {name for device in devices if device.mapper_uuid.startswith("mpath-") for name in device.below}
    for device in devices:
        is_mapped = bool(device.mapper_name) and not device.mapper_uuid.startswith("mpath-")
        if not (device.parent or is_mapped or device.name in paths) and (device.name in lacking or not device.is_probed):
            yield device


def contents_to_ask(devices: Sequence[BlockDevice], tables: Mapping[str, TableOnDisk]) -> Iterator[str]:
    """Paths of devices that udev has not probed, and that have no table."""
    return (device.path for device in devices if not device.is_probed and device.path not in tables)


def places_without_device(devices: Sequence[BlockDevice], tables: Mapping[str, TableOnDisk]) -> Iterator[Place]:
    """Partitions that are in a table, but which the kernel has made no device of."""
    by_path = {device.path: device for device in devices}
    for path, found in tables.items():
        name = by_path[path].name if path in by_path else ""
        known = {device.entry.number if device.entry else device.partition_number for device in devices if device.parent == name and name}
        for partition in found.partitions:
            if partition.number not in known and partition.type not in MBR_EXTENDED:
                scale = found.sector_bytes
                yield Place(partition.path, path, partition.start_sector * scale, partition.sectors * scale)


def labels_to_read(
    devices: Sequence[BlockDevice], tables: Mapping[str, TableOnDisk], contents: Mapping[str, Signature], places: Sequence[Place]
) -> Iterator[Place]:
    """Where a bluestore label may be: whatever holds nothing that blkid has a name for, and is not the system's by its type."""
    whole = [Place(device.path, device.path, 0, device.size_bytes) for device in devices if not _has_table(device, tables)]
    types = {device.path: device.entry.type_name for device in devices if device.entry}
    types |= {partition.path: partition.type_name for found in tables.values() for partition in found.partitions}
    known = {device.path: device.content for device in devices if device.content} | dict(contents)
    for place in (*whole, *places):
        content = known.get(place.name)
        is_free = (content.type if content else "") in _MAY_BE_BLUESTORE and types.get(place.name, "") not in _NEVER_BLUESTORE
        if is_free and place.size_bytes >= LABEL_BYTES:
            yield place


def physical_volumes(devices: Sequence[BlockDevice], contents: Mapping[str, Signature], places: Sequence[Place]) -> tuple[Place, ...]:
    """Where LVM has physical volumes."""
    whole = [Place(device.path, device.path, 0, device.size_bytes) for device in devices]
    known = {device.path: device.content for device in devices if device.content} | dict(contents)
    return tuple(place for place in (*whole, *places) if (content := known.get(place.name)) and content.type == "LVM2_member")


def _has_table(device: BlockDevice, tables: Mapping[str, TableOnDisk]) -> bool:
    """blkid takes some bluestore disks for the table of another computer's: only those that reprov knows count."""
    table = tables[device.path].table if device.path in tables else device.table
    return table is not None and table.kind is not TableKind.OTHER
