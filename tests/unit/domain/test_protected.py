"""What counts as data: rules of a site, mounts, and what protected devices lie on."""

from dataclasses import replace

import pytest

from reprov.domain.fstab import MountEntry
from reprov.domain.inventory import (
    Array,
    Disk,
    FstabLine,
    Inventory,
    LogicalVolume,
    Mounted,
    Partition,
    PhysicalVolume,
    Signature,
    Table,
    TableKind,
)
from reprov.domain.mounts import Mount
from reprov.domain.partition_types import CEPH_TYPES, GPT_TYPES, guid_of, name_of
from reprov.domain.protected import NO_RULES, SYSTEM_MOUNTS, DataRules, protected
from reprov.domain.storage_stack import natural
from tests.inventory_layouts import inventory_of

LINUX = guid_of("linux")


def disk_of(*partitions: Partition, path: str = "/dev/sda") -> Disk:
    """A disk with a GPT."""
    return Disk(path, 1 << 40, 512, table=Table(TableKind.GPT), partitions=partitions)


def part(number: int = 1, *, type: str = LINUX, label: str = "", uuid: str = "", content: Signature | None = None) -> Partition:
    """A partition of /dev/sda."""
    return Partition(f"/dev/sda{number}", number, 2048, 2048, type, name_of(type), uuid, label, content=content)


def mounted(path: str, device: str, filesystem: str = "ext4") -> Mounted:
    """A mount of a device."""
    return Mounted(Mount(path, filesystem, device, False), device)


def fstab(point: str, *devices: str, filesystem: str = "ext4") -> FstabLine:
    """A line of fstab, resolved."""
    return FstabLine(MountEntry("UUID=x", point, filesystem, frozenset()), devices)


def data_of(inventory: Inventory, rules: DataRules = NO_RULES) -> dict[str, tuple[str, ...]]:
    """Reasons by name."""
    return {item.device.path or item.device.volume: item.reasons for item in protected(inventory, rules)}


@pytest.mark.parametrize("guid", CEPH_TYPES, ids=CEPH_TYPES.values())
def test_every_type_of_ceph_is_data(guid: str) -> None:
    assert data_of(Inventory((disk_of(part(type=guid)),)))["/dev/sda1"][0] == f"GPT type {CEPH_TYPES[guid]}"


