"""Where the identity of a node lies while its root is formatted, and what stands against that."""

from dataclasses import replace

import pytest

from reprov.domain.install_plan import InstallChoices, InstallPlan, in_mount_order, mounted_below, plan_install, with_findings
from reprov.domain.inventory import Disk, LogicalVolume, PhysicalVolume, Signature, VolumeGroup
from reprov.domain.layout import MIB, OsPartition, OsVolume
from reprov.domain.partition_planner import plan_partitions
from tests.disk_builders import EFI, EXT4, ROOT, blank, disk, entry, inventory, layout, os_partition

EFI_ENTRY = entry(1, 1, 64, "esp", "efi", content=Signature("vfat", "filesystem"))
ROOT_ENTRY = entry(2, 65, 256, "linux", "root", content=EXT4)
BOOT = os_partition("boot", 100, "ext4", "/boot")
VAR = os_partition("var", 30, "xfs", "/var")
NEW = InstallChoices(may_be_new=True)


def planned(*partitions: OsPartition, on: Disk, choices: InstallChoices | None = None) -> InstallPlan:
    """The plan for a disk."""
    return plan_install(plan_partitions(layout(*partitions, create_table=True), inventory(on)), choices or InstallChoices())


def where(plan: InstallPlan) -> tuple[str, str, list[str]]:
    """Whose identity, on which partition, and what is refused."""
    old, keeper = plan.old_root, plan.keeper
    return old.path if old else "", keeper.entry.label if keeper else "", [refusal.message for refusal in plan.partitions.refusals]


def test_the_esp_keeps_the_identity_of_the_old_root() -> None:
    assert where(planned(EFI, ROOT, on=disk(EFI_ENTRY, ROOT_ENTRY))) == ("/dev/sda2", "efi", [])


def test_boot_has_more_room_than_the_esp() -> None:
    assert where(planned(EFI, ROOT, BOOT, on=disk(EFI_ENTRY, ROOT_ENTRY))) == ("/dev/sda2", "boot", [])


def test_what_holds_a_part_of_the_identity_does_not_keep_the_archive() -> None:
    refusal = "no partition of the layout can keep the node's identity while / is formatted"
    assert where(planned(ROOT, VAR, on=disk(ROOT_ENTRY))) == ("/dev/sda2", "", [refusal])
    assert where(planned(ROOT, VAR, on=disk(ROOT_ENTRY), choices=InstallChoices("/mnt/id.tar"))) == ("/dev/sda2", "", [])


@pytest.mark.parametrize("choices", [NEW, InstallChoices("/mnt/id.tar")], ids=["a new node", "an archive"])
def test_a_disk_without_root_needs_a_word(choices: InstallChoices) -> None:
    refusal = "/dev/sda has no partition 'root' whose identity could be kept"
    assert where(planned(EFI, ROOT, on=blank())) == ("", "efi", [refusal])
    assert where(planned(EFI, ROOT, on=blank(), choices=choices)) == ("", "efi", [])


def test_a_refused_plan_says_why_and_nothing_more() -> None:
    large = replace(ROOT, name="other", size_bytes=1 << 50)
    assert where(planned(EFI, large, on=disk(EFI_ENTRY, ROOT_ENTRY)))[2] == [
        "other does not fit: it wants 1048576G, and the largest free area of /dev/sda has 702.9M"
    ]


def test_data_where_a_partition_is_to_be_made_is_refused() -> None:
    plan = plan_partitions(layout(EFI, ROOT, VAR), inventory(disk(EFI_ENTRY, ROOT_ENTRY)))
    assert with_findings(plan, {3: ""}).refusals == ()
    (refusal,) = with_findings(plan, {3: "bluestore (osd.3)"}).refusals
    assert refusal.message == "var would be made where /dev/sda holds bluestore (osd.3) without an entry in the partition table"
    assert refusal.hint == (
        "sfdisk can give it its entry back; blkdiscard --zeroout --offset 336592896 --length 1048576 /dev/sda says that nobody needs it"
    )


