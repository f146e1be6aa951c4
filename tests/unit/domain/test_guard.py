"""Which devices a guard keeps, and which commands it refuses for them."""

import pytest

from reprov.domain.disk_commands import READING, Intent
from reprov.domain.guard import Decision, Guarded, GuardedDevice, Target, Verdict, decide, guarded_of
from reprov.domain.inventory import Crypt, Disk, DiskKind, Inventory, LogicalVolume, Partition, PhysicalVolume, Signature, Table, TableKind
from reprov.domain.partition_types import guid_of, name_of
from reprov.domain.protected import DataRules
from tests.inventory_layouts import LAYOUTS, inventory_of

OSD = GuardedDevice("/dev/sdb2", "GPT type ceph-block")
GUARDED = Guarded((OSD,), groups=("ceph-vg",))


def part(path: str, type_name: str = "linux", label: str = "") -> Partition:
    return Partition(path, 1, 2048, 2048, guid_of(type_name), name_of(guid_of(type_name)), label=label)


def disk_of(*partitions: Partition, path: str = "/dev/sda", paths: tuple[str, ...] = ()) -> Disk:
    return Disk(
        path, 1 << 40, 512, DiskKind.MULTIPATH if paths else DiskKind.DISK, paths=paths, table=Table(TableKind.GPT), partitions=partitions
    )


def kept(inventory: Inventory, rules: DataRules | None = None) -> dict[str, str]:
    """Reasons by path."""
    found = guarded_of(inventory, rules or DataRules())
    return {device.path: device.reason for device in found.devices}


def test_a_whole_disk_is_kept_for_one_of_its_partitions_and_the_others_are_not() -> None:
    disk = disk_of(part("/dev/sda1"), part("/dev/sda2", "ceph-block"))
    assert kept(Inventory((disk, disk_of(path="/dev/sdc")))) == {
        "/dev/sda": "its partition /dev/sda2 is data",
        "/dev/sda2": "GPT type ceph-block",
    }
    assert guarded_of(Inventory((disk,))).to_hold == ("/dev/sda2",)


def test_the_paths_of_a_multipath_disk_are_kept() -> None:
    disk = disk_of(part("/dev/mapper/mpatha-part1", "ceph-block"), path="/dev/mapper/mpatha", paths=("/dev/sdx", "/dev/sdy"))
    assert {"/dev/sdx", "/dev/sdy", "/dev/mapper/mpatha"} <= kept(Inventory((disk,))).keys()


def test_what_is_made_of_a_data_partition_is_kept() -> None:
    crypt = Crypt("/dev/mapper/x", "x", "luks2", "u", "/dev/sda1")
    inventory = Inventory((disk_of(part("/dev/sda1", "ceph-luks-block")),), crypts=(crypt,))
    assert kept(inventory)["/dev/mapper/x"] == "made of /dev/sda1, which is data"


def test_a_volume_beside_that_of_an_osd_is_not_kept_but_its_group_is() -> None:
    volumes = (
        LogicalVolume("vg", "root", "u1", 1, ("/dev/sda1",), "/dev/mapper/vg-root"),
        LogicalVolume("vg", "osd", "u2", 1, ("/dev/sda1",), "/dev/mapper/vg-osd", ("ceph.osd_id=3",)),
    )
    found = guarded_of(Inventory((disk_of(part("/dev/sda1", "lvm")),), (PhysicalVolume("/dev/sda1", "p", "vg"),), volumes=volumes))
    assert [device.path for device in found.devices] == ["/dev/mapper/vg-osd", "/dev/sda", "/dev/sda1"]
    assert found.groups == ("vg",)


def test_a_group_is_kept_for_a_volume_that_is_not_active() -> None:
    volume = LogicalVolume("vg", "osd", "u2", 1, (), "", ("ceph.osd_id=3",))
    assert guarded_of(Inventory(volumes=(volume,))).groups == ("vg",)


def test_rules_of_a_site_count() -> None:
    disk = disk_of(part("/dev/sda1", label="photos"))
    assert kept(Inventory((disk,))) == {}
    assert kept(Inventory((disk,)), DataRules(labels=frozenset({"photos"})))["/dev/sda1"] == "rule: partition label photos"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_device_of_an_osd_is_kept(layout: str) -> None:
    inventory = inventory_of(layout)
    paths = {device.path for osd in inventory.osds for device in osd.devices if device.path}
    assert paths <= kept(inventory).keys()


def test_bluestore_on_a_whole_disk_is_kept() -> None:
    assert kept(Inventory((Disk("/dev/sdb", 1, 512, content=Signature("ceph_bluestore")),))) == {"/dev/sdb": "bluestore label"}


DECISIONS = {
    "reading": (READING, (Target("/dev/sdb2", OSD),), Decision(Verdict.READING)),
    "writing to data": (
        Intent(devices=("/dev/sdb2",)),
        (Target("/dev/sdb2", OSD),),
        Decision(Verdict.REFUSED, "/dev/sdb2", "GPT type ceph-block"),
    ),
    "a symlink to data among other words": (
        Intent(devices=("img", "by-id/x")),
        (Target("img"), Target("by-id/x", OSD)),
        Decision(Verdict.REFUSED, "/dev/sdb2", "GPT type ceph-block"),
    ),
    "writing to a file": (Intent(devices=("disk.img",)), (Target("disk.img"),), Decision(Verdict.ALLOWED)),
    "a word that cannot be looked at": (
        Intent(devices=("a",)),
        (Target("a", error="Input/output error"),),
        Decision(Verdict.REFUSED, "a", "cannot tell what it is: Input/output error"),
    ),
    "a group with data": (
        Intent(groups=("rootvg", "ceph-vg")),
        (),
        Decision(Verdict.REFUSED, "ceph-vg", "a volume group with data in it"),
    ),
    "another group": (Intent(groups=("rootvg",)), (), Decision(Verdict.ALLOWED)),
    "no device named": (
        Intent(any_device="it names no device"),
        (),
        Decision(Verdict.REFUSED, "", "it names no device, and this node has data devices"),
    ),
}


@pytest.mark.parametrize(("intent", "targets", "decision"), DECISIONS.values(), ids=DECISIONS)
def test_decisions(intent: Intent, targets: tuple[Target, ...], decision: Decision) -> None:
    assert decide(intent, targets, GUARDED) == decision


def test_a_node_without_data_may_zap_what_it_likes() -> None:
    assert decide(Intent(any_device="it names no device"), (), Guarded()).verdict is Verdict.ALLOWED
