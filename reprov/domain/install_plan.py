"""What a reinstall does besides partitions: where the identity of the old root lies while there is no root to hold it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from reprov.domain.layout import MIB, OsDevice
from reprov.domain.partition_plan import Fate, PartitionPlan, PlannedPartition, PlannedVolume, Refusal

ARCHIVE_NAME: Final = "reprov-identity.tar"
"""Of the archive on a partition. It is there only while the root's own identity is not, or not whole."""

_KEEPERS: Final = ("/boot", "/boot/efi", "/efi")
"""Mount points of partitions that hold nothing of the identity; the roomiest first."""


@dataclass(frozen=True, slots=True)
class InstallChoices:
    """What the operator has said of the node's identity."""

    archive: str = ""
    """A file that keeps it meanwhile; "" for a partition of the layout."""
    may_be_new: bool = False
    """The node may begin without."""


@dataclass(frozen=True, slots=True)
class InstallPlan:
    """The whole plan of a reinstall."""

    partitions: PartitionPlan
    old_root: PlannedPartition | PlannedVolume | None = None
    """Whose identity is saved; None where nothing is there yet that could have one."""
    keeper: PlannedPartition | None = None
    """The partition that can keep the archive while / is formatted; one of an interrupted install may lie there already."""
    archive: str = ""
    """The file that the operator wants to keep it in; "" for the keeper."""

    def first_change(self, other: "InstallPlan") -> str:
        """What another plan has otherwise, in words: a partition or the disk; "" when it is the same, whatever the reasons are."""
        mine, theirs = ({item.entry.number: replace(item, reason="") for item in plan.partitions.partitions} for plan in (self, other))
        for number in sorted(mine.keys() | theirs.keys()):
            if mine.get(number) != theirs.get(number):
                entry = (mine.get(number) or theirs[number]).entry
                return f"partition {number} ({entry.label})"
        volumes = [{item.os.name: replace(item, reason="") for item in plan.partitions.volumes} for plan in (self, other)]
        for name in sorted(volumes[0].keys() | volumes[1].keys()):
            if volumes[0].get(name) != volumes[1].get(name):
                return f"volume {name}"
        same_disk = replace(self.partitions.disk, partitions=()) == replace(other.partitions.disk, partitions=())
        return "" if same_disk and not other.partitions.refusals else "the disk"


def plan_install(partitions: PartitionPlan, choices: InstallChoices) -> InstallPlan:
    """The plan for a partition plan; what stands against it is added to the refusals of that."""
    ours = [planned for planned in partitions.partitions if planned.os and planned.fate in (Fate.FORMATTED, Fate.CREATED)]
    at = {planned.os.mount: planned for planned in ours if planned.os}
    root = at.get("/") or next((volume for volume in partitions.volumes if volume.os.mount == "/"), None)
    old_root = root if root and root.fate is Fate.FORMATTED else None
    keeper = next((at[mount] for mount in _KEEPERS if mount in at), None)
    refusals = partitions.refusals
    if old_root and not keeper and not choices.archive:
        hint = "--identity-archive FILE keeps it in a file; that should survive a power failure, and not lie in memory"
        refusals += (Refusal("no partition of the layout can keep the node's identity while / is formatted", hint),)
    elif root and not old_root and not choices.archive and not choices.may_be_new:
        hint = "--new-node says that there is none to keep; --identity-archive FILE brings back one that was saved"
        what = f"partition {root.entry.label!r}" if isinstance(root, PlannedPartition) else f"volume {root.os.name}"
        refusals += (Refusal(f"{partitions.disk.path} has no {what} whose identity could be kept", hint),)
    return InstallPlan(replace(partitions, refusals=refusals), old_root, keeper, choices.archive)


def with_findings(plan: PartitionPlan, found: Mapping[int, str]) -> PartitionPlan:
    """The plan, refused where a partition is to be made over something: `found` says what, by the number of the partition."""
    refusals = []
    for planned in plan.partitions:
        if what := found.get(planned.entry.number):
            entry, start_bytes = planned.entry, planned.entry.start_sector * plan.disk.sector_bytes
            refusals.append(
                Refusal(
                    f"{entry.label} would be made where {plan.disk.path} holds {what} without an entry in the partition table",
                    f"sfdisk can give it its entry back; blkdiscard --zeroout --offset {start_bytes} --length {MIB} {plan.disk.path} says "
                    "that nobody needs it",
                )
            )
    return replace(plan, refusals=(*plan.refusals, *refusals))


def in_mount_order(plan: PartitionPlan) -> tuple[tuple[OsDevice, int], ...]:
    """The partitions and volumes of the system that are mounted, with the numbers of the partitions: each after what it is mounted in."""
    mounted: list[tuple[OsDevice, int]] = [(item.os, item.entry.number) for item in plan.partitions if item.os and item.os.mount]
    mounted += [(volume.os, volume.number) for volume in plan.volumes if volume.os.mount]
    return tuple(sorted(mounted, key=lambda item: item[0].mount.strip("/").split("/") if item[0].mount != "/" else []))


def mounted_below(devices: Sequence[tuple[OsDevice, int]], point: str) -> tuple[tuple[OsDevice, int], ...]:
    """Those that are mounted at a mount point or somewhere in it."""
    return tuple(item for item in devices if item[0].mount == point or item[0].mount.startswith(f"{point.rstrip('/')}/"))
