"""The sectors of a GPT disk that belong to no partition, and where in them a new partition goes."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from reprov.domain.inventory import Partition

ALIGNMENT_BYTES = 1 << 20
"""New partitions start at multiples of it: what every partitioning tool does, and a multiple of any flash page or RAID chunk."""

_HEADER_SECTORS = 1
_ENTRIES_BYTES = 128 * 128
"""128 entries of 128 bytes: the smallest array that the UEFI specification allows, and what sfdisk makes."""


class Area(NamedTuple):
    """Consecutive sectors, both ends included."""

    first: int
    last: int

    @property
    def sectors(self) -> int:
        """How many they are."""
        return self.last - self.first + 1


def area_of(partition: Partition) -> Area:
    """The sectors of a partition."""
    return Area(partition.start_sector, partition.start_sector + partition.sectors - 1)


def overlap(one: Area, other: Area) -> bool:
    """True when a sector belongs to both."""
    return one.first <= other.last and other.first <= one.last


def usable_of_new_table(size_bytes: int, sector_bytes: int) -> Area:
    """The sectors that a new GPT leaves to partitions: from 1 MiB on, as far as its second copy at the end of the disk."""
    entries = -(-_ENTRIES_BYTES // sector_bytes)
    return Area(ALIGNMENT_BYTES // sector_bytes, size_bytes // sector_bytes - 1 - _HEADER_SECTORS - entries)


def free_areas(usable: Area, taken: Iterable[Area]) -> Iterator[Area]:
    """The areas between the taken ones, from the first sector on."""
    start = usable.first
    for area in sorted(taken):
        if area.first > start:
            yield Area(start, min(area.first - 1, usable.last))
        start = max(start, area.last + 1)
    if start <= usable.last:
        yield Area(start, usable.last)


def aligned(area: Area, sector_bytes: int) -> Area:
    """The area without what lies before its first aligned sector; it may be empty (`sectors` below 1)."""
    step = ALIGNMENT_BYTES // sector_bytes
    return Area(-(-area.first // step) * step, area.last)


def place(sectors: int, areas: Iterable[Area], sector_bytes: int) -> Area | None:
    """The first aligned place for so many sectors; None when none is large enough."""
    for area in areas:
        room = aligned(area, sector_bytes)
        if room.sectors >= sectors:
            return Area(room.first, room.first + sectors - 1)
    return None
