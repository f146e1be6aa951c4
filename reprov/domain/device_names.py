"""All the names that devices of a node go by, and the one that the inventory uses for each."""

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from reprov.domain.block_device import BlockDevice, decoded
from reprov.domain.fstab import tag_of
from reprov.domain.inventory import Inventory

_BY: Final = {"by-uuid": "UUID", "by-label": "LABEL", "by-partuuid": "PARTUUID", "by-partlabel": "PARTLABEL"}
_TAG_LINK: Final = re.compile(r"/dev/disk/(by-[a-z]+)/(.+)")


class DeviceNames:
    """Looks up links of udev, LVM's paths, tags like UUID=..., LVM's UUIDs."""

    def __init__(self, devices: Iterable[BlockDevice], inventory: Inventory) -> None:
        self._paths = {path: path for path, _ in inventory.contents()}
        for device in devices:
            for link in device.links:
                self._paths.setdefault(link, device.path)
        for volume in inventory.volumes:
            name = volume.path or volume.full_name
            self._paths |= {f"/dev/{volume.full_name}": name, volume.full_name: name}
        self._tags: dict[tuple[str, str], list[str]] = defaultdict(list)
        for path, content in inventory.contents():
            if content is not None:
                self._tags["UUID", content.uuid].append(path)
                self._tags["LABEL", content.label].append(path)
        for _, partition in inventory.partitions():
            self._tags["PARTUUID", partition.uuid].append(partition.path)
            self._tags["PARTLABEL", partition.label].append(partition.path)
        self._volumes = {volume.uuid: volume.path or volume.full_name for volume in inventory.volumes}

    def path(self, name: str) -> str:
        """The inventory's name of the device at a path; "" for a device that is not here."""
        return self._paths.get(name, "")

    def devices(self, source: str) -> tuple[str, ...]:
        """The devices that a path or a tag of fstab names: none when there is none, several when they share the tag."""
        if known := self.path(source):
            return (known,)
        tag = tag_of(source)
        if link := _TAG_LINK.fullmatch(source):
            tag = (_BY.get(link[1], ""), decoded(link[2]))
        if tag is None or not tag[1]:
            return ()
        exact = self._tags.get(tag, ())
        return tuple(exact or self._tags.get((tag[0], tag[1].lower()), ()))

    def by_uuid(self, uuid: str, path: str) -> str:
        """The device with a PARTUUID or an LV's UUID, else the one at a path; "" when neither is here."""
        partitions = self._tags.get(("PARTUUID", uuid.lower()), ()) if uuid else ()
        if len(partitions) == 1:
            return partitions[0]
        return self._volumes.get(uuid, "") or next(iter(self.devices(path)), "")
