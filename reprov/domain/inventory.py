"""What a node (or a disk image) consists of: disks, partitions, what is built on them, OSDs, mounts, network.

A device is named by its path: that of the kernel (`/dev/sda1`), `/dev/mapper/NAME` for the device mapper's, and sfdisk's name
(`disk.img2`) in an image. Names of disks change from boot to boot: what has to outlive one is a `DeviceRef`.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, StrEnum

from reprov.domain.fstab import CryptEntry, MountEntry
from reprov.domain.links import NO_NETWORK, Network
from reprov.domain.mounts import Mount

INVENTORY_FORMAT = 1
REDACTED = "(redacted)"
"""Stands for a secret, which never gets into a value of this module."""


AMBIVALENT = "ambivalent"
"""The type of what has the magic of several things at once, as wipefs lists them: blkid does not say which it is."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What a device holds, by its own magic, in the words of libblkid."""

    type: str
    """`ext4`, `xfs`, `swap`, `LVM2_member`, `crypto_LUKS`, `linux_raid_member`, `ceph_bluestore`, ..., or `AMBIVALENT`."""
    usage: str = ""
    """`filesystem`, `raid`, `crypto` or `other`."""
    uuid: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Partition:
    """An entry of a partition table."""

    path: str
    number: int
    start_sector: int
    """Sectors are the disk's logical ones, as in the table (`Disk.sector_bytes`)."""
    sectors: int
    type: str
    """GPT: the type GUID, lower case. MBR: the type in hex without 0x ("83")."""
    type_name: str
    """By `domain.partition_types`; "" when nobody has named it."""
    uuid: str = ""
    """PARTUUID, lower case."""
    label: str = ""
    """The name in a GPT; MBR has none."""
    attributes: tuple[str, ...] = ()
    """In sfdisk's words, sorted: `RequiredPartition`, `LegacyBIOSBootable`, `GUID:60`."""
    content: Signature | None = None


class TableKind(StrEnum):
    """Partition tables that reprov knows."""

    GPT = "gpt"
    MBR = "dos"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Table:
    """A partition table, without its partitions."""

    kind: TableKind
    uuid: str = ""
    """GPT: the GUID of the disk, lower case. MBR: the disk identifier in hex without 0x."""
    first_sector: int | None = None
    """First and last sector that a partition may use; None when only udev was asked, which does not tell."""
    last_sector: int | None = None
    problems: tuple[str, ...] = ()
    """What sfdisk says is wrong with it, in its words; a damaged table is still listed."""


class DiskKind(StrEnum):
    """What is behind a disk."""

    DISK = "disk"
    MULTIPATH = "multipath"
    ARRAY = "array"
    """A partition table on what is made of other devices (RAID, bcache); it is among the arrays or the mapped devices, too."""
    LOOP = "loop"
    IMAGE = "image"


@dataclass(frozen=True, slots=True)
class Disk:
    """A whole disk. Of a multipath disk the map is listed, its paths are not disks of their own."""

    path: str
    size_bytes: int
    sector_bytes: int
    """Logical: 512, or 4096 on a 4Kn disk."""
    kind: DiskKind = DiskKind.DISK
    wwn: str = ""
    """As udev's ID_WWN_WITH_EXTENSION: `0x5002538e40a1b2c3`, `eui.0025385b71b0c1d2`."""
    serial: str = ""
    model: str = ""
    is_read_only: bool = False
    paths: tuple[str, ...] = ()
    """The disks below a multipath disk."""
    table: Table | None = None
    partitions: tuple[Partition, ...] = ()
    content: Signature | None = None
    """Of a disk without table: what it holds as a whole."""

    @property
    def identity(self) -> str:
        """What names the disk for good: WWN, else serial number, else (image, loop) the path."""
        return self.wwn or self.serial or self.path


@dataclass(frozen=True, slots=True)
class PhysicalVolume:
    """A device that a volume group lies on; the group is "" for one that belongs to none (yet)."""

    path: str
    uuid: str
    group: str
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class VolumeGroup:
    """A volume group of LVM."""

    name: str
    uuid: str
    size_bytes: int
    free_bytes: int
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LogicalVolume:
    """A logical volume; `tags` are sorted and without secrets."""

    group: str
    name: str
    uuid: str
    size_bytes: int
    devices: tuple[str, ...]
    """Paths of the physical volumes it lies on."""
    path: str = ""
    """"" when it is not active."""
    tags: tuple[str, ...] = ()
    content: Signature | None = None

    @property
    def full_name(self) -> str:
        """`VG/LV`."""
        return f"{self.group}/{self.name}"

    def tag(self, name: str) -> str:
        """The value of a tag `NAME=VALUE`; "" when there is none."""
        return next((tag[len(name) + 1 :] for tag in self.tags if tag.startswith(name + "=")), "")


@dataclass(frozen=True, slots=True)
class Array:
    """A software RAID (md)."""

    path: str
    level: str
    uuid: str
    members: tuple[str, ...]
    size_bytes: int = 0
    name: str = ""
    content: Signature | None = None


