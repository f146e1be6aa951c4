"""Inventories of recorded layouts: which OSDs there are, on what, and what is data."""

import json
import random
from dataclasses import replace

import pytest

from reprov.domain.assembly import assemble
from reprov.domain.inventory import DeviceRef, DiskKind, Osd, OsdKind, Signature
from reprov.domain.protected import protected
from tests.inventory_layouts import LAYOUTS, facts_of, inventory_of, recorded

CLUSTER = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
CEPHADM_CLUSTER = "0a1b2c3d-4e5f-11ee-8293-a4b5c6d7e8f9"


def fsid(start: str) -> str:
    """An fsid of the recordings by how it starts."""
    return f"{start}-9d6a-4f26-8a4b-2b1a0a9f8e7d"


def partition(path: str, partuuid: str, disk: str) -> DeviceRef:
    """A partition as an OSD names it."""
    return DeviceRef(path, partuuid=partuuid, disks=(disk,))


def lv(path: str, name: str, uuid: str, disk: str) -> DeviceRef:
    """A logical volume as an OSD names it."""
    return DeviceRef(path, volume=name, volume_uuid=uuid, disks=(disk,))


OSDS: dict[str, tuple[Osd, ...]] = {
    "sata": (),
    "no-udev": (),
    "bcache": (),
    "nvme": (
        Osd(
            12,
            fsid("6b6b5b0e"),
            CLUSTER,
            OsdKind.RAW,
            block=DeviceRef("/dev/nvme1n1", disks=("eui.0025385b71b0ffff",)),
            directory="var/lib/ceph/osd/ceph-12",
        ),
    ),
    "multipath": (
        Osd(
            4,
            "66666666-0000-4c59-9d8d-3f0a3b3d6a02",
            CLUSTER,
            OsdKind.CEPH_DISK,
            data=partition("/dev/mapper/mpatha-part2", "66666666-0000-4c59-9d8d-3f0a3b3d6a02", "0x60002ac0000000000000001200019a1b"),
            directory="var/lib/ceph/osd/ceph-4",
        ),
    ),
    "lvm-db": (
        Osd(
            0,
            fsid("a0a0a0a0"),
            CLUSTER,
            OsdKind.LVM,
            block=lv(
                "/dev/mapper/ceph--aaaa-osd--block--a0a0",
                "ceph-aaaa/osd-block-a0a0",
                "LVaaaa-0000-0000-0000-0000-0000-aaaaaa",
                "0x5000c50000000001",
            ),
            db=lv(
                "/dev/mapper/ceph--db-osd--db--a0a0",
                "ceph-db/osd-db-a0a0",
                "LVdddd-0000-0000-0000-0000-0000-dddddd",
                "eui.0025385b71b0c1d2",
            ),
            is_encrypted=True,
        ),
        Osd(
            1,
            fsid("b1b1b1b1"),
            CLUSTER,
            OsdKind.LVM,
            block=lv("", "ceph-bbbb/osd-block-b1b1", "LVbbbb-0000-0000-0000-0000-0000-bbbbbb", "0x5000c50000000002"),
            db=partition("/dev/nvme0n1p1", "88888888-0000-4c59-9d8d-3f0a3b3d6a01", "eui.0025385b71b0c1d2"),
            wal=DeviceRef("", volume_uuid="99999999-dead-4c59-9d8d-3f0a3b3d6a01"),
        ),
    ),
    "ceph-disk": (
        Osd(
            None,
            fsid("90909090"),
            "",
            OsdKind.CEPH_DISK,
            data=partition("/dev/sdc2", fsid("90909090"), "0x5000c50000000003"),
            is_encrypted=True,
        ),
        Osd(
            7,
            fsid("70707070"),
            CLUSTER,
            OsdKind.CEPH_DISK,
            block=partition("/dev/sda2", fsid("71717171"), "0x5000c50000000001"),
            data=partition("/dev/sda1", fsid("70707070"), "0x5000c50000000001"),
            directory="var/lib/ceph/osd/ceph-7",
        ),
        Osd(
            8,
            fsid("80808080"),
            CLUSTER,
            OsdKind.CEPH_DISK,
            data=partition("/dev/sdb1", fsid("80808080"), "0x5000c50000000002"),
            journal=partition("/dev/sdc1", fsid("81818181"), "0x5000c50000000003"),
        ),
    ),
    "cephadm": (
        Osd(
            2,
            fsid("c2c2c2c2"),
            CEPHADM_CLUSTER,
            OsdKind.CEPHADM,
            block=lv(
                "/dev/mapper/ceph--aaaa-osd--block--c2c2",
                "ceph-aaaa/osd-block-c2c2",
                "LVaaaa-0000-0000-0000-0000-0000-aaaaaa",
                "0x5000c50000000003",
            ),
            directory=f"var/lib/ceph/{CEPHADM_CLUSTER}/osd.2",
        ),
        Osd(
            3,
            fsid("d3d3d3d3"),
            CEPHADM_CLUSTER,
            OsdKind.CEPHADM,
            directory=f"var/lib/ceph/{CEPHADM_CLUSTER}/osd.3",
            is_plain_directory=True,
        ),
        Osd(
            2,
            "",
            "ffffffff-4e5f-11ee-8293-a4b5c6d7e8f9",
            OsdKind.CEPHADM,
            directory="var/lib/ceph/ffffffff-4e5f-11ee-8293-a4b5c6d7e8f9/osd.2",
        ),
    ),
}

