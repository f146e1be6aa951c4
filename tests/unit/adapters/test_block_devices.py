"""Block devices from a made-up /sys."""

from pathlib import Path

import pytest

from reprov.adapters import block_devices
from reprov.adapters.block_devices import read_block_devices


@pytest.fixture
def sysfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A disk with a partition, a map on it, an empty loop device, a drive, and a link to a device that has just gone; no udev."""
    devices = {
        "pci0/block/sda": {
            "dev": "8:0",
            "size": "2048\n",
            "ro": "1",
            "queue/logical_block_size": "4096",
            "device/model": "Disk  ",
            "device/wwid": "naa.5000c500a1b2c3d4",
        },
        "pci0/block/sda/sda1": {"dev": "8:1", "size": "1024", "start": "1024", "partition": "1"},
        "virtual/block/dm-0": {"dev": "253:0", "size": "1024", "dm/name": "data", "dm/uuid": "CRYPT-PLAIN-data", "slaves/sda1": ""},
        "virtual/block/loop0": {"dev": "7:0", "size": "0"},
        "pci0/block/sr0": {"dev": "11:0", "size": "100"},
    }
    (tmp_path / "class/block").mkdir(parents=True)
    for place, attributes in devices.items():
        for name, value in attributes.items():
            file = tmp_path / "devices" / place / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(value)
        (tmp_path / "class/block" / Path(place).name).symlink_to(tmp_path / "devices" / place)
    (tmp_path / "class/block/gone").symlink_to("nowhere")
    monkeypatch.setattr(block_devices, "_udev_database", dict)
    return tmp_path


def test_sysfs_alone(sysfs: Path) -> None:
    mapped, disk, partition = read_block_devices(sysfs)
    assert (disk.name, disk.path, disk.number, disk.size_bytes, disk.sector_bytes) == ("sda", "/dev/sda", "8:0", 1 << 20, 4096)
    assert (disk.wwn, disk.model, disk.is_read_only, disk.is_probed) == ("0x5000c500a1b2c3d4", "Disk", True, False)
    assert (partition.parent, partition.partition_number, partition.start_bytes, partition.sector_bytes) == ("sda", 1, 1 << 19, 4096)
    assert (mapped.path, mapped.links, mapped.below) == ("/dev/mapper/data", ("/dev/dm-0",), ("sda1",))


def test_udev_adds_what_it_knows(sysfs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"sda": ({"ID_WWN_WITH_EXTENSION": "0x1", "ID_PART_TABLE_TYPE": "gpt"}, ("/dev/disk/by-id/x",))}
    monkeypatch.setattr(block_devices, "_udev_database", lambda: known)
    disk = read_block_devices(sysfs)[1]
    assert (disk.wwn, disk.links, disk.is_probed) == ("0x1", ("/dev/disk/by-id/x",), True)
