"""Disks and layouts for tests: a disk of 1 GiB whose partitions are given in MiB."""

from collections.abc import Sequence
from dataclasses import replace

from reprov.domain.inventory import Disk, Inventory, Partition, Signature, Table, TableKind
from reprov.domain.layout import MIB, DiskChoice, Layout, OsPartition, Preserve
from reprov.domain.partition_types import guid_of

EXT4 = Signature("ext4", "filesystem")
SIZE_MIB = 1024


def entry(
    number: int,
    start_mib: float,
    size_mib: float,
    kind: str,
    label: str = "",
    *,
    content: Signature | None = None,
    attributes: tuple[str, ...] = (),
    sector_bytes: int = 512,
) -> Partition:
    """An entry of /dev/sda; its PARTUUID ends in its number."""
    step = MIB // sector_bytes
    return Partition(
        path=f"/dev/sda{number}",
        number=number,
        start_sector=int(start_mib * step),
        sectors=int(size_mib * step),
        type=guid_of(kind),
        type_name=kind,
        uuid=f"00000000-0000-4000-8000-{number:012x}",
        label=label,
        attributes=attributes,
        content=content,
    )


def disk(*entries: Partition, sector_bytes: int = 512, size_mib: int = SIZE_MIB) -> Disk:
    """/dev/sda with a sound GPT."""
    sectors = size_mib * MIB // sector_bytes
    last = sectors - 34 if sector_bytes == 512 else sectors - 6
    table = Table(TableKind.GPT, "11111111-2222-4333-8444-555555555555", MIB // sector_bytes, last)
    return Disk("/dev/sda", size_mib * MIB, sector_bytes, wwn="0x5001", serial="S1", table=table, partitions=entries)


def blank(sector_bytes: int = 512) -> Disk:
    """/dev/sda without a table."""
    return replace(disk(sector_bytes=sector_bytes), table=None)


def inventory(*disks: Disk) -> Inventory:
    """A machine with these disks and nothing else."""
    return Inventory(disks=disks)


def os_partition(name: str, size_mib: int, filesystem: str = "ext4", mount: str = "", kind: str = "linux") -> OsPartition:
    """A partition of a layout."""
    return OsPartition(name, guid_of(kind), kind, size_mib * MIB, filesystem, mount)


EFI = os_partition("efi", 64, "vfat", "/boot/efi", "esp")
ROOT = os_partition("root", 256, "ext4", "/")


def layout(
    *partitions: OsPartition, preserve: Sequence[Preserve] = (), choice: DiskChoice | None = None, create_table: bool = False
) -> Layout:
    """A layout for /dev/sda; EFI and ROOT unless partitions are given."""
    return Layout(choice or DiskChoice(wwn="0x5001", create_table=create_table), partitions or (EFI, ROOT), tuple(preserve))


def preserved(kind: str) -> Preserve:
    """A rule by type."""
    return Preserve(type=guid_of(kind), type_name=kind)