DATA = {
    "bcache": {
        "/dev/bcache0p1": ("mounted at /srv/pool",),
        "/dev/nvme0n1p1": ("holds /dev/bcache0p1",),
        "/dev/sda": ("holds /dev/bcache0p1",),
    },
    "sata": {"/dev/sdb1": ("mounted at /srv/data", "fstab: /srv/data")},
    "no-udev": {"/dev/vda2": ("fstab: /var/lib/nova/instances",), "/dev/vdb": ("LVM of which nothing is known",)},
    "nvme": {"/dev/nvme1n1": ("osd.12: block", "bluestore label")},
    "multipath": {
        "/dev/mapper/mpatha-part2": ("GPT type ceph-multipath-osd-data", "osd.4: data", "mounted at /var/lib/ceph/osd/ceph-4"),
    },
    "lvm-db": {
        "/dev/mapper/LVaaaa-0000-0000-0000-0000-0000-aaaaaa": ("bluestore label",),
        "/dev/mapper/ceph--aaaa-osd--block--a0a0": (
            "LV tags: osd.0 block",
            "osd.0: block",
            "holds /dev/mapper/LVaaaa-0000-0000-0000-0000-0000-aaaaaa",
        ),
        "/dev/mapper/ceph--db-osd--db--a0a0": ("LV tags: osd.0 db", "osd.0: db"),
        "/dev/nvme0n1p1": ("osd.1: db",),
        "/dev/nvme0n1p2": ("holds /dev/mapper/ceph--db-osd--db--a0a0",),
        "/dev/sda": (
            "holds /dev/mapper/ceph--aaaa-osd--block--a0a0",
            "holds /dev/mapper/LVaaaa-0000-0000-0000-0000-0000-aaaaaa",
        ),
        "/dev/sdb": ("holds ceph-bbbb/osd-block-b1b1",),
        "ceph-bbbb/osd-block-b1b1": ("LV tags: osd.1 block", "osd.1: block"),
    },
    "ceph-disk": {
        "/dev/sda1": ("GPT type ceph-osd-data", "osd.7: data", "mounted at /var/lib/ceph/osd/ceph-7"),
        "/dev/sda2": ("GPT type ceph-block", "osd.7: block"),
        "/dev/sdb1": ("GPT type ceph-osd-data", "osd.8: data"),
        "/dev/sdc1": ("GPT type ceph-journal", "osd.8: journal"),
        "/dev/sdc2": ("GPT type ceph-luks-osd-data", "osd.?: data"),
        "/dev/sdc3": ("GPT type ceph-lockbox",),
    },
    "cephadm": {
        "/dev/mapper/ceph--aaaa-osd--block--c2c2": ("LV tags: osd.2 block", "osd.2: block", "bluestore label"),
        "/dev/sdc": ("holds /dev/mapper/ceph--aaaa-osd--block--c2c2",),
    },
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_osd_is_found_with_what_names_it_for_good(layout: str) -> None:
    assert inventory_of(layout).osds == OSDS[layout]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_data_is_known_and_why(layout: str) -> None:
    found = protected(inventory_of(layout))
    assert {item.device.path or item.device.volume: item.reasons for item in found} == DATA[layout]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_order_depends_on_nothing_but_what_is_there(layout: str) -> None:
    facts = facts_of(recorded(layout))
    expected = assemble(facts).to_fields()
    for seed in range(5):
        shuffle = random.Random(seed).shuffle
        devices, directories, mounts = [*facts.devices], [*facts.directories], [*facts.mounts]
        lvm = facts.lvm and replace(
            facts.lvm, physical_volumes=facts.lvm.physical_volumes[::-1], groups=facts.lvm.groups[::-1], volumes=facts.lvm.volumes[::-1]
        )
        for items in (devices, directories, mounts):
            shuffle(items)
        labels = dict(reversed([*facts.labels.items()]))
        other = replace(facts, devices=tuple(devices), directories=tuple(directories), mounts=tuple(mounts), labels=labels, lvm=lvm)
        assert assemble(other).to_fields() == expected


@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_secret_gets_into_an_inventory(layout: str) -> None:
    inventory = inventory_of(layout)
    text = json.dumps(inventory.to_fields()) + repr(inventory) + repr(facts_of(recorded(layout)))
    assert not any(secret in text for secret in ("SECRET", "hunter2"))


def test_a_tag_whose_value_is_secret_is_still_told() -> None:
    volumes = {volume.full_name: volume for volume in inventory_of("lvm-db").volumes}
    assert volumes["ceph-db/osd-db-a0a0"].tag("ceph.cephx_lockbox_secret") == "(redacted)"
    assert inventory_of("lvm-db").groups[1].tags == ("backup.token=(redacted)",)


def test_sectors_are_those_of_the_table_on_a_disk_with_4096_bytes() -> None:
    disk = inventory_of("nvme").disks[0]
    assert (disk.sector_bytes, disk.size_bytes) == (4096, 960_197_124_096)
    assert [(item.start_sector, item.sectors) for item in disk.partitions] == [(256, 131072), (131328, 234291200)]


def test_the_paths_of_a_multipath_disk_are_no_disks() -> None:
    (disk,) = inventory_of("multipath").disks
    assert (disk.path, disk.kind, disk.paths) == ("/dev/mapper/mpatha", DiskKind.MULTIPATH, ("/dev/sda", "/dev/sdb"))
    assert [item.path for item in disk.partitions] == ["/dev/mapper/mpatha-part1", "/dev/mapper/mpatha-part2"]


def test_without_udev_the_table_tells_of_partitions_and_of_those_that_the_kernel_does_not_know() -> None:
    disk = inventory_of("no-udev").disks[0]
    assert (disk.serial, disk.table and disk.table.uuid) == ("disk-one", "5a7e1c09")
    assert [(item.path, item.uuid, item.type_name, item.attributes) for item in disk.partitions] == [
        ("/dev/vda1", "5a7e1c09-01", "linux", ("Bootable",)),
        ("/dev/vda2", "5a7e1c09-02", "linux", ()),
    ]
    assert [item.content and item.content.label for item in disk.partitions] == ['a "label"', "data"]


def test_an_array_with_a_table_is_a_disk_whose_partitions_lie_on_its_members() -> None:
    inventory = inventory_of("cephadm")
    assert (inventory.disks[0].path, inventory.disks[0].kind) == ("/dev/md126", DiskKind.ARRAY)
    (array,) = inventory.arrays
    assert (array.level, array.name, array.members) == ("raid1", "node7:system", ("/dev/sda", "/dev/sdb"))


def test_what_looks_like_several_things_is_said_to() -> None:
    contents = dict(inventory_of("bcache").contents())
    assert contents["/dev/sdb"] == Signature("ambivalent")


def test_swap_labels_and_tags_of_fstab_lead_to_devices() -> None:
    inventory = inventory_of("sata")
    assert [swap.path for swap in inventory.swaps] == ["/dev/mapper/system-swap"]
    assert {line.entry.mount_point: line.devices for line in inventory.fstab} == {
        "/": ("/dev/mapper/system-root",),
        "/boot": ("/dev/sda2",),
        "/boot/efi": ("/dev/sda1",),
        "/srv/data": ("/dev/sdb1",),
        "none": ("/dev/mapper/system-swap",),
        "/mnt/nas": (),
    }


def test_a_partition_has_its_table_s_words() -> None:
    boot = inventory_of("sata").disks[0].partitions[1]
    assert (boot.label, boot.attributes, boot.start_sector, boot.sectors) == ("boot one", ("LegacyBIOSBootable",), 1050624, 2097152)
