"""What lies on what: the way from a filesystem, volume or OSD down to the disks."""

import re
from collections.abc import Iterable, Iterator

from reprov.domain.inventory import DeviceRef, Disk, Inventory, LogicalVolume, Partition


class StorageStack:
    """The devices of an inventory by name, each with what it lies on. A volume that is not active goes by `VG/LV`."""

    def __init__(self, inventory: Inventory) -> None:
        self.disks: dict[str, Disk] = {disk.path: disk for disk in inventory.disks}
        self.partitions: dict[str, tuple[Disk, Partition]] = {
            partition.path: (disk, partition) for disk, partition in inventory.partitions()
        }
        self.volumes: dict[str, LogicalVolume] = {name_of_volume(volume): volume for volume in inventory.volumes}
        self._below: dict[str, tuple[str, ...]] = {name: volume.devices for name, volume in self.volumes.items()}
        self._below |= {array.path: array.members for array in inventory.arrays}
        self._below |= {crypt.path: (crypt.device,) for crypt in inventory.crypts}
        self._below |= {mapped.path: mapped.devices for mapped in inventory.mapped}
        self._crypts = {crypt.path: crypt.device for crypt in inventory.crypts}

    def below(self, name: str) -> tuple[str, ...]:
        """The devices that one is made of; none for a disk, and for a partition of a plain disk."""
        made_of = self._below.get(name, ())
        if not made_of and name in self.partitions:
            return self._below.get(self.partitions[name][0].path, ())
        return made_of

    def beneath(self, name: str) -> Iterator[str]:
        """Every device that one lies on, at any depth, each once; not the device itself."""
        seen, waiting = {name}, [*self.below(name)]
        while waiting:
            device = waiting.pop(0)
            if device not in seen:
                seen.add(device)
                yield device
                waiting += self.below(device)

    def disks_of(self, names: Iterable[str]) -> tuple[str, ...]:
        """The identities of the disks that devices lie on, sorted."""
        found = set()
        for name in names:
            for device in (name, *self.beneath(name)):
                if device in self.partitions and not self.below(device):
                    found.add(self.partitions[device][0].identity)
                elif device in self.disks and not self.below(device):
                    found.add(self.disks[device].identity)
        return tuple(sorted(found))

    def ref(self, name: str) -> DeviceRef:
        """The device by what names it for good. An open dm-crypt mapping is named by the device that it is on."""
        seen = {name}
        while name in self._crypts and self._crypts[name] not in seen:
            name = self._crypts[name]
            seen.add(name)
        disks = self.disks_of((name,))
        if name in self.volumes:
            volume = self.volumes[name]
            return DeviceRef(volume.path, volume=volume.full_name, volume_uuid=volume.uuid, disks=disks)
        if name in self.partitions:
            return DeviceRef(name, partuuid=self.partitions[name][1].uuid, disks=disks)
        return DeviceRef(name, disks=disks)


def name_of_volume(volume: LogicalVolume) -> str:
    """Its path, or `VG/LV` when it is not active."""
    return volume.path or volume.full_name


_LETTERED = re.compile(r"(?<=/)(sd|vd|xvd|hd)([a-z]+)")


def natural(name: str) -> tuple[tuple[int, str], ...]:
    """Sorts sda2 before sda10, and sdz before sdaa."""
    padded = _LETTERED.sub(lambda found: f"{found[1]}{found[2]:>8}", name)
    return tuple((int(part), "") if part.isascii() and part.isdecimal() else (-1, part) for part in re.findall(r"[0-9]+|[^0-9]+", padded))
