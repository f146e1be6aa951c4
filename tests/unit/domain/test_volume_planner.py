"""What becomes of the layout's volumes, and every reason to leave a volume group alone."""

from dataclasses import replace
from typing import Any

import pytest

from reprov.domain.fstab import MountEntry
from reprov.domain.inventory import Crypt, FstabLine, Inventory, LogicalVolume, Mounted, PhysicalVolume, Signature, Swap, VolumeGroup
from reprov.domain.layout import MIB, Layout, OsVolume, Preserve
from reprov.domain.mounts import Mount
from reprov.domain.partition_plan import Fate, PartitionPlan
from reprov.domain.partition_planner import plan_partitions
from tests.disk_builders import EXT4, ROOT, disk, entry, inventory, layout, os_partition

SYSTEM = replace(os_partition("system", 64, "", kind="lvm"), group="sys")
VAR = OsVolume("sys", "var", 20 * MIB, "ext4", "/var")
SWAP = OsVolume("sys", "swap", 6 * MIB, "swap")
WANTED = replace(layout(ROOT, SYSTEM), volumes=(VAR, SWAP))
LVM = Signature("LVM2_member", "raid")
ROOT_ENTRY = entry(2, 65, 256, "linux", "root", content=EXT4)
PV_ENTRY = entry(3, 400, 64, "lvm", "system", content=LVM)
PV = PhysicalVolume("/dev/sda3", "pv-3", "sys", 60 * MIB)
GROUP = VolumeGroup("sys", "vg-1", 60 * MIB, 40 * MIB)
FOUND = LogicalVolume("sys", "var", "lv-1", 20 * MIB, ("/dev/sda3",), "/dev/mapper/sys-var", content=EXT4)


def machine(**changes: Any) -> Inventory:
    """A node whose group holds one of the layout's two volumes."""
    there = replace(inventory(disk(ROOT_ENTRY, PV_ENTRY)), physical_volumes=(PV,), groups=(GROUP,), volumes=(FOUND,))
    return replace(there, **changes)


def told(plan: PartitionPlan) -> list[tuple[str, int, str, str]]:
    return [(volume.os.name, volume.number, volume.fate.value, volume.reason) for volume in plan.volumes]


def test_a_new_group_on_a_new_partition() -> None:
    plan = plan_partitions(WANTED, inventory(disk(ROOT_ENTRY)))
    assert plan.refusals == ()
    created = plan.partitions[0]
    assert (created.entry.number, created.fate, created.reason) == (1, Fate.CREATED, "physical volume of sys")
    assert told(plan) == [("sys/var", 1, "created", "ext4 at /var"), ("sys/swap", 1, "created", "swap")]
    assert [(group, planned.entry.number) for group, planned in plan.groups()] == [("sys", 1)]
    assert [*plan.formatted()] == [(ROOT, 2), (VAR, 1), (SWAP, 1)]


@pytest.mark.parametrize(
    ("content", "physical", "was"),
    [
        pytest.param(EXT4, (), "was ext4", id="a filesystem"),
        pytest.param(None, (), "held nothing known", id="nothing"),
        pytest.param(LVM, (replace(PV, group=""),), "was LVM2_member", id="what an interrupted installation has left: a PV without group"),
    ],
)
def test_a_new_group_on_a_partition_that_is_there(content: Signature | None, physical: tuple[PhysicalVolume, ...], was: str) -> None:
    there = replace(inventory(disk(ROOT_ENTRY, replace(PV_ENTRY, content=content))), physical_volumes=physical)
    plan = plan_partitions(WANTED, there)
    assert plan.refusals == ()
    assert (plan.partitions[1].fate, plan.partitions[1].reason) == (Fate.FORMATTED, f"physical volume of sys; {was}")
    assert {volume.fate for volume in plan.volumes} == {Fate.CREATED}


def test_a_group_that_is_there_is_kept_and_its_volumes_are_formatted_or_made() -> None:
    plan = plan_partitions(WANTED, machine())
    assert plan.refusals == ()
    assert (plan.partitions[1].fate, plan.partitions[1].reason) == (Fate.KEPT, "physical volume of sys")
    assert told(plan) == [("sys/var", 3, "formatted", "ext4 at /var; was ext4"), ("sys/swap", 3, "created", "swap")]
    assert [volume.uuid for volume in plan.volumes] == ["lv-1", ""]


def test_a_volume_that_is_not_active_and_larger_will_do() -> None:
    plan = plan_partitions(WANTED, machine(volumes=(replace(FOUND, path="", content=None, size_bytes=24 * MIB),)))
    assert (plan.refusals, plan.volumes[0].reason) == ((), "ext4 at /var; held nothing known")


def test_a_mount_of_the_layout_in_fstab_is_not_data() -> None:
    line = FstabLine(MountEntry("/dev/sys/var", "/data", "ext4", frozenset()), ("/dev/mapper/sys-var",))
    assert plan_partitions(replace(WANTED, volumes=(replace(VAR, mount="/data"),)), machine(fstab=(line,))).refusals == ()
    (first, *_) = plan_partitions(WANTED, machine(fstab=(line,))).refusals
    assert first.message == "/dev/sda3 (system) is data, and the layout would format it: holds /dev/mapper/sys-var"


OSD = LogicalVolume("sys", "osd-block", "lv-9", 8 * MIB, ("/dev/sda3",), tags=("ceph.osd_id=3", "ceph.type=block"))


def with_volume(**changes: Any) -> Inventory:
    return machine(volumes=(replace(FOUND, **changes),))


