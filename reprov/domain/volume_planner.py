"""From a layout's volume groups and what there is of LVM: what becomes of each volume, and every reason to leave a group alone."""

from collections.abc import Iterator, Sequence
from typing import Final

from reprov.domain.device_use import uses_of
from reprov.domain.inventory import Inventory, LogicalVolume, Signature
from reprov.domain.layout import MIB, Layout, OsPartition, OsVolume
from reprov.domain.partition_plan import Fate, PlannedPartition, PlannedVolume, Refusal
from reprov.domain.storage_stack import name_of_volume
from reprov.domain.volume_commands import capacity_bytes, in_extents

NOT_OVERWRITTEN: Final = frozenset({"zfs_member", "VMFS", "VMFS_volume_member"})
"""libblkid counts them as filesystems, but they are parts of something larger."""
_NO_RESIZE: Final = "nothing is moved or resized"


def group_on(path: str, inventory: Inventory) -> str | None:
    """The volume group that lies on a device; "" for a physical volume without one, None for what is no physical volume."""
    return next((physical.group for physical in inventory.physical_volumes if physical.path == path), None)


def group_refusals(path: str, wanted: OsPartition, layout: Layout, inventory: Inventory) -> Iterator[Refusal]:
    """What stands against keeping the group that is on a partition which the layout names for one."""
    group = group_on(path, inventory)
    if group != wanted.group:
        hint = "nothing is taken out of a group: write the name that it has, or give the layout's partition another name"
        yield Refusal(f"{path} ({wanted.name}) is the physical volume of {group}, and the layout says {wanted.group}", hint)
        return
    if len([found for found in inventory.groups if found.name == group]) != 1:
        yield Refusal(f"the volume group {group} is not there once and whole", "vgs and pvs tell what there is")
    if other := sorted({physical.path for physical in inventory.physical_volumes if physical.group == group} - {path}):
        yield Refusal(f"the volume group {group} lies on {', '.join(other)}, too", "vgrename gives one that is data another name")
    named = {volume.name for volume in layout.volumes}
    for volume in inventory.volumes:
        if volume.group == group and volume.full_name not in named:
            yield Refusal(
                f"the volume group {group} holds the volume {volume.name}, which the layout does not name",
                f"name it in the layout; lvremove {volume.full_name} says that nobody needs it",
            )
        elif volume.group == group and volume.devices != (path,):
            yield Refusal(f"the volume {volume.full_name} does not lie on {path} alone", "lvs --options +devices tells where it lies")
    if others := [use for use in uses_of(path, inventory) if use != f"physical volume of {group}"]:
        yield Refusal(f"{path} ({wanted.name}) is in use: {', '.join(others)}")


def new_group_refusals(group: str, inventory: Inventory) -> Iterator[Refusal]:
    """What stands against making a group."""
    there = [physical.path for physical in inventory.physical_volumes if physical.group == group]
    if there or group in {found.name for found in inventory.groups} | {volume.group for volume in inventory.volumes}:
        where = f" on {', '.join(there)}" if there else ""
        yield Refusal(f"there is a volume group {group} already{where}", "give the layout's another name")


class VolumePlanner:
    """Plans the volumes of groups whose partitions are planned. A partition that holds a volume which is data is refused by then."""

    def __init__(self, layout: Layout, inventory: Inventory, sector_bytes: int) -> None:
        self._layout, self._inventory, self._sector_bytes = layout, inventory, sector_bytes
        self.refusals: list[Refusal] = []

    def plan(self, partitions: Sequence[PlannedPartition]) -> Iterator[PlannedVolume]:
        """The volumes, in the layout's order; those of a partition that is refused are left out."""
        lying_on = {planned.os.group: planned for planned in partitions if planned.os and planned.os.group}
        free_bytes = {group: self._free_bytes(planned) for group, planned in lying_on.items()}
        for wanted in self._layout.volumes:
            below = lying_on.get(wanted.group)
            if below is None or below.fate is Fate.REFUSED:
                continue
            found = self._found(wanted) if below.fate is Fate.KEPT else None
            if found is None:
                taken_bytes = in_extents(wanted.size_bytes)
                if taken_bytes > free_bytes[wanted.group]:
                    self.refusals.append(_no_room(wanted, free_bytes[wanted.group]))
                    continue
                free_bytes[wanted.group] -= taken_bytes
                yield PlannedVolume(Fate.CREATED, wanted, below.entry.number, f"{wanted.filesystem}{_at(wanted)}")
            elif refusal := self._why_not_formatted(wanted, found):
                self.refusals.append(refusal)
            else:
                was = f"was {found.content.type}" if found.content else "held nothing known"
                reason = f"{wanted.filesystem}{_at(wanted)}; {was}"
                yield PlannedVolume(Fate.FORMATTED, wanted, below.entry.number, reason, found.uuid)

    def _free_bytes(self, below: PlannedPartition) -> int:
        if below.fate is Fate.KEPT and below.os:
            return next((found.free_bytes for found in self._inventory.groups if found.name == below.os.group), 0)
        return capacity_bytes(below.entry.sectors * self._sector_bytes)

    def _found(self, wanted: OsVolume) -> LogicalVolume | None:
        return next((volume for volume in self._inventory.volumes if volume.full_name == wanted.name), None)

    def _why_not_formatted(self, wanted: OsVolume, found: LogicalVolume) -> Refusal | None:
        name = name_of_volume(found)
        if uses := uses_of(name, self._inventory):
            hint = "install works from a rescue system, where nothing uses what is formatted"
            return Refusal(f"{name} is in use: {', '.join(uses)}", hint)
        if found.size_bytes < wanted.size_bytes:
            has, wants = (f"{size_bytes // MIB}M" for size_bytes in (found.size_bytes, wanted.size_bytes))
            return Refusal(f"{name} has {has}, and the layout wants {wants}", f"{_NO_RESIZE}: write size: {has}")
        return content_refusal(name, name, found.content)


def content_refusal(name: str, path: str, content: Signature | None) -> Refusal | None:
    """What stands against formatting a device that holds something; None for a filesystem, swap, or nothing known."""
    if content and (content.type in NOT_OVERWRITTEN or (content.usage != "filesystem" and content.type != "swap")):
        return Refusal(
            f"{name} holds {content.type}, which may be a part of something larger", f"wipefs --all {path} says that nobody needs it"
        )
    return None


def _no_room(wanted: OsVolume, free_bytes: int) -> Refusal:
    return Refusal(
        f"volume {wanted.name} does not fit: it takes {in_extents(wanted.size_bytes) // MIB}M, "
        f"and of its group {free_bytes // MIB}M are free",
        f"{_NO_RESIZE}: write smaller volumes, or a larger partition in free space",
    )


def _at(volume: OsVolume) -> str:
    return f" at {volume.mount}" if volume.mount else ""
