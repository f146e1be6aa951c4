"""A layout: which partitions of a disk are the operating system's, and which ones have to be there and are never touched."""

from dataclasses import dataclass

MIB = 1 << 20

LABEL_BYTES = {"btrfs": 255, "ext4": 16, "swap": 16, "vfat": 11, "xfs": 12}
"""The filesystems (and swap) that a layout may name, and the most bytes that a label has there."""

_FAT32_FROM = 260 * MIB
"""With sectors of 4096 bytes a smaller one has too few clusters for FAT32; mkfs.vfat then chooses by itself."""


@dataclass(frozen=True, slots=True)
class DiskChoice:
    """The one disk that is meant. What is not empty has to be true of it, so a serial number beside a WWN pins it twice."""

    wwn: str = ""
    serial: str = ""
    image: str = ""
    """Path of a disk image, as written."""
    create_table: bool = False
    """A disk without partition table gets one. One that has a table keeps it in any case."""

    def __str__(self) -> str:
        named = {"wwn": self.wwn, "serial": self.serial, "image": self.image}
        return ", ".join(f"{key} {value}" for key, value in named.items() if value)


@dataclass(frozen=True, slots=True)
class OsPartition:
    """A partition of the operating system. On the disk it is found by `name`."""

    name: str
    """The name in the partition table."""
    type: str
    """Type GUID, lower case."""
    type_name: str
    """The type as the layout has it, for people."""
    size_bytes: int
    """A multiple of 1 MiB; a partition that is there already may be larger."""
    filesystem: str = ""
    """One of `LABEL_BYTES`; "" for one that is never formatted (bios-boot)."""
    mount: str = ""
    """Absolute mount point; "" for none."""
    label: str = ""
    """Of the filesystem."""
    group: str = ""
    """The volume group that lies on it, and on nothing else; "" for a partition without LVM."""

    def format_commands(self, device: str) -> tuple[tuple[str, ...], ...]:
        """The programs that make its filesystem, in order; none for a partition without one."""
        return _format_commands(self, device)


@dataclass(frozen=True, slots=True)
class OsVolume:
    """A logical volume of the operating system, in a group that lies on one of the layout's partitions."""

    group: str
    volume: str
    """The name in the group."""
    size_bytes: int
    """A multiple of 1 MiB; LVM rounds up to whole extents, and a volume that is there already may be larger."""
    filesystem: str
    """One of `LABEL_BYTES`."""
    mount: str = ""
    """Absolute mount point, which is neither /boot nor that of the ESP; "" for none."""
    label: str = ""
    """Of the filesystem."""

    @property
    def name(self) -> str:
        """`GROUP/VOLUME`, which is the name of no partition."""
        return f"{self.group}/{self.volume}"

    @property
    def device(self) -> str:
        """Its path while it is active, as the device mapper names it: hyphens of a name are doubled."""
        return f"/dev/mapper/{self.group.replace('-', '--')}-{self.volume.replace('-', '--')}"

    def format_commands(self, device: str) -> tuple[tuple[str, ...], ...]:
        """The programs that make its filesystem, in order."""
        return _format_commands(self, device)


OsDevice = OsPartition | OsVolume


def _format_commands(made: OsDevice, device: str) -> tuple[tuple[str, ...], ...]:
    """Old signatures go first: those of btrfs, ZFS or RAID lie where another filesystem's mkfs does not write, and blkid names no
    filesystem where it sees two."""
    if not made.filesystem:
        return ()
    options = {"btrfs": ("-q", "-f"), "ext4": ("-q", "-F"), "swap": (), "xfs": ("-q", "-f")}.get(made.filesystem)
    if options is None:
        options = ("-F", "32") if made.size_bytes >= _FAT32_FROM else ()
    label = ("-n" if made.filesystem == "vfat" else "-L", made.label) if made.label else ()
    program = "mkswap" if made.filesystem == "swap" else f"mkfs.{made.filesystem}"
    return ("wipefs", "--quiet", "--all", device), (program, *options, *label, device)


@dataclass(frozen=True, slots=True)
class Preserve:
    """Something that has to be there and stays as it is; exactly one field is not empty."""

    type: str = ""
    """Type GUID, lower case."""
    type_name: str = ""
    """The type as the layout has it; goes with `type`."""
    label: str = ""
    """Of a partition or of its filesystem."""
    partuuid: str = ""
    """Lower case."""
    vg: str = ""
    """Name of a volume group."""

    def __str__(self) -> str:
        named = {"type": self.type_name, "label": self.label, "PARTUUID": self.partuuid, "volume group": self.vg}
        return next(f"{key} {value}" for key, value in named.items() if value)


@dataclass(frozen=True, slots=True)
class Layout:
    """What `reprov install` makes of a disk. Whatever is named nowhere is preserved, too."""

    disk: DiskChoice
    partitions: tuple[OsPartition, ...]
    """In the order in which missing ones are placed. Exactly one of them, or of the volumes, is mounted at /."""
    preserve: tuple[Preserve, ...] = ()
    volumes: tuple[OsVolume, ...] = ()
    """In the order in which missing ones are made; each in the group of one of the partitions."""

    @property
    def devices(self) -> tuple[OsDevice, ...]:
        """Partitions and volumes; no two have one name."""
        return (*self.partitions, *self.volumes)

    @property
    def starts_from_volumes(self) -> bool:
        """True when an initramfs has to know LVM to find the system."""
        return any(volume.mount in ("/", "/usr") for volume in self.volumes)
