"""What a proof is made of, on recorded layouts."""

from dataclasses import replace

import pytest

from reprov.domain.inventory import Disk, DiskKind, Inventory, Mounted, Partition, Swap, Table, TableKind
from reprov.domain.mounts import Mount
from reprov.domain.partition_types import guid_of
from reprov.domain.proof import Proof, ProvenDevice, TableEntry
from reprov.domain.proof_subjects import Subject, osds_of, subjects
from reprov.domain.protected import protected
from tests.inventory_layouts import LAYOUTS, inventory_of

PART = Partition("/dev/sda1", 1, 2048, 4096, guid_of("linux"), "linux", "p-1", "osd")
ENTRY = TableEntry("gpt", "t-1", 512, 1, 2048, 4096, guid_of("ceph-block"), "p-1", "osd")


def node(partition: Partition = PART) -> Inventory:
    """A disk with one partition."""
    return Inventory((Disk("/dev/sda", 1 << 30, 4096, wwn="0x1", table=Table(TableKind.GPT, "t-1"), partitions=(partition,)),))


def proof_of(*devices: ProvenDevice) -> Proof:
    return Proof("2026-01-01T00:00:00Z", "", False, devices)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_protected_device_is_proven_once(layout: str) -> None:
    inventory = inventory_of(layout)
    data = protected(inventory)
    assert [item.path for item in subjects(inventory, data)] == [item.device.path or item.device.volume for item in data]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_osd_is_in_the_proof(layout: str) -> None:
    inventory = inventory_of(layout)
    assert [(osd.id, osd.fsid) for osd in osds_of(inventory)] == [(osd.id, osd.fsid) for osd in inventory.osds]


def test_where_a_partition_is_and_what_names_it() -> None:
    inventory = node(replace(PART, type=guid_of("ceph-block")))
    assert subjects(inventory, protected(inventory)) == (
        Subject(
            "/dev/sda1",
            4096 * 4096,
            ("GPT type ceph-block",),
            disk="/dev/sda",
            sector_bytes=4096,
            number=1,
            start_sector=2048,
            partuuid="p-1",
            table_uuid="t-1",
            wwn="0x1",
        ),
    )


KNOWN = {
    "its PARTUUID, on another disk": ProvenDevice("/dev/sdx1", 1, wwn="0x9", entry=replace(ENTRY, table_uuid="t-9")),
    "its place on the disk": ProvenDevice("/dev/sdx1", 1, wwn="0x1", entry=replace(ENTRY, uuid="p-9")),
    "its place in the table": ProvenDevice("/dev/sdx1", 1, entry=replace(ENTRY, uuid="p-9")),
}


@pytest.mark.parametrize("device", KNOWN.values(), ids=KNOWN)
def test_what_an_earlier_proof_has_is_proven_although_it_is_no_longer_data(device: ProvenDevice) -> None:
    inventory = node()
    assert subjects(inventory, protected(inventory)) == ()
    assert [(item.path, item.reasons) for item in subjects(inventory, (), proof_of(device))] == [("/dev/sda1", ())]


def test_a_device_that_the_earlier_proof_has_not_is_left_alone() -> None:
    other = ProvenDevice("/dev/sda1", 1, wwn="0x1", entry=replace(ENTRY, uuid="p-9", start_sector=8))
    assert subjects(node(), (), proof_of(other)) == ()


def test_mounts_and_swap_are_uses() -> None:
    inventory = replace(
        node(replace(PART, type=guid_of("ceph-block"))),
        mounts=(Mounted(Mount("srv", "xfs", "", False), "/dev/sda1"), Mounted(Mount("a\nb", "xfs", "", False), "/dev/sda1")),
        swaps=(Swap("/dev/sda1", 1), Swap("/swapfile", 1, is_file=True)),
    )
    assert [item.uses for item in subjects(inventory, protected(inventory))] == [("mounted at /srv", "mounted at /a\\nb", "swap")]


def test_a_partition_of_an_image_is_a_part_of_its_file() -> None:
    partition = replace(PART, path="/x/a.img1", type=guid_of("ceph-block"))
    inventory = Inventory((Disk("/x/a.img", 1 << 30, 512, DiskKind.IMAGE, table=Table(TableKind.GPT), partitions=(partition,)),))
    assert [(item.disk, item.is_image) for item in subjects(inventory, protected(inventory))] == [("/x/a.img", True)]