def test_what_is_mounted_in_another_one_comes_after_it() -> None:
    log = os_partition("log", 10, "ext4", "/var/log")
    plan = plan_partitions(layout(log, EFI, BOOT, VAR, ROOT, create_table=True), inventory(blank()))
    order = in_mount_order(plan)
    assert [partition.mount for partition, _ in order] == ["/", "/boot", "/boot/efi", "/var", "/var/log"]
    assert [number for _, number in order] == [5, 3, 2, 4, 1]
    assert [partition.mount for partition, _ in mounted_below(order, "/boot")] == ["/boot", "/boot/efi"]


def test_volumes_are_mounted_with_the_partitions_and_told_apart() -> None:
    system = replace(os_partition("system", 64, "", kind="lvm"), group="sys")
    volumes = (OsVolume("sys", "log", 8 * MIB, "ext4", "/var/log"), OsVolume("sys", "swap", 8 * MIB, "swap"))
    wanted = replace(layout(EFI, ROOT, VAR, system), volumes=volumes)
    plan, other = (
        plan_install(plan_partitions(wanted, inventory(disk(EFI_ENTRY, ROOT_ENTRY, *more))), InstallChoices())
        for more in ([], [entry(6, 500, 30, "linux", "var")])
    )
    order = in_mount_order(plan.partitions)
    assert [(device.name, number) for device, number in order] == [("root", 2), ("efi", 1), ("var", 3), ("sys/log", 4)]
    assert [device.name for device, _ in mounted_below(order, "/var")] == ["var", "sys/log"]
    (log, swap) = plan.partitions.volumes
    changed = replace(plan, partitions=replace(plan.partitions, volumes=(log, replace(swap, uuid="lv-1"))))
    assert plan.first_change(changed) == "volume sys/swap"
    assert plan.first_change(replace(plan, partitions=replace(plan.partitions, volumes=(log,)))) == "volume sys/swap"
    assert plan.first_change(plan) == ""
    assert plan.first_change(other) == "partition 3 (var)"


@pytest.mark.parametrize("choices", [InstallChoices(), NEW], ids=["an identity is looked for", "a new node"])
def test_the_old_root_on_a_volume(choices: InstallChoices) -> None:
    """The identity is that of a volume which is formatted; one that is made has none."""
    system = replace(os_partition("system", 300, "", kind="lvm"), group="sys-1")
    wanted = replace(layout(EFI, BOOT, system), volumes=(OsVolume("sys-1", "root", 256 * MIB, "ext4", "/"),))
    bare = inventory(disk(EFI_ENTRY, entry(3, 400, 300, "lvm", "system")))
    there = replace(
        bare,
        physical_volumes=(PhysicalVolume("/dev/sda3", "pv", "sys-1"),),
        groups=(VolumeGroup("sys-1", "vg", 296 * MIB, 40 * MIB),),
        volumes=(LogicalVolume("sys-1", "root", "lv", 256 * MIB, ("/dev/sda3",)),),
    )
    assert where(plan_install(plan_partitions(wanted, there), choices)) == ("/dev/mapper/sys--1-root", "boot", [])
    refusals = [] if choices.may_be_new else ["/dev/sda has no volume sys-1/root whose identity could be kept"]
    assert where(plan_install(plan_partitions(wanted, bare), choices)) == ("", "boot", refusals)


def test_two_plans_are_the_same_whatever_their_reasons_are() -> None:
    plan = planned(EFI, ROOT, on=disk(EFI_ENTRY, ROOT_ENTRY))
    partitions = plan.partitions
    said = replace(plan, partitions=replace(partitions, partitions=tuple(replace(item, reason="") for item in partitions.partitions)))
    assert plan.first_change(said) == ""


@pytest.mark.parametrize(
    ("now", "change"),
    [
        pytest.param(
            disk(EFI_ENTRY, replace(ROOT_ENTRY, content=Signature("xfs", "filesystem"))), "partition 2 (root)", id="another content"
        ),
        pytest.param(disk(EFI_ENTRY, ROOT_ENTRY, entry(5, 400, 10, "linux", "new")), "partition 5 (new)", id="another partition"),
        pytest.param(replace(disk(EFI_ENTRY, ROOT_ENTRY), serial="S2"), "the disk", id="another disk"),
    ],
)
def test_another_plan_is_told_by_what_is_otherwise(now: Disk, change: str) -> None:
    assert planned(EFI, ROOT, on=disk(EFI_ENTRY, ROOT_ENTRY)).first_change(planned(EFI, ROOT, on=now)) == change