@dataclass(frozen=True, slots=True)
class Crypt:
    """An open dm-crypt mapping; what is closed shows only as the signature `crypto_LUKS` of its device."""

    path: str
    name: str
    kind: str
    """`luks1`, `luks2` or `plain`."""
    uuid: str
    device: str
    size_bytes: int = 0
    content: Signature | None = None


@dataclass(frozen=True, slots=True)
class Mapped:
    """A device made of others that reprov has no name for: bcache, other targets of the device mapper, LVM's when its tools are missing."""

    path: str
    name: str
    uuid: str
    devices: tuple[str, ...]
    size_bytes: int = 0
    content: Signature | None = None


@dataclass(frozen=True, slots=True)
class DeviceRef:
    """A device by what names it for good; fields that do not apply are empty."""

    path: str
    """Where it is now; the only field that changes from boot to boot. "" when it is not to be found."""
    partuuid: str = ""
    volume: str = ""
    """`VG/LV`."""
    volume_uuid: str = ""
    disks: tuple[str, ...] = ()
    """`Disk.identity` of every disk it lies on, sorted."""

    @property
    def identity(self) -> str:
        """The same for the same device at any time: LV, else PARTUUID, else disk."""
        return self.volume_uuid or self.volume or self.partuuid or "+".join(self.disks) or self.path


class OsdKind(StrEnum):
    """How an OSD is made and activated."""

    LVM = "lvm"
    RAW = "raw"
    CEPH_DISK = "ceph-disk"
    CEPHADM = "cephadm"


@dataclass(frozen=True, slots=True)
class Osd:
    """An OSD of Ceph, whether it runs or not."""

    id: int | None
    """None when only a part of it was found: a ceph-disk data partition that is not mounted, the db of an OSD that is not here."""
    fsid: str
    cluster_fsid: str
    kind: OsdKind
    block: DeviceRef | None = None
    """bluestore's device; None when there is none, or no trace of it."""
    data: DeviceRef | None = None
    """The filesystem of a filestore OSD, and the small one of a bluestore OSD that ceph-disk made."""
    db: DeviceRef | None = None
    wal: DeviceRef | None = None
    journal: DeviceRef | None = None
    is_encrypted: bool = False
    directory: str = ""
    """Relative to the root: `var/lib/ceph/osd/ceph-3`, `var/lib/ceph/FSID/osd.3`; "" when there is none."""
    is_plain_directory: bool = False
    """The OSD's data are files in its directory, on a filesystem that is not its own."""

    @property
    def devices(self) -> tuple[DeviceRef, ...]:
        """Every device that belongs to it."""
        return tuple(device for device in (self.block, self.data, self.db, self.wal, self.journal) if device is not None)


@dataclass(frozen=True, slots=True)
class Mounted:
    """A mount in the node's root, and the device of the inventory that it shows ("" for none: tmpfs, nfs)."""

    mount: Mount
    device: str = ""


@dataclass(frozen=True, slots=True)
class FstabLine:
    """An entry of fstab, and the devices that its source names here: none for a path or nfs, two when two have one UUID."""

    entry: MountEntry
    devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Swap:
    """Swap in use: a device, or a file by its path on the running system."""

    path: str
    size_bytes: int
    is_file: bool = False


@dataclass(frozen=True, slots=True)
class Inventory:
    """Everything, in an order that depends on nothing but what is there."""

    disks: tuple[Disk, ...] = ()
    physical_volumes: tuple[PhysicalVolume, ...] = ()
    groups: tuple[VolumeGroup, ...] = ()
    volumes: tuple[LogicalVolume, ...] = ()
    arrays: tuple[Array, ...] = ()
    crypts: tuple[Crypt, ...] = ()
    mapped: tuple[Mapped, ...] = ()
    osds: tuple[Osd, ...] = ()
    mounts: tuple[Mounted, ...] = ()
    swaps: tuple[Swap, ...] = ()
    fstab: tuple[FstabLine, ...] = ()
    crypttab: tuple[CryptEntry, ...] = ()
    network: Network = NO_NETWORK
    notes: tuple[str, ...] = ()
    """What could not be looked at, and why."""

    def partitions(self) -> Iterator[tuple[Disk, Partition]]:
        """Every partition with its disk."""
        return ((disk, partition) for disk in self.disks for partition in disk.partitions)

    def contents(self) -> Iterator[tuple[str, Signature | None]]:
        """Path and content of every device that is not an inactive volume."""
        for disk in self.disks:
            yield disk.path, disk.content
            yield from ((partition.path, partition.content) for partition in disk.partitions)
        made: tuple[LogicalVolume | Array | Crypt | Mapped, ...] = (*self.volumes, *self.arrays, *self.crypts, *self.mapped)
        yield from ((device.path, device.content) for device in made if device.path)

    def to_fields(self) -> dict[str, object]:
        """The inventory as JSON has it, with the number of its format."""
        return {"format": INVENTORY_FORMAT, **_fields(self)}


def _fields(value: object) -> dict[str, object]:
    assert dataclasses.is_dataclass(value)
    return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value):
        return _fields(value)
    if isinstance(value, frozenset):
        return sorted(value)
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
