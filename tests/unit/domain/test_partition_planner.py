"""What becomes of each partition of a disk, and every reason to leave the disk alone."""

from dataclasses import replace

import pytest

from reprov.domain.fstab import MountEntry
from reprov.domain.inventory import (
    Array,
    Crypt,
    Disk,
    DiskKind,
    FstabLine,
    Inventory,
    LogicalVolume,
    Mapped,
    Mounted,
    PhysicalVolume,
    Signature,
    Swap,
    Table,
    TableKind,
)
from reprov.domain.layout import DiskChoice, Layout, Preserve
from reprov.domain.mounts import Mount
from reprov.domain.partition_plan import Fate, PartitionPlan
from reprov.domain.partition_planner import choose_disk, plan_partitions
from reprov.errors import Refused
from tests.disk_builders import EFI, EXT4, ROOT, blank, disk, entry, inventory, layout, os_partition, preserved

EFI_ENTRY = entry(1, 1, 64, "esp", "efi", content=Signature("vfat", "filesystem"))
ROOT_ENTRY = entry(2, 65, 256, "linux", "root", content=EXT4)
OSD_ENTRY = entry(5, 400, 500, "ceph-osd-data", "ceph data", attributes=("RequiredPartition",))
OTHER_ENTRY = entry(7, 330.5, 10, "linux", "whatever")
STORAGE = disk(EFI_ENTRY, ROOT_ENTRY, OSD_ENTRY, OTHER_ENTRY)


def fates(plan: PartitionPlan) -> list[tuple[int, str, str]]:
    return [(planned.entry.number, planned.fate.value, planned.reason) for planned in plan.partitions]


def test_a_node_that_was_installed_before() -> None:
    plan = plan_partitions(layout(preserve=[preserved("ceph-osd-data")]), inventory(STORAGE))
    assert fates(plan) == [
        (1, "formatted", "vfat at /boot/efi; was vfat"),
        (2, "formatted", "ext4 at /; was ext4"),
        (5, "kept", "GPT type ceph-osd-data; rule: type ceph-osd-data"),
        (7, "kept", "named nowhere in the layout"),
    ]
    assert plan.script() == ""
    assert plan.sfdisk_command("/dev/sda") == ()
    assert [*plan.formatted()] == [(EFI, 1), (ROOT, 2)]
    assert plan.after() == STORAGE


def test_what_is_missing_goes_into_the_first_free_place_under_the_first_free_number() -> None:
    grub, var = os_partition("grub", 1, "", kind="bios-boot"), os_partition("var", 30, "xfs", "/var")
    plan = plan_partitions(layout(EFI, ROOT, var, grub), inventory(STORAGE))
    assert fates(plan) == [
        (1, "formatted", "vfat at /boot/efi; was vfat"),
        (2, "formatted", "ext4 at /; was ext4"),
        (3, "created", "xfs at /var"),
        (4, "created", "without filesystem"),
        (5, "kept", "GPT type ceph-osd-data"),
        (7, "kept", "named nowhere in the layout"),
    ]
    # 341 MiB: behind the partition that ends at 340.5; 321 MiB: in the gap before it, where only the small one fits.
    assert plan.script() == (
        'disk-3 : start=698368, size=61440, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, name="var"\n'
        'disk-4 : start=657408, size=2048, type=21686148-6449-6E6F-744E-656564454649, name="grub"\n'
    )
    options = ("--append", "--no-reread", "--no-tell-kernel", "--wipe", "never", "--wipe-partitions", "never")
    assert plan.sfdisk_command("/dev/sda") == ("sfdisk", "--quiet", *options, "/dev/sda")
    assert [*plan.partx_commands("/dev/sda")] == [("partx", "--add", "--nr", number, "/dev/sda") for number in ("3:3", "4:4")]
    assert [*plan.formatted()] == [(EFI, 1), (ROOT, 2), (var, 3)]


@pytest.mark.parametrize(
    ("sector_bytes", "script"),
    [
        pytest.param(
            512,
            "label: gpt\nfirst-lba: 2048\nlast-lba: 2097118\n\n"
            'disk-1 : start=2048, size=131072, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name="efi"\n'
            'disk-2 : start=133120, size=524288, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, name="root"\n',
            id="sectors of 512 bytes",
        ),
        pytest.param(
            4096,
            "label: gpt\nfirst-lba: 256\nlast-lba: 262138\n\n"
            'disk-1 : start=256, size=16384, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name="efi"\n'
            'disk-2 : start=16640, size=65536, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, name="root"\n',
            id="sectors of 4096 bytes",
        ),
    ],
)
def test_a_disk_without_a_table(sector_bytes: int, script: str) -> None:
    plan = plan_partitions(layout(create_table=True), inventory(blank(sector_bytes)))
    assert plan.script() == script
    assert "--append" not in plan.sfdisk_command("/dev/sda")