def test_names_of_types_are_unique_and_every_guid_is_one_in_lower_case() -> None:
    assert len(set(GPT_TYPES.values())) == len(GPT_TYPES)
    assert all(guid == guid.lower() and [len(word) for word in guid.split("-")] == [8, 4, 4, 4, 12] for guid in GPT_TYPES)
    assert (guid_of("esp"), guid_of("nothing"), name_of("8e"), name_of("x")) == ("c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "", "lvm", "")


RULES = {
    "a type by name": (DataRules(types=frozenset({"linux"})), "rule: type linux"),
    "a type by GUID": (DataRules(types=frozenset({LINUX})), "rule: type linux"),
    "a partition's label": (DataRules(labels=frozenset({"pl"})), "rule: partition label pl"),
    "a filesystem's label": (DataRules(labels=frozenset({"fl"})), "rule: label fl"),
    "a PARTUUID": (DataRules(partuuids=frozenset({"pu"})), "rule: PARTUUID pu"),
    "a mount point of the system's": (DataRules(mounts=frozenset({"opt"})), "mounted at /opt"),
    "a mount point that is the system's no more": (DataRules(system_mounts=SYSTEM_MOUNTS - {"opt"}), "mounted at /opt"),
}


@pytest.mark.parametrize(("rules", "reason"), RULES.values(), ids=RULES)
def test_a_site_can_call_data_what_would_be_the_system_s(rules: DataRules, reason: str) -> None:
    disk = disk_of(part(label="pl", uuid="pu", content=Signature("xfs", label="fl")))
    inventory = Inventory((disk,), mounts=(mounted("opt", "/dev/sda1"),))
    assert (data_of(inventory), data_of(inventory, rules)) == ({}, {"/dev/sda1": (reason,)})


def test_a_rule_for_no_label_is_not_one_for_partitions_without_label() -> None:
    rules = DataRules(labels=frozenset({""}), types=frozenset({""}), partuuids=frozenset({""}))
    assert data_of(Inventory((disk_of(part(type="0", content=Signature("xfs"))),)), rules) == {}


def test_a_volume_group_by_rule_with_all_that_it_lies_on() -> None:
    volumes = (LogicalVolume("vms", "a", "u", 5, ("/dev/sda1",)), LogicalVolume("system", "root", "u2", 5, ("/dev/sda2",)))
    physical = (PhysicalVolume("/dev/sda1", "p", "vms"), PhysicalVolume("/dev/sda2", "q", "system"))
    inventory = Inventory((disk_of(part(1), part(2)),), physical, volumes=volumes)
    assert data_of(inventory, DataRules(groups=frozenset({"vms"}))) == {
        "/dev/sda1": ("rule: volume group vms", "holds vms/a"),
        "vms/a": ("rule: volume group vms",),
    }


MOUNTS: dict[str, tuple[tuple[Mounted, ...], tuple[FstabLine, ...], dict[str, tuple[str, ...]]]] = {
    "the system's own": (
        (mounted("", "/dev/sda1"), mounted("var/log", "/dev/sda2"), mounted("boot/efi", "/dev/sda3", "vfat")),
        (fstab("/", "/dev/sda1"), fstab("none", "/dev/sda4", filesystem="swap")),
        {},
    ),
    "a data filesystem, whatever its kind": (
        (mounted("data", "/dev/sda1", "vfat"), mounted("shared", "/dev/sda2", "gfs2")),
        (),
        {"/dev/sda1": ("mounted at /data",), "/dev/sda2": ("mounted at /shared",)},
    ),
    "one that is not mounted just now": ((), (fstab("/data", "/dev/sda1"),), {"/dev/sda1": ("fstab: /data",)}),
    "a tag that two devices have": (
        (),
        (fstab("/data", "/dev/sda1", "/dev/sda2"),),
        {"/dev/sda1": ("fstab: /data",), "/dev/sda2": ("fstab: /data",)},
    ),
    "bind mounts and subvolumes of the system's devices": (
        (mounted("", "/dev/sda1"), mounted("data", "/dev/sda1")),
        (fstab("/var", "/dev/sda2"), fstab("/mnt", "/dev/sda2")),
        {},
    ),
    "a second mount of data": (
        (mounted("a", "/dev/sda1"), mounted("b", "/dev/sda1")),
        (),
        {"/dev/sda1": ("mounted at /a", "mounted at /b")},
    ),
    "a medium": ((mounted("run/medium", "/dev/sda1", "iso9660"),), (), {}),
    "what is of no device": ((mounted("data", "", "nfs"),), (fstab("/data"),), {}),
}


@pytest.mark.parametrize(("mounts", "lines", "expected"), MOUNTS.values(), ids=MOUNTS)
def test_mounts(mounts: tuple[Mounted, ...], lines: tuple[FstabLine, ...], expected: dict[str, tuple[str, ...]]) -> None:
    inventory = Inventory((disk_of(*(part(number) for number in range(1, 5))),), mounts=mounts, fstab=lines)
    assert data_of(inventory) == expected


def test_a_second_esp_is_the_system_s_wherever_it_is_mounted() -> None:
    inventory = Inventory((disk_of(part(type=guid_of("esp"))),), mounts=(mounted("boot/efi2", "/dev/sda1", "vfat"),))
    assert data_of(inventory) == {}


def test_data_on_an_array_protects_its_members_and_their_siblings_do_not_matter() -> None:
    array = Array("/dev/md0", "raid1", "u", ("/dev/sda1", "/dev/sda2"), content=Signature("xfs"))
    inventory = Inventory((disk_of(part(1), part(2), part(3)),), arrays=(array,), mounts=(mounted("data", "/dev/md0"),))
    assert data_of(inventory) == {
        "/dev/md0": ("mounted at /data",),
        "/dev/sda1": ("holds /dev/md0",),
        "/dev/sda2": ("holds /dev/md0",),
    }


def test_data_on_a_partition_of_an_array_protects_the_disks_that_the_array_is_made_of() -> None:
    raid = disk_of(replace(part(1), path="/dev/md0p1"), path="/dev/md0")
    array = Array("/dev/md0", "raid1", "u", ("/dev/sda", "/dev/sdb"))
    disks = (raid, Disk("/dev/sda", 9, 512, wwn="0x1"), Disk("/dev/sdb", 9, 512, wwn="0x2"))
    inventory = Inventory(disks, arrays=(array,), mounts=(mounted("data", "/dev/md0p1"),))
    found = protected(inventory)
    assert [item.device.path for item in found] == ["/dev/md0p1", "/dev/sda", "/dev/sdb"]
    assert found[0].device.disks == ("0x1", "0x2")


def test_devices_that_lie_on_each_other_do_not_go_round_for_ever() -> None:
    volumes = (LogicalVolume("a", "a", "1", 5, ("b/b",), tags=("ceph.osd_id=1",)), LogicalVolume("b", "b", "2", 5, ("a/a",)))
    assert set(data_of(Inventory(volumes=volumes))) == {"a/a", "b/b"}


def test_an_open_mapping_is_named_itself_although_an_osd_is_named_by_what_is_below() -> None:
    refs = {item.device.path: item.device for item in protected(inventory_of("lvm-db"))}
    mapping = refs["/dev/mapper/LVaaaa-0000-0000-0000-0000-0000-aaaaaa"]
    assert (mapping.volume, mapping.disks) == ("", ("0x5000c50000000001",))


def test_names_are_sorted_as_people_count() -> None:
    names = ["/dev/sda2", "/dev/sda10", "/dev/sdb", "/dev/sdaa", "/dev/nvme0n1", "/dev/md126", "/dev/sda", "/dev/md9", "x²"]
    assert sorted(names, key=natural) == [
        "/dev/md9",
        "/dev/md126",
        "/dev/nvme0n1",
        "/dev/sda",
        "/dev/sda2",
        "/dev/sda10",
        "/dev/sdb",
        "/dev/sdaa",
        "x²",
    ]
