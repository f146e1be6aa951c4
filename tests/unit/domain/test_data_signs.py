"""What of a few bytes speaks for data, and what does not."""

import struct
import uuid

import pytest

from reprov.domain.data_signs import START_BYTES, is_physical_volume, sign_of_device, sign_of_lvm, sign_of_mounts
from reprov.domain.fstab import parse_fstab
from reprov.domain.inventory import LogicalVolume, PhysicalVolume
from reprov.domain.lvm import Lvm
from reprov.domain.mounts import Mount
from reprov.domain.partition_types import CEPH_TYPES, guid_of

PROTECTIVE = bytes(446) + bytes(4) + b"\xee" + bytes(59) + b"\x55\xaa"
DOS = bytes(446) + bytes(4) + b"\x83" + bytes(59) + b"\x55\xaa"


def gpt(*types: str, sector_bytes: int = 512, first: int = 2, count: int = 128, size_bytes: int = 128) -> bytes:
    """The start of a disk with partitions of these types."""
    header = b"EFI PART" + bytes(64) + struct.pack("<QII", first, count, size_bytes) + bytes(4)
    entries = b"".join(uuid.UUID(guid).bytes_le + bytes(size_bytes - 16) for guid in types)
    start = PROTECTIVE.ljust(sector_bytes, b"\0") + header.ljust(sector_bytes, b"\0") + entries
    return start.ljust(START_BYTES, b"\0")


@pytest.mark.parametrize("guid", CEPH_TYPES, ids=CEPH_TYPES.values())
@pytest.mark.parametrize("sector_bytes", [512, 4096])
def test_every_type_of_ceph_is_a_sign_wherever_it_stands(guid: str, sector_bytes: int) -> None:
    others = [guid_of("linux")] * 127
    assert sign_of_device(gpt(*others, guid, sector_bytes=sector_bytes), sector_bytes) == "partitions of Ceph"


STARTS = {
    "nothing at all": (bytes(START_BYTES), ""),
    "a device of a few bytes": (b"x", ""),
    "the system's own partitions": (gpt(guid_of("esp"), guid_of("linux"), guid_of("swap")), ""),
    "an old partition table": (DOS.ljust(START_BYTES, b"\0"), ""),
    "a label of bluestore": (b"bluestore block device\n" + bytes(START_BYTES), "a label of bluestore"),
    "a table whose first copy is gone": (PROTECTIVE.ljust(START_BYTES, b"\0"), "a partition table that is not whole"),
    "a header that is cut off": (gpt()[:590], "a partition table that is not whole"),
    "entries far away": (gpt(first=2000), "a partition table of an unusual form"),
    "more entries than usual": (gpt(count=1000), "a partition table of an unusual form"),
    "small entries": (gpt(size_bytes=64), "a partition table of an unusual form"),
}


@pytest.mark.parametrize(("start", "sign"), STARTS.values(), ids=STARTS)
def test_what_the_start_of_a_device_says(start: bytes, sign: str) -> None:
    assert sign_of_device(start, 512) == sign


def test_a_physical_volume_is_known_in_each_of_its_four_places() -> None:
    found = [is_physical_volume(bytes(512 * sector) + b"LABELONE" + bytes(4096)) for sector in range(5)]
    assert found == [True, True, True, True, False]


def lvm(*tags: str) -> Lvm:
    return Lvm((PhysicalVolume("/dev/sda2", "p", "vg"),), volumes=(LogicalVolume("vg", "lv", "u", 1, ("/dev/sda2",), tags=tags),))


def test_volumes_of_the_system_are_no_sign_and_those_of_ceph_are() -> None:
    assert sign_of_lvm(lvm("site=x"), ["/dev/sda2"]) == ""
    assert sign_of_lvm(lvm("site=x", "ceph.osd_id=3"), ["/dev/sda2"]) == "volumes of Ceph"
    assert sign_of_lvm(lvm(), ["/dev/sda2", "/dev/sdb"]) == "LVM of which nothing is known"


ROOT = (Mount("", "ext4", "/dev/sda1", False), "8:1")
PLACES = {
    "the system's": (((*ROOT,), (Mount("var", "xfs", "/dev/sda2", False), "8:2")), b"UUID=x / ext4\n/dev/sda3 none swap\n", (), ""),
    "a bind mount of the system's": ((ROOT, (Mount("data", "ext4", "/dev/sda1", False), "8:1")), b"", (), ""),
    "a sealed image, and a drive": (
        (ROOT, (Mount("snap/x/1", "squashfs", "/dev/loop0", True), "7:0")),
        b"/dev/sr0 /cd udf,iso9660\n",
        (),
        "",
    ),
    "of no device": ((ROOT, (Mount("data", "nfs", "host:/x", False), "")), b"host:/x /data nfs\ntmpfs /scratch tmpfs\n", (), ""),
    "data": ((ROOT, (Mount("data", "xfs", "/dev/sdb1", False), "8:17")), b"", (), "a mount at /data"),
    "home": ((ROOT, (Mount("home", "xfs", "/dev/sdb1", False), "8:17")), b"", (), "a mount at /home"),
    "data that is not mounted": ((ROOT,), b"LABEL=data /data xfs\n", (), "/data in fstab"),
    "an OSD's directory": ((ROOT,), b"", ("var/lib/ceph/osd/ceph-0",), "/var/lib/ceph/osd/ceph-0"),
}


@pytest.mark.parametrize(("mounts", "fstab", "osds", "sign"), PLACES.values(), ids=PLACES)
def test_what_mounts_fstab_and_directories_say(
    mounts: tuple[tuple[Mount, str], ...], fstab: bytes, osds: tuple[str, ...], sign: str
) -> None:
    assert sign_of_mounts(mounts, parse_fstab(fstab), osds) == sign