def test_a_layout_that_makes_tables_keeps_the_one_that_is_there() -> None:
    assert plan_partitions(layout(create_table=True), inventory(STORAGE)).new_table is None


def test_a_larger_partition_will_do() -> None:
    plan = plan_partitions(layout(replace(ROOT, size_bytes=1 << 20)), inventory(STORAGE))
    assert fates(plan)[1] == (2, "formatted", "ext4 at /; was ext4, larger than the layout's 1M")


def test_a_partition_without_filesystem_is_left_as_it_is() -> None:
    grub = os_partition("grub", 1, "", kind="bios-boot")
    plan = plan_partitions(layout(ROOT, grub), inventory(disk(ROOT_ENTRY, entry(4, 1, 1, "bios-boot", "grub"))))
    assert fates(plan)[1] == (4, "kept", "has no filesystem to make")
    assert [*plan.formatted()] == [(ROOT, 2)]


def test_preserved_is_what_is_anywhere_on_the_machine() -> None:
    osd_disk = replace(disk(replace(OSD_ENTRY, path="/dev/sdb1", uuid="b")), path="/dev/sdb", wwn="0x5002", serial="S2")
    system = disk(EFI_ENTRY, ROOT_ENTRY)
    plan = plan_partitions(layout(preserve=[preserved("ceph-osd-data")]), inventory(system, osd_disk))
    assert plan.refusals == ()


def test_what_the_system_mounts_by_its_fstab_may_be_formatted() -> None:
    var = os_partition("site", 10, "ext4", "/site")
    machine = replace(
        inventory(disk(ROOT_ENTRY, entry(3, 500, 10, "linux", "site"))),
        fstab=(FstabLine(MountEntry("LABEL=site", "/site", "ext4", frozenset()), ("/dev/sda3",)),),
    )
    assert plan_partitions(layout(ROOT, var), machine).refusals == ()


def root_is(content: Signature) -> Disk:
    return disk(EFI_ENTRY, replace(ROOT_ENTRY, content=content))


def with_table(**changes: object) -> Disk:
    assert STORAGE.table
    return replace(STORAGE, table=replace(STORAGE.table, **changes))  # type: ignore[arg-type]


HELD = inventory(STORAGE)
MBR = Table(TableKind.MBR, "1234abcd")