@pytest.mark.parametrize(
    ("there", "wanted", "message"),
    [
        pytest.param(
            machine(volumes=(FOUND, OSD)),
            WANTED,
            "the volume group sys holds the volume osd-block, which the layout does not name",
            id="a volume of an OSD in the group",
        ),
        pytest.param(
            machine(volumes=(FOUND, replace(OSD, name="home", tags=()))),
            WANTED,
            "the volume group sys holds the volume home, which the layout does not name",
            id="a volume that nobody named",
        ),
        pytest.param(
            with_volume(tags=("ceph.osd_id=3",)),
            WANTED,
            "/dev/sda3 (system) is data, and the layout would format it: holds /dev/mapper/sys-var",
            id="an OSD in a volume of the layout's name",
        ),
        pytest.param(
            with_volume(tags=("ceph.osd_id=3",), path="", content=None),
            WANTED,
            "/dev/sda3 (system) is data, and the layout would format it: holds sys/var",
            id="the same while it is not active",
        ),
        pytest.param(
            with_volume(content=Signature("crypto_LUKS", "crypto")),
            WANTED,
            "/dev/mapper/sys-var holds crypto_LUKS, which may be a part of something larger",
            id="what looks like a part of something",
        ),
        pytest.param(
            machine(physical_volumes=(PV, replace(PV, path="/dev/sdb1", uuid="pv-b"))),
            WANTED,
            "the volume group sys lies on /dev/sdb1, too",
            id="a group that lies elsewhere, too",
        ),
        pytest.param(
            with_volume(devices=("/dev/sda3", "/dev/sdb1")),
            WANTED,
            "the volume sys/var does not lie on /dev/sda3 alone",
            id="a volume, too",
        ),
        pytest.param(
            machine(physical_volumes=(replace(PV, group="ceph-1"),), groups=(replace(GROUP, name="ceph-1"),), volumes=()),
            WANTED,
            "/dev/sda3 (system) is the physical volume of ceph-1, and the layout says sys",
            id="another group on the partition",
        ),
        pytest.param(machine(groups=()), WANTED, "the volume group sys is not there once and whole", id="a group that is not whole"),
        pytest.param(
            machine(groups=(GROUP, replace(GROUP, uuid="vg-2"))),
            WANTED,
            "the volume group sys is not there once and whole",
            id="two groups",
        ),
        pytest.param(
            machine(disks=(disk(ROOT_ENTRY),), physical_volumes=(replace(PV, path="/dev/sdb1"),)),
            WANTED,
            "there is a volume group sys already on /dev/sdb1",
            id="a group of that name elsewhere",
        ),
        pytest.param(
            replace(inventory(disk(ROOT_ENTRY)), groups=(GROUP,)),
            WANTED,
            "there is a volume group sys already",
            id="a group of that name whose devices are not there",
        ),
        pytest.param(
            machine(physical_volumes=(), groups=(), volumes=()),
            WANTED,
            "/dev/sda3 (system) is data, and the layout would format it: LVM of which nothing is known",
            id="LVM that no program has read",
        ),
        pytest.param(
            with_volume(size_bytes=16 * MIB),
            WANTED,
            "/dev/mapper/sys-var has 16M, and the layout wants 20M",
            id="a volume that is too small",
        ),
        pytest.param(
            machine(mounts=(Mounted(Mount("var", "ext4", "/dev/mapper/sys-var", read_only=False), "/dev/mapper/sys-var"),)),
            WANTED,
            "/dev/mapper/sys-var is in use: mounted at /var",
            id="a mounted volume",
        ),
        pytest.param(
            machine(swaps=(Swap("/dev/mapper/sys-var", 1),)), WANTED, "/dev/mapper/sys-var is in use: swap", id="a volume that is swap"
        ),
        pytest.param(
            machine(crypts=(Crypt("/dev/mapper/x", "x", "luks2", "u", "/dev/mapper/sys-var"),)),
            WANTED,
            "/dev/mapper/sys-var is in use: open as /dev/mapper/x",
            id="a volume below dm-crypt",
        ),
        pytest.param(
            machine(groups=(replace(GROUP, free_bytes=4 * MIB),)),
            WANTED,
            "volume sys/swap does not fit: it takes 8M, and of its group 4M are free",
            id="no room in the group",
        ),
        pytest.param(
            inventory(disk(ROOT_ENTRY)),
            replace(WANTED, volumes=(replace(VAR, size_bytes=57 * MIB), SWAP)),
            "volume sys/swap does not fit: it takes 8M, and of its group 0M are free",
            id="no room in a new group",
        ),
        pytest.param(
            inventory(disk(ROOT_ENTRY, replace(PV_ENTRY, content=Signature("ceph_bluestore", "other")))),
            WANTED,
            "/dev/sda3 (system) is data, and the layout would format it: bluestore label",
            id="bluestore on a partition of that name",
        ),
        pytest.param(
            inventory(disk(ROOT_ENTRY, entry(3, 400, 64, "linux", "system"))),
            WANTED,
            "/dev/sda3 (system) is of type linux, and the layout says lvm",
            id="a partition of another type",
        ),
        pytest.param(
            machine(),
            replace(layout(ROOT, replace(SYSTEM, group=""))),
            "/dev/sda3 (system) is in use: physical volume of sys",
            id="a group on a partition that the layout has without one",
        ),
    ],
)
def test_refused(there: Inventory, wanted: Layout, message: str) -> None:
    plan = plan_partitions(wanted, there)
    assert plan.refusals[0].message == message


def test_a_site_rule_about_the_group_wins() -> None:
    plan = plan_partitions(replace(WANTED, preserve=(Preserve(vg="sys"),)), machine())
    assert plan.refusals[0].message.startswith("/dev/sda3 (system) is data")
