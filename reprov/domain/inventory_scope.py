"""What of a machine's inventory belongs to one disk: to re-image a disk image, the disks of the machine that does it do not matter."""

from collections.abc import Iterable, Sequence

from reprov.domain.block_device import BlockDevice
from reprov.domain.inventory import Inventory


def devices_of_disk(devices: Sequence[BlockDevice], path: str) -> tuple[BlockDevice, ...]:
    """The disk at a path, its partitions, and whatever the kernel has made of them."""
    names = {device.name for device in devices if device.path == path}
    while True:
        found = tuple(device for device in devices if device.name in names or device.parent in names or names & {*device.below})
        if len(found) == len(names):
            return found
        names = {device.name for device in found}


def of_disk(inventory: Inventory, path: str) -> Inventory:
    """The disk, its partitions, and all that is made or mounted of them; fstab and network are the machine's, and left out."""
    disks = tuple(disk for disk in inventory.disks if disk.path == path)
    names = {path, *(partition.path for disk in disks for partition in disk.partitions)}

    def touches(devices: Iterable[str]) -> bool:
        return any(device in names for device in devices)

    physical = tuple(item for item in inventory.physical_volumes if item.path in names)
    groups = {item.group for item in physical}
    # Again and again, as one is made of the other: an array, a volume on it, dm-crypt on that.
    while True:
        count = len(names)
        volumes = tuple(item for item in inventory.volumes if touches(item.devices) or item.group in groups)
        arrays = tuple(item for item in inventory.arrays if touches(item.members))
        crypts = tuple(item for item in inventory.crypts if item.device in names)
        mapped = tuple(item for item in inventory.mapped if touches(item.devices))
        for made in (volumes, arrays, crypts, mapped):
            names |= {item.path for item in made if item.path}
        if len(names) == count:
            break
    return Inventory(
        disks=disks,
        physical_volumes=physical,
        groups=tuple(item for item in inventory.groups if item.name in groups),
        volumes=volumes,
        arrays=arrays,
        crypts=crypts,
        mapped=mapped,
        osds=tuple(osd for osd in inventory.osds if touches(device.path for device in osd.devices)),
        mounts=tuple(mounted for mounted in inventory.mounts if mounted.device in names),
        swaps=tuple(swap for swap in inventory.swaps if swap.path in names),
        notes=tuple(note for note in inventory.notes if any(name in note for name in names)),
    )