REFUSALS = [
    pytest.param(layout(), inventory(replace(STORAGE, is_read_only=True)), "/dev/sda is read-only", id="a disk that cannot be written"),
    pytest.param(
        layout(),
        inventory(replace(STORAGE, sector_bytes=520)),
        "/dev/sda has sectors of 520 bytes",
        id="sectors that nobody else has",
    ),
    pytest.param(layout(), inventory(blank()), "/dev/sda has no partition table", id="no table, and none asked for"),
    pytest.param(
        layout(create_table=True),
        inventory(replace(blank(), content=EXT4)),
        "/dev/sda has no partition table that can be read, and is not empty: ext4",
        id="a filesystem on the whole disk",
    ),
    pytest.param(
        layout(create_table=True),
        replace(inventory(blank()), arrays=(Array("/dev/md0", "raid1", "u", ("/dev/sda",)),)),
        "/dev/sda is in use as a whole: member of /dev/md0",
        id="a whole disk in an array",
    ),
    pytest.param(
        layout(preserve=[preserved("ceph-block")], create_table=True),
        inventory(blank()),
        "preserve: there is no partition with type ceph-block on this machine",
        id="a new table, and something to preserve",
    ),
    pytest.param(
        layout(), inventory(replace(STORAGE, table=MBR)), "/dev/sda has an MBR, and only GPT is supported", id="the table of an old PC"
    ),
    pytest.param(
        layout(),
        inventory(replace(STORAGE, table=replace(MBR, kind=TableKind.OTHER))),
        "/dev/sda has a partition table that reprov does not know, and only GPT is supported",
        id="the table of another computer",
    ),
    pytest.param(
        layout(),
        inventory(with_table(problems=("The backup GPT table is corrupt, but the primary appears OK, so that will be used.",))),
        "the partition table of /dev/sda is damaged: The backup GPT table is corrupt, but the primary appears OK, so that will be used.",
        id="a damaged copy of the table",
    ),
    pytest.param(
        layout(),
        inventory(with_table(first_sector=None)),
        "the partition table of /dev/sda has not been read from the disk itself",
        id="a table of which only udev has told",
    ),
    pytest.param(
        layout(),
        inventory(disk(ROOT_ENTRY, entry(3, 1000, 24, "linux"))),
        "the partition table of /dev/sda is damaged: /dev/sda3 lies outside of its usable sectors",
        id="a partition over the second copy of the table",
    ),
    pytest.param(
        layout(),
        inventory(disk(ROOT_ENTRY, entry(3, 0.5, 1, "linux"))),
        "the partition table of /dev/sda is damaged: /dev/sda3 lies outside of its usable sectors",
        id="a partition before the first usable sector",
    ),
    pytest.param(
        layout(),
        inventory(disk(ROOT_ENTRY, entry(3, 300, 50, "linux"))),
        "the partition table of /dev/sda is damaged: /dev/sda2 and /dev/sda3 overlap",
        id="partitions that overlap",
    ),
    pytest.param(
        layout(),
        inventory(disk(ROOT_ENTRY, replace(OSD_ENTRY, type="", type_name=""))),
        "/dev/sda5 is not in the partition table of /dev/sda",
        id="a partition that only the kernel knows",
    ),
    pytest.param(
        layout(),
        inventory(disk(ROOT_ENTRY, replace(OSD_ENTRY, uuid=ROOT_ENTRY.uuid))),
        "2 partitions have the PARTUUID 00000000-0000-4000-8000-000000000002: /dev/sda2, /dev/sda5",
        id="two partitions with one PARTUUID",
    ),
    pytest.param(
        layout(),
        inventory(disk(ROOT_ENTRY), replace(disk(replace(ROOT_ENTRY, path="/dev/sdb2")), path="/dev/sdb", wwn="0x5002")),
        "2 partitions have the PARTUUID 00000000-0000-4000-8000-000000000002: /dev/sda2, /dev/sdb2",
        id="a copy of the disk",
    ),
    pytest.param(
        layout(ROOT, os_partition("var", 124, mount="/var")),
        HELD,
        "var does not fit: it wants 124M, and the largest free area of /dev/sda has 123.9M",
        id="not a sector of the second copy of the table is taken",
    ),
    pytest.param(
        layout(ROOT, os_partition("var", 2048, mount="/var")),
        HELD,
        "var does not fit: it wants 2G, and the largest free area of /dev/sda has 123.9M",
        id="a partition larger than the disk",
    ),
    pytest.param(
        layout(ROOT, os_partition("more", 1)),
        inventory(disk(ROOT_ENTRY, *(entry(number, 400 + number, 1, "linux") for number in (1, *range(3, 129))))),
        "/dev/sda has no free entry in its partition table",
        id="no entry left",
    ),
    pytest.param(
        layout(preserve=[preserved("ceph-block-db")]),
        HELD,
        "preserve: there is no partition with type ceph-block-db on this machine",
        id="a preserved type that is not there",
    ),
    pytest.param(
        layout(preserve=[Preserve(label="srv")]),
        HELD,
        "preserve: there is no partition with label srv on this machine",
        id="a preserved label that is not there",
    ),
    pytest.param(
        layout(preserve=[Preserve(partuuid="abc")]),
        HELD,
        "preserve: there is no partition with PARTUUID abc on this machine",
        id="a preserved PARTUUID that is not there",
    ),
    pytest.param(layout(preserve=[Preserve(vg="vg0")]), HELD, "preserve: there is no volume group vg0", id="a missing volume group"),
    pytest.param(
        layout(),
        inventory(disk(ROOT_ENTRY, entry(3, 500, 256, "linux", "root"))),
        "/dev/sda2 (root): 2 partitions of /dev/sda have that name (and 1 more reason)",
        id="two partitions with the name of one",
    ),
    pytest.param(
        layout(),
        replace(HELD, mounts=(Mounted(Mount("mnt", "ext4", "/dev/sda2", read_only=True), "/dev/sda2"),)),
        "/dev/sda2 (root) is in use: mounted at /mnt",
        id="a mounted target",
    ),
    pytest.param(layout(), replace(HELD, swaps=(Swap("/dev/sda2", 1),)), "/dev/sda2 (root) is in use: swap", id="swap in use"),
    pytest.param(
        layout(),
        replace(HELD, physical_volumes=(PhysicalVolume("/dev/sda2", "u", "vg0"),)),
        "/dev/sda2 (root) is in use: physical volume of vg0",
        id="a physical volume",
    ),
    pytest.param(
        layout(),
        replace(HELD, volumes=(LogicalVolume("vg0", "lv", "u", 1, ("/dev/sda2",)),)),
        "/dev/sda2 (root) is in use: physical volume of vg0",
        id="below a logical volume",
    ),
    pytest.param(
        layout(),
        replace(HELD, arrays=(Array("/dev/md0", "raid1", "u", ("/dev/sda2", "/dev/sdb2")),)),
        "/dev/sda2 (root) is in use: member of /dev/md0",
        id="a member of an array",
    ),
    pytest.param(
        layout(),
        replace(HELD, crypts=(Crypt("/dev/mapper/c", "c", "luks2", "u", "/dev/sda2"),)),
        "/dev/sda2 (root) is in use: open as /dev/mapper/c",
        id="an open dm-crypt mapping",
    ),
    pytest.param(
        layout(),
        replace(HELD, mapped=(Mapped("/dev/mapper/m", "m", "u", ("/dev/sda2",)),)),
        "/dev/sda2 (root) is in use: below /dev/mapper/m",
        id="below another mapping",
    ),
    pytest.param(
        layout(),
        inventory(root_is(Signature("ceph_bluestore", "other"))),
        "/dev/sda2 (root) is data, and the layout would format it: bluestore label",
        id="an OSD under the name of the root",
    ),
    pytest.param(
        layout(),
        replace(HELD, fstab=(FstabLine(MountEntry("LABEL=x", "/srv/data", "xfs", frozenset()), ("/dev/sda2",)),)),
        "/dev/sda2 (root) is data, and the layout would format it: fstab: /srv/data",
        id="what fstab mounts as data",
    ),
    pytest.param(
        layout(preserve=[Preserve(partuuid=ROOT_ENTRY.uuid)]),
        HELD,
        "/dev/sda2 (root) is data, and the layout would format it: rule: PARTUUID 00000000-0000-4000-8000-000000000002",
        id="formatted and preserved",
    ),
    pytest.param(
        layout(),
        inventory(root_is(Signature("crypto_LUKS", "crypto"))),
        "/dev/sda2 (root) holds crypto_LUKS, which may be a part of something larger",
        id="a closed dm-crypt device",
    ),
    pytest.param(
        layout(),
        inventory(root_is(Signature("zfs_member", "filesystem"))),
        "/dev/sda2 (root) holds zfs_member, which may be a part of something larger",
        id="a part of a zpool",
    ),
    pytest.param(
        layout(),
        inventory(disk(EFI_ENTRY, entry(2, 65, 256, "root-x86-64", "root"))),
        "/dev/sda2 (root) is of type root-x86-64, and the layout says linux",
        id="another type",
    ),
    pytest.param(
        layout(replace(ROOT, size_bytes=257 << 20)),
        inventory(disk(ROOT_ENTRY, entry(3, 321, 9, "ceph-block"))),
        "/dev/sda2 (root) has 256M, and the layout wants 257M: /dev/sda3 begins where it ends",
        id="a partition that would grow over its neighbour",
    ),
    pytest.param(
        layout(replace(ROOT, size_bytes=257 << 20)),
        inventory(disk(ROOT_ENTRY, entry(3, 331, 9, "ceph-block"))),
        "/dev/sda2 (root) has 256M, and the layout wants 257M: 10M behind it are free, but partitions do not grow",
        id="a partition that would grow, and could",
    ),
]


