"""The OSDs of a node, put together from every place that tells of them.

Tags of logical volumes, labels of bluestore devices, directories, files of ceph-volume and types of partitions each know a part.
What has the same OSD fsid is the same OSD; where a place does not know the fsid, id and cluster decide.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from reprov.domain.bluestore import BluestoreLabel
from reprov.domain.device_names import DeviceNames
from reprov.domain.inventory import DeviceRef, Inventory, Osd, OsdKind
from reprov.domain.osd_directory import OsdDirectory
from reprov.domain.partition_types import CEPH_TYPES
from reprov.domain.storage_stack import StorageStack, name_of_volume

_ROLES: Final = ("block", "data", "db", "wal", "journal")
_RANK: Final = (OsdKind.RAW, OsdKind.CEPH_DISK, OsdKind.LVM, OsdKind.CEPHADM)
"""How an OSD is activated when places differ: the last of them."""


@dataclass(frozen=True, slots=True)
class _Trace:
    """What one place tells of an OSD."""

    fsid: str
    id: int | None
    cluster_fsid: str
    kind: OsdKind
    devices: Mapping[str, DeviceRef] = field(default_factory=dict)
    is_encrypted: bool = False
    directory: str = ""
    is_plain_directory: bool = False


def find_osds(
    inventory: Inventory, names: DeviceNames, labels: Mapping[str, BluestoreLabel], directories: Iterable[OsdDirectory]
) -> tuple[Osd, ...]:
    """Every OSD, sorted by cluster, id and fsid. `labels` go by the inventory's name of the device."""
    stack = StorageStack(inventory)
    traces = [
        *_of_volumes(inventory, names, stack),
        *_of_ceph_disk(inventory, labels, stack),
        *(_of_label(label, stack.ref(name)) for name, label in labels.items()),
        *(_of_directory(inventory, directory, names, stack) for directory in directories),
    ]
    by_fsid: dict[str, list[_Trace]] = {}
    for trace in traces:
        if trace.fsid:
            by_fsid.setdefault(trace.fsid, []).append(trace)
    for trace in traces:
        if not trace.fsid:
            by_fsid.setdefault(_home_of(trace, by_fsid), []).append(trace)
    osds = (_joined(found) for found in by_fsid.values())
    return tuple(sorted(osds, key=lambda osd: (osd.cluster_fsid, osd.id is None, osd.id or 0, osd.fsid, osd.directory)))


def _home_of(trace: _Trace, by_fsid: Mapping[str, list[_Trace]]) -> str:
    """The one OSD of the same id (and cluster, where both know it); else a place of its own."""
    fitting = [fsid for fsid, known in by_fsid.items() if any(_may_be_one(trace, other) for other in known)]
    return fitting[0] if len(fitting) == 1 else f"{trace.cluster_fsid} {trace.id} {trace.directory}"


def _may_be_one(trace: _Trace, other: _Trace) -> bool:
    clusters = {trace.cluster_fsid, other.cluster_fsid} - {""}
    return trace.id is not None and trace.id == other.id and len(clusters) < 2


def _joined(traces: list[_Trace]) -> Osd:
    devices: dict[str, DeviceRef] = {}
    for trace in traces:  # in the order of trust; a device that is here goes before one that is only spoken of
        for role, device in trace.devices.items():
            if role not in devices or (device.path and not devices[role].path):
                devices[role] = device
    return Osd(
        id=next((trace.id for trace in traces if trace.id is not None), None),
        fsid=next((trace.fsid for trace in traces if trace.fsid), ""),
        cluster_fsid=next((trace.cluster_fsid for trace in traces if trace.cluster_fsid), ""),
        kind=max((trace.kind for trace in traces), key=_RANK.index),
        is_encrypted=any(trace.is_encrypted for trace in traces),
        directory=next((trace.directory for trace in traces if trace.directory), ""),
        is_plain_directory=any(trace.is_plain_directory for trace in traces),
        **{role: devices.get(role) for role in _ROLES},
    )


def _of_volumes(inventory: Inventory, names: DeviceNames, stack: StorageStack) -> Iterator[_Trace]:
    """By the tags that ceph-volume lvm sets; the block device's name its db and wal, which may be partitions."""
    for volume in inventory.volumes:
        fsid, osd_id, role = (volume.tag(f"ceph.{name}") for name in ("osd_fsid", "osd_id", "type"))
        if not (fsid or osd_id):
            continue
        devices = {role if role in _ROLES else "block": stack.ref(name_of_volume(volume))}
        for other in ("db", "wal", "journal"):
            uuid, path = volume.tag(f"ceph.{other}_uuid"), volume.tag(f"ceph.{other}_device")
            if other not in devices and (uuid or path):
                found = names.by_uuid(uuid, path)
                devices[other] = stack.ref(found) if found else DeviceRef("", volume_uuid=uuid)
        yield _Trace(
            fsid=fsid.lower(),
            id=int(osd_id) if osd_id.isascii() and osd_id.isdecimal() else None,
            cluster_fsid=volume.tag("ceph.cluster_fsid").lower(),
            kind=OsdKind.LVM,
            devices=devices,
            is_encrypted=volume.tag("ceph.encrypted") == "1",
        )


def _of_ceph_disk(inventory: Inventory, labels: Mapping[str, BluestoreLabel], stack: StorageStack) -> Iterator[_Trace]:
    """ceph-disk gave the data partition of an OSD its fsid as PARTUUID. One with a label is not ceph-disk's, whatever its type says."""
    for _, partition in inventory.partitions():
        name = CEPH_TYPES.get(partition.type, "")
        if name.endswith("osd-data") and partition.path not in labels:
            is_encrypted = "dmcrypt" in name or "luks" in name
            yield _Trace(partition.uuid, None, "", OsdKind.CEPH_DISK, {"data": stack.ref(partition.path)}, is_encrypted)


def _of_label(label: BluestoreLabel, device: DeviceRef) -> _Trace:
    return _Trace(label.osd_fsid, label.osd_id, label.cluster_fsid, OsdKind.RAW, {label.role or "block": device})


def _of_directory(inventory: Inventory, found: OsdDirectory, names: DeviceNames, stack: StorageStack) -> _Trace:
    devices = {}
    for role, source in found.devices:
        device = next(iter(names.devices(source)), "")
        if device:
            devices[role] = stack.ref(device)
    mounted = next((item for item in inventory.mounts if item.mount.path == found.directory), None) if found.directory else None
    if mounted is not None and mounted.device:
        devices["data"] = stack.ref(mounted.device)
    kind = OsdKind.CEPHADM if found.is_cephadm else OsdKind.CEPH_DISK if found.is_simple else OsdKind.RAW
    return _Trace(
        fsid=found.fsid,
        id=found.id,
        cluster_fsid=found.cluster_fsid,
        kind=kind,
        devices=devices,
        is_encrypted=found.is_encrypted,
        directory=found.directory,
        is_plain_directory=found.has_data and mounted is None,
    )
