"""Which devices of a node are data, and why: what no plan, no script and no reinstall may ever write to.

Three questions, any of which is enough: does Ceph say so (type GUID, LV tag, bluestore label, being part of an OSD), does the
mount table or fstab say so (a local filesystem where the operating system has none of its own), does a rule of the site say so.
What a protected device lies on is protected, too: the partition below a volume, the disks below an array.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from reprov.domain.entry import show
from reprov.domain.inventory import DeviceRef, FstabLine, Inventory
from reprov.domain.partition_types import CEPH_TYPES
from reprov.domain.release import MANAGED_FILESYSTEMS
from reprov.domain.storage_stack import StorageStack, name_of_volume, natural

SYSTEM_MOUNTS: Final = frozenset({"", "boot/efi", "efi", "tmp", "var/tmp", *MANAGED_FILESYSTEMS})
"""Mount points (relative, "" is /) whose filesystems belong to the operating system unless a rule says otherwise."""
_SYSTEM_TYPES: Final = frozenset({"esp", "boot", "bios-boot", "prep"})
SEALED: Final = frozenset({"squashfs", "iso9660", "erofs", "cramfs", "romfs", "udf"})
"""Mounted from a file of the system, or from a medium: there is nothing to write to."""


@dataclass(frozen=True, slots=True)
class DataRules:
    """What a site calls data. A rule that names a device wins over `system_mounts`."""

    mounts: frozenset[str] = frozenset()
    """Mount points, relative: `srv`."""
    labels: frozenset[str] = frozenset()
    """Labels of partitions or of filesystems."""
    types: frozenset[str] = frozenset()
    """Partition types, by GUID or by name."""
    groups: frozenset[str] = frozenset()
    """Names of volume groups."""
    partuuids: frozenset[str] = frozenset()
    system_mounts: frozenset[str] = SYSTEM_MOUNTS


NO_RULES: Final = DataRules()


@dataclass(frozen=True, slots=True)
class Protected:
    """A device that is data, and every reason for it."""

    device: DeviceRef
    reasons: tuple[str, ...]
    """Each a clause for people: `GPT type ceph-block`, `osd.3: block`, `mounted at /srv/data`, `holds /dev/mapper/x`."""


def protected(inventory: Inventory, rules: DataRules = NO_RULES) -> tuple[Protected, ...]:
    """Every partition, volume, array, mapping and whole disk that is data, in the order of their names.

    An inactive volume has no path: `device.volume` names it. A disk is among them when it holds data as a whole, not when only
    some of its partitions do.
    """
    stack = StorageStack(inventory)
    reasons: dict[str, dict[str, None]] = {}
    for name, reason in _first_hand(inventory, rules, stack):
        reasons.setdefault(name, {})[reason] = None
    for name in list(reasons):
        for lower in stack.beneath(name):
            reasons.setdefault(lower, {})[f"holds {name}"] = None
    return tuple(Protected(_exact(stack, name), tuple(reasons[name])) for name in sorted(reasons, key=natural))


def _exact(stack: StorageStack, name: str) -> DeviceRef:
    """The device itself: unlike for an OSD, a dm-crypt mapping is not the device below it."""
    ref = stack.ref(name)
    return ref if ref.path in (name, "") else DeviceRef(name, disks=ref.disks)


def _first_hand(inventory: Inventory, rules: DataRules, stack: StorageStack) -> Iterator[tuple[str, str]]:
    yield from _by_partition(inventory, rules)
    yield from _by_volume(inventory, rules)
    yield from _by_osd(inventory, stack)
    yield from _by_content(inventory, rules)
    yield from _by_mount(inventory, rules)


def _by_partition(inventory: Inventory, rules: DataRules) -> Iterator[tuple[str, str]]:
    for _, partition in inventory.partitions():
        if partition.type in CEPH_TYPES:
            yield partition.path, f"GPT type {CEPH_TYPES[partition.type]}"
        if {partition.type, partition.type_name} & (rules.types - {""}):
            yield partition.path, f"rule: type {partition.type_name or partition.type}"
        if partition.label and partition.label in rules.labels:
            yield partition.path, f"rule: partition label {partition.label}"
        if partition.uuid and partition.uuid in rules.partuuids:
            yield partition.path, f"rule: PARTUUID {partition.uuid}"


def _by_volume(inventory: Inventory, rules: DataRules) -> Iterator[tuple[str, str]]:
    for volume in inventory.volumes:
        name = name_of_volume(volume)
        if volume.tag("ceph.osd_id") or volume.tag("ceph.osd_fsid"):
            yield name, f"LV tags: osd.{volume.tag('ceph.osd_id') or '?'} {volume.tag('ceph.type')}".rstrip()
        elif any(tag.startswith("ceph.") for tag in volume.tags):
            yield name, "LV tags of Ceph"
        if volume.group in rules.groups:
            yield name, f"rule: volume group {volume.group}"
    for physical in inventory.physical_volumes:
        if physical.group in rules.groups:
            yield physical.path, f"rule: volume group {physical.group}"


def _by_osd(inventory: Inventory, stack: StorageStack) -> Iterator[tuple[str, str]]:
    for osd in inventory.osds:
        who = f"osd.{'?' if osd.id is None else osd.id}"
        parts = {"block": osd.block, "data": osd.data, "db": osd.db, "wal": osd.wal, "journal": osd.journal}
        for role, device in parts.items():
            name = (device.path or device.volume) if device else ""
            if name and (name in stack.volumes or name in stack.partitions or name in stack.disks or stack.below(name)):
                yield name, f"{who}: {role}"


def _by_content(inventory: Inventory, rules: DataRules) -> Iterator[tuple[str, str]]:
    known = {physical.path for physical in inventory.physical_volumes}
    for path, content in inventory.contents():
        if content is None:
            continue
        if content.type == "LVM2_member" and path not in known:
            yield path, "LVM of which nothing is known"
        if content.type == "ceph_bluestore":
            yield path, "bluestore label"
        if content.label and content.label in rules.labels:
            yield path, f"rule: label {content.label}"


def _by_mount(inventory: Inventory, rules: DataRules) -> Iterator[tuple[str, str]]:
    """Other mounts of the system's own devices are bind mounts and subvolumes of it."""
    own = {partition.path for _, partition in inventory.partitions() if partition.type_name in _SYSTEM_TYPES}
    own |= {mounted.device for mounted in inventory.mounts if _is_system(mounted.mount.path, rules)}
    own |= {device for line in inventory.fstab if _is_system(_place(line), rules) for device in line.devices}
    for mounted in inventory.mounts:
        path = mounted.mount.path
        if mounted.device and _is_data(path, mounted.device, own, rules) and mounted.mount.filesystem not in SEALED:
            yield mounted.device, f"mounted at {show(path)}"
    for line in inventory.fstab:
        for device in line.devices if line.entry.is_mounted else ():
            if _is_data(_place(line), device, own, rules):
                yield device, f"fstab: {show(_place(line))}"


def _is_data(path: str, device: str, own: set[str], rules: DataRules) -> bool:
    return path in rules.mounts or (device not in own and not _is_system(path, rules))


def _is_system(path: str, rules: DataRules) -> bool:
    return path not in rules.mounts and path in rules.system_mounts


def _place(line: FstabLine) -> str:
    """Swap has no mount point; its word for that is no path of `system_mounts`, either."""
    return line.entry.mount_point.strip("/") if line.entry.is_mounted else "none"
