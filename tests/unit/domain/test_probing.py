"""What is asked of sfdisk, blkid and devices because udev has not told it."""

from reprov.domain.block_device import block_device
from reprov.domain.inventory import Signature
from reprov.domain.probing import Place, contents_to_ask, disks_to_ask, labels_to_read, places_without_device
from tests.inventory_layouts import LAYOUTS, facts_of, recorded

UDEV = {"ID_PART_ENTRY_NUMBER": "1", "ID_PART_ENTRY_TYPE": "0fc63daf-8483-4772-8e79-3d69d8477de4"}


def test_udev_s_word_is_enough_where_it_has_spoken() -> None:
    for layout in LAYOUTS:
        devices = facts_of(recorded(layout)).devices
        asked = [disk.path for disk in disks_to_ask(devices)], [*contents_to_ask(devices, {})]
        unprobed = [device.path for device in devices if not device.is_probed]
        assert (asked == ([], [])) == (not unprobed), layout


def test_without_udev_disks_and_contents_are_asked_for_and_the_hidden_partition_by_its_place() -> None:
    facts = facts_of(recorded("no-udev"))
    assert [disk.path for disk in disks_to_ask(facts.devices)] == ["/dev/vda", "/dev/vdb"]
    assert [*contents_to_ask(facts.devices, facts.tables)] == ["/dev/vda1", "/dev/vdb", "/dev/mapper/data-vms"]
    (hidden,) = places_without_device(facts.devices, facts.tables)
    assert hidden == Place("/dev/vda2", "/dev/vda", 4098048 * 512, 16873472 * 512)


def test_a_disk_is_asked_when_udev_has_not_looked_at_one_of_its_partitions() -> None:
    known = block_device("sda", {"ID_PART_TABLE_TYPE": "gpt"}, {"size": "8"})
    told = block_device("sda1", UDEV, {"size": "8"}, parent="sda")
    new = block_device("sda2", {}, {"size": "8", "partition": "2"}, parent="sda")
    assert [*disks_to_ask((known, told))] == []
    assert [*disks_to_ask((known, told, new))] == [known]


def test_the_paths_of_a_multipath_disk_are_not_asked() -> None:
    devices = (
        block_device("sda", {}, {"size": "8"}),
        block_device("dm-0", {}, {"size": "8", "dm/name": "mpatha", "dm/uuid": "mpath-1"}, below=("sda",)),
        block_device("dm-1", {}, {"size": "8", "dm/name": "a", "dm/uuid": "LVM-1"}, below=("dm-0",)),
    )
    assert [disk.path for disk in disks_to_ask(devices)] == ["/dev/mapper/mpatha"]


def test_a_label_is_looked_for_where_nothing_else_is() -> None:
    facts = facts_of(recorded("no-udev"))
    places = tuple(places_without_device(facts.devices, facts.tables))
    assert [place.name for place in labels_to_read(facts.devices, facts.tables, facts.contents, places)] == ["/dev/mapper/data-vms"]
    assert [place.name for place in labels_to_read(facts.devices, facts.tables, {}, places)] == [
        "/dev/vda1",
        "/dev/vdb",
        "/dev/mapper/data-vms",
        "/dev/vda2",
    ]


def test_a_label_is_read_where_blkid_has_seen_one_and_where_it_takes_one_for_a_foreign_table() -> None:
    devices = (
        block_device("sda", {}, {"size": "8"}),
        block_device("sdb", {"ID_PART_TABLE_TYPE": "atari"}, {"size": "8"}),
        block_device("sdc", {"ID_PART_TABLE_TYPE": "gpt"}, {"size": "8"}),
        block_device("sdd", {}, {"size": "7"}),
    )
    contents = {"/dev/sda": Signature("ceph_bluestore")}
    assert [place.name for place in labels_to_read(devices, {}, contents, ())] == ["/dev/sda", "/dev/sdb"]
