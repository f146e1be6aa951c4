"""From a layout and what there is: what becomes of each partition of the disk. Fails closed: what is not understood is refused."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from reprov.domain.device_use import uses_of
from reprov.domain.free_space import Area, aligned, area_of, free_areas, place, usable_of_new_table
from reprov.domain.inventory import Disk, DiskKind, Inventory, Partition
from reprov.domain.layout import MIB, Layout, OsPartition, Preserve
from reprov.domain.partition_plan import Fate, PartitionPlan, PlannedPartition, Refusal
from reprov.domain.protected import SYSTEM_MOUNTS, DataRules, protected
from reprov.domain.table_check import table_refusals
from reprov.domain.volume_planner import VolumePlanner, content_refusal, group_on, group_refusals, new_group_refusals
from reprov.errors import Refused

_MOST_NUMBERS: Final = 128
_FILES: Final = frozenset({DiskKind.IMAGE, DiskKind.LOOP})


def choose_disk(layout: Layout, inventory: Inventory) -> Disk:
    """The disk that the layout means. Raises `Refused` unless there is exactly one, and everything pinned is true of it."""
    choice = layout.disk
    key, value = next((key, value) for key, value in (("wwn", choice.wwn), ("serial", choice.serial), ("path", choice.image)) if value)
    found = [disk for disk in inventory.disks if getattr(disk, key) == value and (disk.kind in _FILES or not choice.image)]
    if not found:
        there = ", ".join(f"{disk.path} ({disk.identity})" for disk in inventory.disks) or "none"
        raise Refused(f"there is no disk with {choice}", hint=f"disks here: {there}")
    if len(found) > 1:
        raise Refused(f"{len(found)} disks have {key} {value}: {', '.join(disk.path for disk in found)}", hint="name the disk by its wwn")
    if choice.serial and found[0].serial != choice.serial:
        raise Refused(
            f"wrong disk: {found[0].path} has serial {found[0].serial or '(none)'}, and the layout pins {choice.serial}",
            hint="a disk was replaced or moved; reprov inventory lists what is there",
        )
    return found[0]


def plan_partitions(layout: Layout, inventory: Inventory, *, traces: Sequence[str] = ()) -> PartitionPlan:
    """The plan; what stands against it is in `PartitionPlan.refusals`, so that all of it can be shown at once.

    The disk's table must have been read by sfdisk. `traces` is what wipefs (which writes nothing when it is told so) finds on the
    disk itself: signatures that blkid does not report, as of a GPT whose protective MBR is gone.
    Raises `Refused` when the layout's disk is not there.
    """
    disk = choose_disk(layout, inventory)
    refusals = [*table_refusals(disk, inventory, create_table=layout.disk.create_table, traces=traces)]
    if refusals:
        return PartitionPlan(disk, tuple(PlannedPartition(Fate.KEPT, entry, "") for entry in disk.partitions), refusals=tuple(refusals))
    return _Planner(layout, inventory, disk).plan()


def data_rules(layout: Layout) -> DataRules:
    """What a layout says is data. A filesystem that fstab mounts where the layout has a partition of its own is the system's."""
    rules = layout.preserve
    return DataRules(
        labels=frozenset(rule.label for rule in rules if rule.label),
        types=frozenset(rule.type for rule in rules if rule.type),
        groups=frozenset(rule.vg for rule in rules if rule.vg),
        partuuids=frozenset(rule.partuuid for rule in rules if rule.partuuid),
        system_mounts=SYSTEM_MOUNTS | {device.mount.strip("/") for device in layout.devices if device.mount},
    )


