"""Writing a partition plan: the table by sfdisk, the kernel's knowledge of it by partx, filesystems by mkfs.

The only module that makes anything write to a disk itself. Every command is the plan's own.
"""

from dataclasses import replace
from pathlib import Path

from reprov.adapters.bluestore import read_label
from reprov.adapters.held_disk import HeldDisk
from reprov.adapters.partition_table import read_table
from reprov.adapters.run import is_installed, run
from reprov.adapters.signatures import probe, probe_at
from reprov.domain.layout import OsDevice
from reprov.domain.partition_plan import PartitionPlan
from reprov.errors import Refused, ReprovError

_TIMEOUT_S = 60


def find_traces(disk: str) -> tuple[str, ...]:
    """Every signature on a disk itself, as wipefs finds them: among them those of a table that nothing else can read."""
    said = run(("wipefs", "--no-act", "--noheadings", "--output", "TYPE", disk), timeout_s=_TIMEOUT_S)
    return tuple(dict.fromkeys(said.stdout.decode("utf-8", "replace").split()))


def find_data(disk: str, offset_bytes: int, size_bytes: int) -> str:
    """What lies in a part of a disk that belongs to no partition: `bluestore (osd.3)`, `LVM2_member`; "" for nothing known."""
    label = read_label(Path(disk), offset_bytes=offset_bytes)
    if label is not None:
        return "bluestore" if label.osd_id is None else f"bluestore (osd.{label.osd_id})"
    content, _ = probe_at(Path(disk), offset_bytes, size_bytes)
    return content.type if content else ""


def dump_table(disk: str) -> bytes:
    """The partition table as `sfdisk DISK < FILE` puts it back."""
    return run(("sfdisk", "--dump", disk), timeout_s=_TIMEOUT_S).stdout


def write_table(plan: PartitionPlan, disk: HeldDisk) -> None:
    """Write the new entries, and make the kernel know them. Raises `ReprovError` when the table is then not as planned."""
    if command := plan.sfdisk_command(disk.path):
        run(command, stdin=plan.script().encode(), timeout_s=_TIMEOUT_S)
    found = read_table(Path(disk.path), sector_bytes=plan.disk.sector_bytes)
    differences = plan.differences(replace(plan.disk, table=found.table if found else None, partitions=found.partitions if found else ()))
    if differences:
        raise ReprovError(f"the partition table of {disk.path} is not as planned: {'; '.join(differences)}")
    for told in plan.partx_commands(disk.path):
        run(told, fine=(0, 1), timeout_s=_TIMEOUT_S)  # 1: udev was faster; whether there is a device, `HeldDisk.device_of` finds out


def require_programs(plan: PartitionPlan) -> None:
    """Raise `Refused` unless everything that the plan runs is installed."""
    commands = [("sfdisk",), ("partx",), *(command for device, _ in plan.formatted() for command in device.format_commands(""))]
    for program in dict.fromkeys(command[0] for command in commands):
        if not is_installed(program):
            raise Refused(f"{program} is not installed here", hint="nothing has been written")


def make_filesystem(made: OsDevice, device: str) -> None:
    """Make the filesystem (or swap) of a partition or volume of the layout."""
    for command in made.format_commands(device):
        run(command)


def uuid_of(device: str) -> str:
    """The UUID of what a device holds. Raises `ReprovError` when it has none."""
    found = probe((device,)).contents.get(device)
    if found is None or not found.uuid:
        raise ReprovError(f"{device} holds nothing that has a UUID")
    return found.uuid
