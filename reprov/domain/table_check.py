"""Whether a disk's partition table is one that entries may be added to."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from reprov.domain.device_use import uses_of
from reprov.domain.free_space import Area, area_of, overlap
from reprov.domain.inventory import Disk, Inventory, Table, TableKind
from reprov.domain.partition_plan import Refusal

_SECTORS_BYTES = (512, 4096)


def table_refusals(disk: Disk, inventory: Inventory, *, create_table: bool, traces: Sequence[str]) -> Iterator[Refusal]:
    """Everything that stands against writing to the table, or to a disk that has none. `traces`: signatures on the disk itself."""
    if disk.is_read_only:
        yield Refusal(f"{disk.path} is read-only")
    if uses := uses_of(disk.path, inventory):
        yield Refusal(f"{disk.path} is in use as a whole: {', '.join(uses)}")
    if disk.sector_bytes not in _SECTORS_BYTES:
        yield Refusal(f"{disk.path} has sectors of {disk.sector_bytes} bytes", "reprov knows those of 512 and of 4096 bytes")
    elif disk.table is None:
        yield from _without_table(disk, create_table=create_table, traces=traces)
    elif disk.table.problems:
        hint = "nothing is written to such a table; sgdisk --verify says more, and sgdisk repairs it (its recovery menu)"
        yield Refusal(f"the partition table of {disk.path} is damaged: {disk.table.problems[0]}", hint)
    elif disk.table.kind is not TableKind.GPT:
        name = "an MBR" if disk.table.kind is TableKind.MBR else "a partition table that reprov does not know"
        yield Refusal(
            f"{disk.path} has {name}, and only GPT is supported", "sgdisk --mbrtogpt makes a GPT of an MBR, and keeps the partitions"
        )
    else:
        yield from _nonsense(disk, disk.table)
        yield from _twins(disk, inventory)


def _without_table(disk: Disk, *, create_table: bool, traces: Sequence[str]) -> Iterator[Refusal]:
    found = [disk.content.type] if disk.content else []
    if found or traces:
        what = ", ".join(dict.fromkeys((*found, *traces)))
        yield Refusal(f"{disk.path} has no partition table that can be read, and is not empty: {what}", "look at it with wipefs --no-act")
    if not create_table:
        hint = "create-table: true below disk: makes one; what has no signature (plain dm-crypt, say) looks empty, too"
        yield Refusal(f"{disk.path} has no partition table", hint)


def _nonsense(disk: Disk, table: Table) -> Iterator[Refusal]:
    if table.first_sector is None or table.last_sector is None:
        yield Refusal(f"the partition table of {disk.path} has not been read from the disk itself")
        return
    for entry in disk.partitions:
        area = area_of(entry)
        if not entry.type:
            yield Refusal(
                f"{entry.path} is not in the partition table of {disk.path}", "partx --update tells the kernel what the table says"
            )
        if entry.sectors < 1 or area.first < table.first_sector or area.last > table.last_sector:
            yield Refusal(f"the partition table of {disk.path} is damaged: {entry.path} lies outside of its usable sectors")
    by_start: list[tuple[Area, str]] = sorted((area_of(entry), entry.path) for entry in disk.partitions)
    for (area, path), (other, other_path) in pairwise(by_start):
        if overlap(area, other):
            yield Refusal(f"the partition table of {disk.path} is damaged: {path} and {other_path} overlap")


def _twins(disk: Disk, inventory: Inventory) -> Iterator[Refusal]:
    """A PARTUUID of this disk that is there twice, on whatever disks: a copy of a disk, and no telling which one is meant."""
    times = Counter(entry.uuid for _, entry in inventory.partitions() if entry.uuid)
    for uuid in dict.fromkeys(entry.uuid for entry in disk.partitions if times[entry.uuid] > 1):
        paths = ", ".join(entry.path for _, entry in inventory.partitions() if entry.uuid == uuid)
        yield Refusal(f"{times[uuid]} partitions have the PARTUUID {uuid}: {paths}", "sfdisk --part-uuid gives a copy one of its own")