class _Planner:
    """Plans for a disk whose table, if there is one, is sound."""

    def __init__(self, layout: Layout, inventory: Inventory, disk: Disk) -> None:
        self._layout, self._inventory, self._disk = layout, inventory, disk
        self._refusals: list[Refusal] = []
        self._data = self._reasons_of_data()
        table = disk.table
        self._new_table = None if table else usable_of_new_table(disk.size_bytes, disk.sector_bytes)
        if self._new_table:
            self._usable = self._new_table
        else:
            assert table and table.first_sector is not None and table.last_sector is not None  # table_refusals has seen to it
            self._usable = Area(table.first_sector, table.last_sector)

    def plan(self) -> PartitionPlan:
        """What becomes of the partitions that are there, and of those that the layout wants besides."""
        self._refusals += self._missing()
        if self._new_table and (reasons := self._data.get(self._disk.path)):
            self._refusals.append(Refusal(f"{self._disk.path} is data as a whole: {'; '.join(reasons)}"))
        wanted = {partition.name: partition for partition in self._layout.partitions}
        times = Counter(entry.label for entry in self._disk.partitions)
        planned = [self._existing(entry, wanted.get(entry.label), times[entry.label]) for entry in self._disk.partitions]
        planned += self._created([partition for partition in self._layout.partitions if not times[partition.name]])
        planned.sort(key=lambda item: item.entry.number)
        for item in planned:
            if item.os and item.os.group and item.fate in (Fate.CREATED, Fate.FORMATTED):
                self._refusals += new_group_refusals(item.os.group, self._inventory)
        volumes = VolumePlanner(self._layout, self._inventory, self._disk.sector_bytes)
        planned_volumes = tuple(volumes.plan(planned))
        return PartitionPlan(self._disk, tuple(planned), self._new_table, (*self._refusals, *volumes.refusals), planned_volumes)

    def _existing(self, entry: Partition, wanted: OsPartition | None, times: int) -> PlannedPartition:
        if wanted is None:
            reasons = self._data.get(entry.path, ())
            return PlannedPartition(Fate.KEPT, entry, "; ".join(reasons) or "named nowhere in the layout")
        refusal = self._why_not_formatted(entry, wanted, times)
        if refusal:
            self._refusals.append(refusal)
            return PlannedPartition(Fate.REFUSED, entry, refusal.message, wanted)
        if wanted.group and group_on(entry.path, self._inventory):
            return PlannedPartition(Fate.KEPT, entry, f"physical volume of {wanted.group}", wanted)
        if not wanted.filesystem and not wanted.group:
            return PlannedPartition(Fate.KEPT, entry, "has no filesystem to make", wanted)
        was = f"was {entry.content.type}" if entry.content else "held nothing known"
        larger = "" if self._bytes_of(entry) == wanted.size_bytes else f", larger than the layout's {_size(wanted.size_bytes)}"
        return PlannedPartition(Fate.FORMATTED, entry, f"{_made_of(wanted)}; {was}{larger}", wanted)

    def _why_not_formatted(self, entry: Partition, wanted: OsPartition, times: int) -> Refusal | None:
        name = f"{entry.path} ({entry.label})"
        if times > 1:
            hint = "sfdisk --part-label gives one of them another"
            return Refusal(f"{name}: {times} partitions of {self._disk.path} have that name", hint)
        on_it = group_on(entry.path, self._inventory) if wanted.group else None
        if on_it:
            refusal = next(group_refusals(entry.path, wanted, self._layout, self._inventory), None)
            if refusal:
                return refusal
        elif uses := uses_of(entry.path, self._inventory):
            hint = "install works from a rescue system, where nothing uses what is formatted"
            return Refusal(f"{name} is in use: {', '.join(uses)}", hint)
        if reasons := self._data.get(entry.path, ()):
            return Refusal(f"{name} is data, and the layout would format it: {'; '.join(reasons)}", "call the layout's partition otherwise")
        if entry.type != wanted.type:
            is_type = entry.type_name or entry.type
            hint = "nothing is retyped: write the type that it has, or give the layout's partition another name"
            return Refusal(f"{name} is of type {is_type}, and the layout says {wanted.type_name}", hint)
        if self._bytes_of(entry) < wanted.size_bytes:
            return Refusal(
                f"{name} has {_size(self._bytes_of(entry))}, and the layout wants {_size(wanted.size_bytes)}: {self._room_behind(entry)}",
                f"nothing is moved or resized: write size: {self._bytes_of(entry) // MIB}M, or another name for a partition in free space",
            )
        if on_it is not None and entry.content and entry.content.type == "LVM2_member":
            return None
        return content_refusal(name, entry.path, entry.content)

    def _room_behind(self, entry: Partition) -> str:
        area = area_of(entry)
        behind = [other for other in self._disk.partitions if other.start_sector > area.last]
        follower = min(behind, key=lambda other: other.start_sector, default=None)
        if follower and follower.start_sector == area.last + 1:
            return f"{follower.path} begins where it ends"
        end = follower.start_sector - 1 if follower else self._usable.last
        return f"{_size((end - area.last) * self._disk.sector_bytes)} behind it are free, but partitions do not grow"

    def _created(self, missing: Sequence[OsPartition]) -> Iterator[PlannedPartition]:
        taken = [area_of(entry) for entry in self._disk.partitions]
        numbers = {entry.number for entry in self._disk.partitions}
        for partition in missing:
            free = [*free_areas(self._usable, taken)]
            area = place(partition.size_bytes // self._disk.sector_bytes, free, self._disk.sector_bytes)
            number = next((number for number in range(1, _MOST_NUMBERS + 1) if number not in numbers), 0)
            if area is None or not number:
                self._refusals.append(self._no_room(partition, free) if area is None else self._no_number())
                continue
            taken.append(area)
            numbers.add(number)
            entry = Partition("", number, area.first, area.sectors, partition.type, partition.type_name, label=partition.name)
            yield PlannedPartition(Fate.CREATED, entry, _made_of(partition), partition)

    def _no_room(self, partition: OsPartition, free: Sequence[Area]) -> Refusal:
        sectors = max((aligned(area, self._disk.sector_bytes).sectors for area in free), default=0)
        largest = max(sectors, 0) * self._disk.sector_bytes
        return Refusal(
            f"{partition.name} does not fit: it wants {_size(partition.size_bytes)}, and the largest free area of {self._disk.path} has "
            f"{_size(largest)}",
            "nothing is moved to make room; sfdisk --delete removes a partition that nobody needs",
        )

    def _no_number(self) -> Refusal:
        hint = "sfdisk --delete removes a partition that nobody needs"
        return Refusal(f"{self._disk.path} has no free entry in its partition table", hint)

    def _missing(self) -> Iterator[Refusal]:
        """Anywhere on the machine: the partitions that a node must not lose are not all on the disk of its system."""
        for rule in self._layout.preserve:
            if not _is_there(rule, self._inventory):
                yield Refusal(
                    f"preserve: there is no partition with {rule} on this machine" if not rule.vg else f"preserve: there is no {rule}",
                    "reprov inventory lists what is there; a layout names only what must exist",
                )

    def _reasons_of_data(self) -> Mapping[str, tuple[str, ...]]:
        found = protected(self._inventory, data_rules(self._layout))
        return {item.device.path: item.reasons for item in found if item.device.path}

    def _bytes_of(self, entry: Partition) -> int:
        return entry.sectors * self._disk.sector_bytes


def _is_there(rule: Preserve, inventory: Inventory) -> bool:
    """True when something on the machine is what the rule asks for."""
    if rule.vg:
        groups = {group.name for group in inventory.groups} | {physical.group for physical in inventory.physical_volumes}
        return rule.vg in groups
    if rule.label and any(content and content.label == rule.label for _, content in inventory.contents()):
        return True
    entries = [entry for _, entry in inventory.partitions()]
    return any(
        (rule.type and entry.type == rule.type)
        or (rule.label and entry.label == rule.label)
        or (rule.partuuid and entry.uuid == rule.partuuid)
        for entry in entries
    )


def _made_of(partition: OsPartition) -> str:
    if partition.group:
        return f"physical volume of {partition.group}"
    at = f" at {partition.mount}" if partition.mount else ""
    return f"{partition.filesystem}{at}" if partition.filesystem else "without filesystem"


def _size(size_bytes: int) -> str:
    """Exact where it is a whole number of GiB or MiB, as a layout writes it; else rounded down."""
    gib = MIB << 10
    if size_bytes and size_bytes % gib == 0:
        return f"{size_bytes // gib}G"
    return f"{size_bytes // MIB}M" if size_bytes % MIB == 0 else f"{size_bytes * 10 // MIB / 10}M"