@pytest.mark.parametrize(("wanted", "machine", "message"), REFUSALS)
def test_refusals(wanted: Layout, machine: Inventory, message: str) -> None:
    plan = plan_partitions(wanted, machine)
    with pytest.raises(Refused) as caught:
        plan.require_accepted()
    assert caught.value.message == message


def test_a_refused_plan_gives_nothing_to_run() -> None:
    plan = plan_partitions(layout(preserve=[Preserve(vg="vg0")]), HELD)
    for ask in (plan.script, plan.after, lambda: [*plan.formatted()], lambda: plan.sfdisk_command("/dev/sda")):
        with pytest.raises(Refused):
            ask()


def test_every_refusal_is_shown_at_once() -> None:
    plan = plan_partitions(layout(preserve=[Preserve(vg="vg0"), preserved("ceph-block")]), HELD)
    assert [refusal.message for refusal in plan.refusals] == [
        "preserve: there is no volume group vg0",
        "preserve: there is no partition with type ceph-block on this machine",
    ]


def test_a_refused_partition_says_why() -> None:
    plan = plan_partitions(layout(), replace(HELD, swaps=(Swap("/dev/sda2", 1),)))
    assert fates(plan)[1] == (2, "refused", "/dev/sda2 (root) is in use: swap")


def test_traces_of_a_lost_table() -> None:
    plan = plan_partitions(layout(create_table=True), inventory(blank()), traces=("gpt", "gpt"))
    assert plan.refusals[0].message == "/dev/sda has no partition table that can be read, and is not empty: gpt"


