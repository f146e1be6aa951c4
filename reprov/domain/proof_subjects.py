"""Which devices a storage proof is made of, and where their bytes are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from reprov.domain.entry import show
from reprov.domain.inventory import Array, Crypt, DiskKind, Inventory, Mapped, Osd
from reprov.domain.proof import Key, Proof, ProvenOsd, keys_of
from reprov.domain.protected import Protected
from reprov.domain.storage_stack import name_of_volume, natural


@dataclass(frozen=True, slots=True)
class Subject:
    """A device that is to be proven, as the inventory knows it; what is on it is still to be read."""

    path: str
    """`VG/LV` for a volume that is not active."""
    size_bytes: int
    reasons: tuple[str, ...] = ()
    disk: str = ""
    """Path of the disk that it is, or that has its entry; "" for what is made of other devices."""
    sector_bytes: int = 512
    number: int = 0
    """0 for what is no partition."""
    start_sector: int = 0
    partuuid: str = ""
    table_uuid: str = ""
    is_image: bool = False
    """True when it is a disk image, or a partition of one: `disk` is a file."""
    wwn: str = ""
    serial: str = ""
    volume: str = ""
    uuid: str = ""
    tags: tuple[str, ...] = ()
    is_active: bool = True
    """False for a volume that has no device."""
    uses: tuple[str, ...] = ()
    """What uses it as far as the inventory knows: `mounted at /srv/data`, `swap`."""

    def keys(self) -> Iterator[Key]:
        """What may find it in a proof, as far as that is known without looking at the device."""
        yield from keys_of(
            uuid=self.uuid,
            partuuid=self.partuuid,
            disk=(self.wwn, self.serial, self.table_uuid),
            start_sector=self.start_sector if self.number else None,
            path=self.path,
        )


def subjects(inventory: Inventory, data: Sequence[Protected], before: Proof | None = None) -> tuple[Subject, ...]:
    """Every protected device, and every one that an earlier proof has, whether it is protected now or not, in the order of their names.

    A partition that lost its type is no longer protected for that type: only the earlier proof knows that it was.
    """
    reasons = {item.device.path or item.device.volume: item.reasons for item in data}
    known = {key for device in before.devices for key in device.keys()} if before else set()
    uses, found = _uses(inventory), {}
    for subject in _all(inventory):
        path = subject.path
        if path in reasons or any(key in known for key in subject.keys()):
            found[path] = replace(subject, reasons=reasons.get(path, ()), uses=uses.get(path, ()))
    return tuple(found[path] for path in sorted(found, key=natural))


def osds_of(inventory: Inventory) -> tuple[ProvenOsd, ...]:
    """The OSDs as a proof has them, in the inventory's order."""
    return tuple(ProvenOsd(osd.id, osd.fsid, osd.cluster_fsid, osd.kind.value, _parts(osd)) for osd in inventory.osds)


def _all(inventory: Inventory) -> Iterator[Subject]:
    """Every device of the inventory; what uses it and why it is protected is still to be filled in."""
    for disk in inventory.disks:
        whole = Subject(disk.path, disk.size_bytes, disk=disk.path, is_image=disk.kind is DiskKind.IMAGE, wwn=disk.wwn, serial=disk.serial)
        yield whole
        for partition in disk.partitions:
            yield replace(
                whole,
                path=partition.path,
                size_bytes=partition.sectors * disk.sector_bytes,
                sector_bytes=disk.sector_bytes,
                number=partition.number,
                start_sector=partition.start_sector,
                partuuid=partition.uuid,
                table_uuid=disk.table.uuid if disk.table else "",
            )
    for volume in inventory.volumes:
        name = name_of_volume(volume)
        is_active = bool(volume.path)
        yield Subject(name, volume.size_bytes, uuid=volume.uuid, volume=volume.full_name, tags=volume.tags, is_active=is_active)
    made: tuple[Array | Crypt | Mapped, ...] = (*inventory.arrays, *inventory.crypts, *inventory.mapped)
    yield from (Subject(device.path, device.size_bytes, uuid=device.uuid) for device in made)


def _uses(inventory: Inventory) -> dict[str, tuple[str, ...]]:
    uses: dict[str, tuple[str, ...]] = {}
    for mounted in inventory.mounts:
        if mounted.device:
            uses[mounted.device] = (*uses.get(mounted.device, ()), f"mounted at {show(mounted.mount.path)}")
    for swap in inventory.swaps:
        if not swap.is_file:
            uses[swap.path] = (*uses.get(swap.path, ()), "swap")
    return uses


def _parts(osd: Osd) -> tuple[str, ...]:
    parts = {"block": osd.block, "data": osd.data, "db": osd.db, "wal": osd.wal, "journal": osd.journal}
    return tuple(f"{role} {device.path or device.volume or 'missing'}" for role, device in parts.items() if device is not None)
