"""Layout + inventory -> the plan of a reinstall, and the disk that it is for."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from reprov.adapters.layout_file import read_layout_file
from reprov.adapters.loop_image import attached_image
from reprov.adapters.partition_table import read_table
from reprov.adapters.partition_writer import find_data, find_traces
from reprov.adapters.signatures import probe
from reprov.domain.install_plan import InstallChoices, InstallPlan, plan_install, with_findings
from reprov.domain.inventory import Disk, DiskKind, Inventory, Partition
from reprov.domain.inventory_scope import of_disk
from reprov.domain.layout import Layout
from reprov.domain.partition_plan import Fate, PartitionPlan
from reprov.domain.partition_planner import choose_disk, plan_partitions
from reprov.errors import Refused
from reprov.events import Monitor, Note, NullMonitor, phase
from reprov.workflows.inventory import take_inventory
from reprov.workflows.node import require_root


@dataclass(frozen=True, slots=True)
class Target:
    """A layout whose disk is a disk of this machine by now."""

    layout: Layout
    image: str = ""
    """The disk image that the disk shows; "" for real hardware."""

    def inventory(self) -> Inventory:
        """This machine; for an image, what is on it alone."""
        if not self.image:
            return take_inventory(Path("/"), monitor=NullMonitor())
        device = self.layout.disk.image
        return of_disk(take_inventory(Path("/"), disk=device, monitor=NullMonitor()), device)


def load_layout(file: Path) -> Layout:
    """The layout of a file; an image that it names by a relative path lies beside it. Raises `InvalidInput` with file:line."""
    layout = read_layout_file(file)
    image = layout.disk.image
    return replace(layout, disk=replace(layout.disk, image=str(file.parent / image))) if image else layout


@contextmanager
def target_of(layout: Layout) -> Iterator[Target]:
    """What is to be installed to; a disk image is attached for the block."""
    require_root("install a node")
    if not layout.disk.image:
        yield Target(layout)
        return
    with attached_image(Path(layout.disk.image)) as device:
        yield Target(replace(layout, disk=replace(layout.disk, image=device)), layout.disk.image)


def make_plan(target: Target, choices: InstallChoices, monitor: Monitor) -> InstallPlan:
    """The plan for what is there now; what stands against it is in its refusals. Opens nothing for writing."""
    with phase(monitor, "inventory", "Looking at devices"):
        found = target.inventory()
    for note in found.notes:
        monitor.emit(Note(note))
    return plan_for(target, found, choices)


def plan_for(target: Target, inventory: Inventory, choices: InstallChoices) -> InstallPlan:
    """The same for an inventory that is at hand. Raises `Refused` when the disk of the layout is not there."""
    disk = choose_disk(target.layout, inventory)
    if disk.kind is DiskKind.MULTIPATH:
        raise Refused(f"{disk.path} is a multipath disk: what its partitions are called is the device mapper's to say, not the kernel's")
    now = _as_it_is(disk)
    inventory = replace(inventory, disks=tuple(now if other is disk else other for other in inventory.disks))
    plan = plan_partitions(target.layout, inventory, traces=() if now.table else find_traces(now.path))
    return plan_install(with_findings(plan, {} if plan.refusals else _found_below(plan)), choices)


def _as_it_is(disk: Disk) -> Disk:
    """The disk as sfdisk and blkid read it: udev may remember what is no longer true. A partition that is in no table has no type."""
    found = read_table(Path(disk.path), sector_bytes=disk.sector_bytes)
    known = {entry.number: entry for entry in disk.partitions}
    there = [_known_as(entry, known.get(entry.number)) for entry in (found.partitions if found else ())]
    probed = [entry.path for entry in there if Path(entry.path).is_block_device()]
    contents = probe(probed).contents
    entries = [replace(entry, content=contents.get(entry.path)) if entry.path in probed else entry for entry in there]
    entries += [replace(known[number], type="", type_name="") for number in known.keys() - {entry.number for entry in there}]
    return replace(disk, table=found.table if found else None, partitions=tuple(sorted(entries, key=lambda entry: entry.number)))


def _known_as(entry: Partition, known: Partition | None) -> Partition:
    return replace(entry, path=known.path, content=known.content) if known else entry


def _found_below(plan: PartitionPlan) -> dict[int, str]:
    """What lies where partitions are to be made."""
    scale = plan.disk.sector_bytes
    made = [planned.entry for planned in plan.partitions if planned.fate is Fate.CREATED]
    return {entry.number: find_data(plan.disk.path, entry.start_sector * scale, entry.sectors * scale) for entry in made}
