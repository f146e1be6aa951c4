"""What a node, or a disk image, consists of."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from reprov.adapters.block_devices import read_block_devices
from reprov.adapters.bluestore import ask_label, read_label
from reprov.adapters.files import opened_directory
from reprov.adapters.links import read_network
from reprov.adapters.lvm import read_lvm
from reprov.adapters.lvm_on_disk import read_lvm_on_disk
from reprov.adapters.mounted_devices import mounted_devices, read_swaps
from reprov.adapters.osd_directories import read_osd_directories
from reprov.adapters.partition_table import read_table, require_sectors_of_512
from reprov.adapters.root_view import RootView
from reprov.adapters.run import CommandFailed
from reprov.adapters.signatures import probe, probe_at
from reprov.domain.assembly import NodeFacts, assemble
from reprov.domain.block_device import KERNEL_SECTOR_BYTES, BlockDevice
from reprov.domain.bluestore import BluestoreLabel
from reprov.domain.fstab import parse_crypttab
from reprov.domain.inventory import Disk, DiskKind, Inventory, Signature
from reprov.domain.inventory_scope import devices_of_disk
from reprov.domain.links import NO_NETWORK
from reprov.domain.lvm import Lvm
from reprov.domain.probing import Place, contents_to_ask, disks_to_ask, labels_to_read, physical_volumes, places_without_device
from reprov.domain.sfdisk import TableOnDisk
from reprov.errors import InvalidInput, ReprovError
from reprov.events import Monitor, Note, phase


def take_inventory(root: Path, *, disk: str = "", monitor: Monitor) -> Inventory:
    """The devices of this machine, and the mounts, tables and OSDs of the node whose root is given; with / the network and swap, too.

    Nothing is opened for writing. What could not be looked at is in `Inventory.notes`. With the path of a disk no other one is looked at.
    """
    with phase(monitor, "inventory", "Looking at devices"):
        devices = read_block_devices()
        if disk:
            devices = devices_of_disk(devices, disk)
        looked = _Looked()
        looked.ask_tables(disks_to_ask(devices))
        looked.ask_contents(contents_to_ask(devices, looked.tables))
        places = tuple(places_without_device(devices, looked.tables))
        looked.ask_places(places)
        lvm = looked.ask_lvm(physical_volumes(devices, looked.contents, places))
        looked.read_labels(labels_to_read(devices, looked.tables, looked.contents, places))
        facts = NodeFacts(devices, tables=looked.tables, contents=looked.contents, lvm=lvm, labels=looked.labels)
        return _told(assemble(_with_node(facts, root, looked.notes)), monitor)


def inventory_of_image(image: Path, *, monitor: Monitor) -> Inventory:
    """What a disk image holds; needs neither root nor a loop device. Raises `InvalidInput` when it is no regular file.

    Of LVM the metadata is read, but not what the volumes hold; RAID and dm-crypt show as signatures: only the kernel can open them.
    """
    if not image.is_file() or image.stat().st_size < KERNEL_SECTOR_BYTES:
        raise InvalidInput(f"{image} is no disk image", hint="an image is a file; without --image the disks of this machine are listed")
    require_sectors_of_512(image)
    with phase(monitor, "inventory", "Looking at the image"):
        path = os.fspath(image)
        disk = Disk(path, image.stat().st_size, KERNEL_SECTOR_BYTES, DiskKind.IMAGE)
        table = read_table(image)
        looked = _Looked({path: table} if table else {})
        places = tuple(places_without_device((), looked.tables)) or (Place(path, path, 0, disk.size_bytes),)
        looked.ask_places(places)
        lvm = looked.read_lvm(physical_volumes((), looked.contents, places))
        looked.read_labels(labels_to_read((), looked.tables, looked.contents, places))
        if table is None:
            disk = replace(disk, content=looked.contents.get(path))
        else:
            partitions = tuple(replace(item, content=looked.contents.get(item.path)) for item in table.partitions)
            disk = replace(disk, table=table.table, partitions=partitions, sector_bytes=table.sector_bytes)
        return _told(assemble(NodeFacts(images=(disk,), lvm=lvm, labels=looked.labels, notes=tuple(looked.notes))), monitor)


def _told(inventory: Inventory, monitor: Monitor) -> Inventory:
    for note in inventory.notes:
        monitor.emit(Note(note))
    return inventory


@dataclass(slots=True)
class _Looked:
    """What was found by looking at devices, and what could not be looked at."""

    tables: dict[str, TableOnDisk] = field(default_factory=dict)
    contents: dict[str, Signature] = field(default_factory=dict)
    labels: dict[str, BluestoreLabel] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def ask_tables(self, disks: Iterable[BlockDevice]) -> None:
        for disk in disks:
            with self._noting(disk.path):
                if found := read_table(Path(disk.path), sector_bytes=disk.sector_bytes):
                    self.tables[disk.path] = found

    def ask_contents(self, paths: Iterable[str]) -> None:
        with self._noting("blkid"):
            found = probe(tuple(paths))
            self.contents |= found.contents
            self.notes += found.notes

    def ask_places(self, places: Iterable[Place]) -> None:
        for place in places:
            with self._noting(place.name):
                content, notes = probe_at(Path(place.path), place.offset_bytes, place.size_bytes)
                self.notes += notes
                if content:
                    self.contents[place.name] = content

    def ask_lvm(self, volumes: tuple[Place, ...]) -> Lvm | None:
        """Of its tools, where there is anything of LVM: they read every device. Without them, of the devices."""
        found = None
        with self._noting("LVM"):
            found, notes = read_lvm() if volumes else (Lvm(), ())
            self.notes += notes
        return found or self.read_lvm(volumes)

    def read_lvm(self, volumes: tuple[Place, ...]) -> Lvm | None:
        found = None
        with self._noting("LVM"):
            found = read_lvm_on_disk(volumes)
        return found

    def read_labels(self, places: Iterable[Place]) -> None:
        for place in places:
            with self._noting(place.name):
                label = read_label(Path(place.path), offset_bytes=place.offset_bytes)
                if label is not None:
                    self.labels[place.name] = _completed(label, place)

    @contextmanager
    def _noting(self, what: str) -> Iterator[None]:
        try:
            yield
        except ReprovError as error:
            self.notes.append(f"{what}: {error.message}")
        except OSError as error:
            self.notes.append(f"{what}: {error.strerror}")


def _completed(label: BluestoreLabel, place: Place) -> BluestoreLabel:
    """A label in a form that reprov cannot read to its end, as Ceph's own tool reads it."""
    if label.role or place.name != place.path:
        return label
    try:
        return ask_label(Path(place.path)) or label
    except CommandFailed:
        return label


def _with_node(facts: NodeFacts, root: Path, notes: Iterable[str]) -> NodeFacts:
    is_running = os.fspath(root) == "/"
    with opened_directory(root) as root_fd:
        view = RootView(root_fd)
        directories, bad_files = read_osd_directories(view)
        return replace(
            facts,
            directories=directories,
            mounts=mounted_devices(root),
            fstab=view.fstab(),
            crypttab=parse_crypttab(view.read("etc/crypttab") or b""),
            swaps=read_swaps() if is_running else (),
            network=read_network() if is_running else NO_NETWORK,
            notes=(*notes, *bad_files),
        )
