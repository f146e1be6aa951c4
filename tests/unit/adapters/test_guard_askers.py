"""What is behind a character device."""

import os
from pathlib import Path

import pytest

from reprov.adapters.guard_askers import behind_controller
from reprov.domain.guard import GuardedDevice

DISK = GuardedDevice("/dev/disk", "data")
CONTROLLER = os.makedev(240, 0)

ENTRIES = {
    "a namespace of an NVMe controller": ("nvme0n1", "nvme0n1", DISK),
    "a namespace with several controllers": ("nvme0c1n1", "nvme0n1", DISK),
    "the disk of a SCSI generic device": ("device/block/sdb", "sdb", DISK),
    "another disk": ("nvme0n1", "nvme0n2", None),
}


@pytest.mark.parametrize(("entry", "block", "found"), ENTRIES.values(), ids=ENTRIES)
def test_disks_behind_controllers(entry: str, block: str, found: GuardedDevice | None, tmp_path: Path) -> None:
    (tmp_path / "dev/char/240:0" / entry).mkdir(parents=True)
    (tmp_path / "class/block" / block).mkdir(parents=True)
    (tmp_path / "class/block" / block / "dev").write_text("259:4\n")
    assert behind_controller(CONTROLLER, {os.makedev(259, 4): DISK}, tmp_path) == found


def test_a_terminal_has_no_disk_behind_it(tmp_path: Path) -> None:
    assert behind_controller(CONTROLLER, {os.makedev(259, 4): DISK}, tmp_path) is None
