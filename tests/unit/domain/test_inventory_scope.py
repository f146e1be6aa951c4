"""What of a machine belongs to one disk."""

from dataclasses import replace

from reprov.domain.block_device import block_device
from reprov.domain.inventory import Crypt, DeviceRef, LogicalVolume, Mounted, Osd, OsdKind, PhysicalVolume, Swap, VolumeGroup
from reprov.domain.inventory_scope import devices_of_disk, of_disk
from reprov.domain.mounts import Mount
from tests.disk_builders import disk, entry, inventory

SYSTEM = disk(entry(1, 1, 64, "linux-lvm"), entry(2, 65, 64, "swap"))
OTHER = replace(disk(replace(entry(1, 1, 64, "linux"), path="/dev/sdb1")), path="/dev/sdb")
VOLUME = LogicalVolume("vg0", "root", "u", 1, ("/dev/sda1",), "/dev/mapper/vg0-root")
CRYPT = Crypt("/dev/mapper/secret", "secret", "luks2", "c", "/dev/mapper/vg0-root")
OSD = Osd(3, "f", "c", OsdKind.LVM, DeviceRef("/dev/mapper/secret"))
MACHINE = replace(
    inventory(SYSTEM, OTHER),
    physical_volumes=(PhysicalVolume("/dev/sda1", "p", "vg0"), PhysicalVolume("/dev/sdb1", "q", "vg1")),
    groups=(VolumeGroup("vg0", "g", 1, 0), VolumeGroup("vg1", "h", 1, 0)),
    volumes=(VOLUME, replace(VOLUME, group="vg1", devices=("/dev/sdb1",), path="")),
    crypts=(CRYPT,),
    osds=(OSD, replace(OSD, id=4, block=DeviceRef("/dev/sdb1"))),
    mounts=(Mounted(Mount("srv", "ext4", "", False), "/dev/mapper/secret"), Mounted(Mount("opt", "ext4", "", False), "/dev/sdb1")),
    swaps=(Swap("/dev/sda2", 1), Swap("/dev/sdb2", 1)),
    notes=("/dev/sda1: Input/output error", "/dev/sdb: Input/output error"),
)


def test_all_that_is_made_of_a_disk_belongs_to_it() -> None:
    assert of_disk(MACHINE, "/dev/sda") == replace(
        inventory(SYSTEM),
        physical_volumes=MACHINE.physical_volumes[:1],
        groups=MACHINE.groups[:1],
        volumes=(VOLUME,),
        crypts=(CRYPT,),
        osds=(OSD,),
        mounts=MACHINE.mounts[:1],
        swaps=MACHINE.swaps[:1],
        notes=MACHINE.notes[:1],
    )


def test_a_disk_that_is_not_there_has_nothing() -> None:
    assert of_disk(MACHINE, "/dev/sdc") == inventory()


def test_the_devices_of_a_disk_are_all_that_the_kernel_has_made_of_it() -> None:
    devices = [
        block_device("dm-0", {}, {}, below=("sda1",)),
        block_device("dm-1", {}, {}, below=("dm-0", "sdb1")),
        block_device("dm-2", {}, {}, below=("sdb1",)),
        *(block_device(disk, {}, {}) for disk in ("sda", "sdb")),
        *(block_device(f"{disk}1", {}, {}, parent=disk) for disk in ("sda", "sdb")),
    ]
    assert [device.name for device in devices_of_disk(devices, "/dev/sda")] == ["dm-0", "dm-1", "sda", "sda1"]
    assert devices_of_disk(devices, "/dev/sdc") == ()