@pytest.mark.parametrize(
    ("choice", "disks", "message"),
    [
        pytest.param(DiskChoice(wwn="0x9"), (STORAGE,), "there is no disk with wwn 0x9", id="another wwn"),
        pytest.param(DiskChoice(serial="S9"), (STORAGE,), "there is no disk with serial S9", id="another serial"),
        pytest.param(
            DiskChoice(wwn="0x5001", serial="S9"),
            (STORAGE,),
            "wrong disk: /dev/sda has serial S1, and the layout pins S9",
            id="the serial beside the wwn",
        ),
        pytest.param(
            DiskChoice(wwn="0x5001", serial="S9"),
            (replace(STORAGE, serial=""),),
            "wrong disk: /dev/sda has serial (none), and the layout pins S9",
            id="a disk that tells no serial",
        ),
        pytest.param(
            DiskChoice(serial="S1"),
            (STORAGE, replace(STORAGE, path="/dev/sdb")),
            "2 disks have serial S1: /dev/sda, /dev/sdb",
            id="two disks with one serial",
        ),
        pytest.param(DiskChoice(image="/dev/sda"), (STORAGE,), "there is no disk with image /dev/sda", id="a disk is no image"),
    ],
)
def test_a_disk_that_is_not_the_one(choice: DiskChoice, disks: tuple[Disk, ...], message: str) -> None:
    with pytest.raises(Refused) as caught:
        choose_disk(layout(choice=choice), inventory(*disks))
    assert caught.value.message == message


def test_an_image() -> None:
    image = replace(STORAGE, path="disk.img", kind=DiskKind.IMAGE)
    assert choose_disk(layout(choice=DiskChoice(image="disk.img")), inventory(image)) == image


@pytest.mark.parametrize(
    ("found", "said"),
    [
        pytest.param(disk(EFI_ENTRY), ("partition 2 (root) is missing",), id="an entry that is missing"),
        pytest.param(
            disk(EFI_ENTRY, replace(ROOT_ENTRY, uuid="x", sectors=1)),
            ("partition 2 (root) has another sectors and uuid",),
            id="an entry that has changed",
        ),
        pytest.param(
            disk(EFI_ENTRY, ROOT_ENTRY, entry(9, 900, 1, "linux")), ("there is a partition 9 that nobody planned",), id="one too many"
        ),
        pytest.param(replace(disk(EFI_ENTRY, ROOT_ENTRY), table=None), ("the partition table is damaged",), id="no table"),
        pytest.param(disk(EFI_ENTRY, ROOT_ENTRY, size_mib=1025), ("the header of the partition table has changed",), id="another header"),
        pytest.param(disk(EFI_ENTRY, ROOT_ENTRY), (), id="as planned"),
    ],
)
def test_what_is_found_after_writing(found: Disk, said: tuple[str, ...]) -> None:
    plan = plan_partitions(layout(), inventory(disk(EFI_ENTRY, ROOT_ENTRY)))
    assert plan.differences(found) == said


def test_created_partitions_may_have_any_partuuid() -> None:
    plan = plan_partitions(layout(), inventory(disk(EFI_ENTRY)))
    made = entry(2, 65, 256, "linux", "root")
    assert plan.partitions[1].fate is Fate.CREATED
    assert plan.differences(disk(EFI_ENTRY, made)) == ()
