"""An inventory, put together from what udev, sysfs, sfdisk, blkid, LVM and the node's files tell."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from reprov.domain.block_device import BlockDevice
from reprov.domain.bluestore import BluestoreLabel
from reprov.domain.device_names import DeviceNames
from reprov.domain.fstab import CryptEntry, MountEntry
from reprov.domain.inventory import (
    Array,
    Crypt,
    Disk,
    DiskKind,
    FstabLine,
    Inventory,
    LogicalVolume,
    Mapped,
    Mounted,
    Partition,
    PhysicalVolume,
    Signature,
    Swap,
)
from reprov.domain.links import NO_NETWORK, Network
from reprov.domain.lvm import Lvm
from reprov.domain.mounts import Mount
from reprov.domain.osd_directory import OsdDirectory
from reprov.domain.osds import find_osds
from reprov.domain.sfdisk import TableOnDisk
from reprov.domain.storage_stack import natural

_MULTIPATH_PART: Final = re.compile(r"part\d+-mpath-")


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """Everything that was found, as its sources name it."""

    devices: tuple[BlockDevice, ...] = ()
    images: tuple[Disk, ...] = ()
    """Disks that are files."""
    tables: Mapping[str, TableOnDisk] = field(default_factory=dict)
    """By path of the disk, where udev did not tell."""
    contents: Mapping[str, Signature] = field(default_factory=dict)
    """By path, where udev did not tell."""
    lvm: Lvm | None = None
    """None when its tools could not be asked."""
    labels: Mapping[str, BluestoreLabel] = field(default_factory=dict)
    directories: tuple[OsdDirectory, ...] = ()
    mounts: tuple[tuple[Mount, str], ...] = ()
    """Each with the number of its device ("8:1"), "" when it is of none."""
    swaps: tuple[Swap, ...] = ()
    fstab: tuple[MountEntry, ...] = ()
    crypttab: tuple[CryptEntry, ...] = ()
    network: Network = NO_NETWORK
    notes: tuple[str, ...] = ()


def assemble(facts: NodeFacts) -> Inventory:
    """The inventory; its order depends on nothing but what is there."""
    devices = _Devices(facts)
    inventory = Inventory(
        disks=tuple(sorted((*devices.disks(), *facts.images), key=lambda disk: natural(disk.path))),
        arrays=tuple(sorted(devices.arrays(), key=lambda array: natural(array.path))),
        crypts=tuple(sorted(devices.crypts(), key=lambda crypt: natural(crypt.path))),
        mapped=tuple(sorted(devices.mapped(), key=lambda mapped: natural(mapped.path))),
        notes=facts.notes,
        network=facts.network,
        crypttab=facts.crypttab,
    )
    if facts.lvm is not None:
        inventory = replace(
            inventory,
            physical_volumes=tuple(sorted(devices.physical_volumes(facts.lvm), key=lambda item: natural(item.path))),
            groups=tuple(sorted(facts.lvm.groups, key=lambda group: group.name)),
            volumes=tuple(sorted(devices.volumes(facts.lvm), key=lambda volume: (volume.group, natural(volume.name)))),
        )
    names = DeviceNames(facts.devices, inventory)
    by_number = {device.number: device.path for device in facts.devices}
    inventory = replace(
        inventory,
        mounts=tuple(
            sorted((Mounted(mount, by_number.get(number, "")) for mount, number in facts.mounts), key=lambda item: item.mount.path)
        ),
        swaps=tuple(sorted((replace(swap, path=names.path(swap.path) or swap.path) for swap in facts.swaps), key=lambda swap: swap.path)),
        fstab=tuple(FstabLine(entry, names.devices(entry.source)) for entry in facts.fstab),
    )
    labels = {names.path(path) or path: label for path, label in facts.labels.items()}
    return replace(inventory, osds=find_osds(inventory, names, labels, facts.directories))


class _Devices:
    """The block devices by name, sorted into what the inventory calls them."""

    def __init__(self, facts: NodeFacts) -> None:
        self._facts = facts
        self._by_name = {device.name: device for device in facts.devices}
        self._by_path = {device.path: device for device in facts.devices}
        self._paths = {path: path for path in self._by_path}
        for device in facts.devices:
            self._paths |= {link: device.path for link in device.links if link not in self._paths}
        self._of_multipath = {name for device in facts.devices if device.mapper_uuid.startswith("mpath-") for name in device.below}
        self._map_parts = {device.name for device in facts.devices if _MULTIPATH_PART.match(device.mapper_uuid)}

    def disks(self) -> Iterator[Disk]:
        """Whole disks: no partitions, no paths of multipath disks; what is made of other devices only when it has a table."""
        for device in self._facts.devices:
            has_table = device.table is not None or device.path in self._facts.tables
            if device.mapper_name:
                is_disk = device.mapper_uuid.startswith("mpath-")
            elif device.below or device.raid_level:
                is_disk = has_table
            else:
                is_disk = True
            if is_disk and not device.parent and device.name not in self._of_multipath:
                yield self._disk(device)

    def _disk(self, device: BlockDevice) -> Disk:
        asked = self._facts.tables.get(device.path)
        is_multipath = device.mapper_uuid.startswith("mpath-")
        first_path = next((self._by_name[name] for name in device.below if name in self._by_name), None) if is_multipath else None
        named = first_path or device
        entries = sorted(self._entries(device), key=lambda partition: partition.number)
        return Disk(
            path=device.path,
            size_bytes=device.size_bytes,
            sector_bytes=device.sector_bytes,
            kind=(
                DiskKind.MULTIPATH
                if is_multipath
                else DiskKind.ARRAY
                if device.raid_level or device.below
                else DiskKind.LOOP
                if device.is_loop
                else DiskKind.DISK
            ),
            wwn=named.wwn,
            serial=named.serial,
            model=named.model,
            is_read_only=device.is_read_only,
            paths=tuple(self._path_of(name) for name in device.below) if is_multipath else (),
            table=asked.table if asked else device.table,
            partitions=tuple(replace(entry, content=self._content(entry.path)) for entry in entries),
            content=self._content(device.path),
        )

    def _entries(self, disk: BlockDevice) -> Iterator[Partition]:
        """The partitions that the kernel made of a disk, and those of its table that the kernel knows nothing of."""
        asked = self._facts.tables.get(disk.path)
        on_disk = {partition.number: partition for partition in asked.partitions} if asked else {}
        for device in self._facts.devices:
            if device.parent == disk.name or (device.name in self._map_parts and disk.name in device.below):
                number = device.entry.number if device.entry else device.partition_number
                entry = on_disk.pop(number, None) or device.entry or _bare(device)
                yield replace(entry, path=device.path)
        yield from on_disk.values()

    def arrays(self) -> Iterator[Array]:
        """Software RAIDs."""
        for device in self._facts.devices:
            if device.raid_level and not device.parent:
                members = tuple(self._path_of(name) for name in device.below)
                uuid = device.raid_uuid or next((found.uuid for path in members if (found := self._content(path))), "")
                yield Array(device.path, device.raid_level, uuid, members, device.size_bytes, device.raid_name, self._content(device.path))

    def crypts(self) -> Iterator[Crypt]:
        """Open dm-crypt mappings."""
        for device in self._facts.devices:
            if device.mapper_uuid.startswith("CRYPT-"):
                _, kind, *rest = device.mapper_uuid.split("-", 3)
                uuid = _dashed(rest[0]) if kind.startswith("LUKS") and rest else ""
                below = next((self._path_of(name) for name in device.below), "")
                yield Crypt(device.path, device.mapper_name, kind.lower(), uuid, below, device.size_bytes, self._content(device.path))

    def mapped(self) -> Iterator[Mapped]:
        """What else is made of other devices; LVM's own only where its tools could not be asked."""
        named_otherwise = ("CRYPT-", "mpath-") if self._facts.lvm is None else ("CRYPT-", "mpath-", "LVM-")
        for device in self._facts.devices:
            is_made = bool(device.mapper_name or device.below) and not (device.parent or device.raid_level)
            if is_made and not device.mapper_uuid.startswith(named_otherwise) and device.name not in self._map_parts:
                name, below = device.mapper_name or device.name, tuple(self._path_of(name) for name in device.below)
                yield Mapped(device.path, name, device.mapper_uuid, below, device.size_bytes, self._content(device.path))

    def physical_volumes(self, lvm: Lvm) -> Iterator[PhysicalVolume]:
        """By the inventory's paths."""
        return (replace(physical, path=self._paths.get(physical.path, physical.path)) for physical in lvm.physical_volumes)

    def volumes(self, lvm: Lvm) -> Iterator[LogicalVolume]:
        """By the inventory's paths; LVM names its devices after the UUIDs of group and volume."""
        groups = {group.name: group.uuid for group in lvm.groups}
        active = {device.mapper_uuid: device.path for device in self._facts.devices if device.mapper_uuid.startswith("LVM-")}
        for volume in lvm.volumes:
            mapper_uuid = f"LVM-{groups.get(volume.group, '')}{volume.uuid}".replace("-", "").replace("LVM", "LVM-", 1)
            path = active.get(mapper_uuid, "")
            devices = tuple(sorted({self._paths.get(device, device) for device in volume.devices}, key=natural))
            yield replace(volume, path=path, devices=devices, content=self._content(path) if path else None)

    def _content(self, path: str) -> Signature | None:
        device = self._by_path.get(path)
        return (device.content if device else None) or self._facts.contents.get(path)

    def _path_of(self, name: str) -> str:
        return self._by_name[name].path if name in self._by_name else f"/dev/{name}"


def _bare(device: BlockDevice) -> Partition:
    """A partition of the kernel's that neither udev nor the table tells of."""
    sector_bytes = device.sector_bytes
    start_sector, sectors = device.start_bytes // sector_bytes, device.size_bytes // sector_bytes
    return Partition(device.path, device.partition_number, start_sector, sectors, type="", type_name="")


def _dashed(uuid: str) -> str:
    return re.sub(r"(.{8})(.{4})(.{4})(.{4})(.{12})", r"\1-\2-\3-\4-\5", uuid)
