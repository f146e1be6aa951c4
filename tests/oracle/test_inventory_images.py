"""Inventories of disk images that sfdisk and mkfs made: nothing of them is written, and no root is needed."""

import hashlib
import os
import struct
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from reprov.domain.inventory import Inventory, OsdKind, Signature, TableKind
from reprov.domain.partition_types import CEPH_TYPES, GPT_TYPES
from reprov.domain.protected import protected
from reprov.errors import InvalidInput, ReprovError
from reprov.events import NullMonitor
from reprov.workflows.inventory import inventory_of_image
from tests.conftest import SEARCH_PATH

pytestmark = [pytest.mark.commands, pytest.mark.needs("sfdisk", "blkid")]
MIB = 1 << 20
FSID = "6b6b5b0e-9d6a-4f26-8a4b-2b1a0a9f8e7d"


def made(path: Path, table: str, size_mib: int = 200) -> Path:
    """An image with a table that sfdisk made of its own language."""
    with path.open("wb") as file:
        file.truncate(size_mib * MIB)
    tool("sfdisk", "--quiet", path, text=table)
    return path


def tool(*words: object, text: str = "") -> None:
    """Run a program to its end."""
    argv = [os.fspath(word) if isinstance(word, Path) else str(word) for word in words]
    subprocess.run(argv, input=text.encode(), check=True, capture_output=True, env={"PATH": SEARCH_PATH, "LC_ALL": "C.UTF-8"})


def look(image: Path) -> Inventory:
    """The inventory of an image."""
    return inventory_of_image(image, monitor=NullMonitor())


def filesystem(image: Path, start_mib: int, size_mib: int, *words: str) -> None:
    """Make a filesystem in a file and copy it into the image."""
    part = image.with_suffix(".part")
    with part.open("wb") as file:
        file.truncate(size_mib * MIB)
    tool(*words, part)
    with image.open("r+b") as file:
        file.seek(start_mib * MIB)
        file.write(part.read_bytes())
    part.unlink()


def bluestore(image: Path, offset_bytes: int, description: str = "main", **fields: str) -> None:
    """Write a label as Ceph does."""

    def text(value: str) -> bytes:
        return struct.pack("<I", len(value)) + value.encode()

    body = uuid.UUID(FSID).bytes + struct.pack("<QII", 5 << 20, 1, 1) + text(description) + struct.pack("<I", len(fields))
    body += b"".join(text(name) + text(value) for name, value in fields.items())
    with image.open("r+b") as file:
        file.seek(offset_bytes)
        file.write(b"bluestore block device\n" + FSID.encode() + b"\n" + struct.pack("<BBI", 2, 1, len(body)) + body)


def test_every_type_has_the_guid_that_sfdisk_writes(tmp_path: Path) -> None:
    table = "label: gpt\n" + "".join(f"size=1M, type={guid}\n" for guid in GPT_TYPES)
    (disk,) = look(made(tmp_path / "all.img", table)).disks
    assert [partition.type_name for partition in disk.partitions] == [*GPT_TYPES.values()]


def test_every_partition_of_ceph_s_is_data_and_no_other(tmp_path: Path) -> None:
    table = "label: gpt\n" + "".join(f"size=1M, type={guid}\n" for guid in GPT_TYPES)
    inventory = look(made(tmp_path / "all.img", table))
    expected = [partition.path for _, partition in inventory.partitions() if partition.type in CEPH_TYPES]
    assert {item.device.path for item in protected(inventory)} == set(expected)


@pytest.mark.needs("mkfs.ext4", "mkfs.vfat", "mkswap")
def test_filesystems_labels_and_attributes(tmp_path: Path) -> None:
    image = made(
        tmp_path / "a 'disk\n1",
        "label: gpt\nlabel-id: 366423c9-25db-8044-8cd5-412718ca3e30\nfirst-lba: 2048\n"
        'start=1MiB, size=8MiB, type=uefi, uuid=aabcff8f-1ee1-d94e-b810-787e876f79f3, name="efi é", attrs="RequiredPartition GUID:60"\n'
        "start=16MiB, size=16MiB, type=linux\nstart=40MiB, size=8MiB, type=swap\n",
    )
    filesystem(image, 1, 8, "mkfs.vfat", "-n", "EFI")
    filesystem(image, 16, 16, "mkfs.ext4", "-q", "-L", 'a "b\\', "-U", FSID)
    filesystem(image, 40, 8, "mkswap", "-L", "sw")
    (disk,) = look(image).disks
    assert (disk.path, disk.size_bytes, disk.kind.value, disk.sector_bytes) == (str(image), 200 * MIB, "image", 512)
    assert disk.table is not None
    assert (disk.table.kind, disk.table.uuid, disk.table.first_sector) == (TableKind.GPT, "366423c9-25db-8044-8cd5-412718ca3e30", 2048)
    efi, root, swap = disk.partitions
    assert (efi.path, efi.start_sector, efi.sectors) == (f"{image}p1", 2048, 16384)
    assert (efi.uuid, efi.label, efi.attributes) == ("aabcff8f-1ee1-d94e-b810-787e876f79f3", "efi é", ("GUID:60", "RequiredPartition"))
    contents = [(item.content.type, item.content.usage, item.content.label) for item in (efi, root, swap) if item.content]
    assert contents == [("vfat", "filesystem", "EFI"), ("ext4", "filesystem", 'a "b\\'), ("swap", "other", "sw")]
    assert root.content is not None
    assert root.content.uuid == FSID


def test_osds_by_their_labels(tmp_path: Path) -> None:
    table = "label: gpt\nstart=1MiB, size=8MiB, type=cafecafe-9b03-4f30-b4c6-b4b80ceff106\nstart=16MiB, size=8MiB, type=linux\n"
    image = made(tmp_path / "disk.img", table)
    bluestore(image, MIB, whoami="3", ceph_fsid="0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9", osd_key="AQSECRET")
    bluestore(image, 16 * MIB, "bluefs db")
    inventory = look(image)
    (osd,) = inventory.osds
    assert (osd.id, osd.fsid, osd.cluster_fsid, osd.kind) == (3, FSID, "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9", OsdKind.RAW)
    assert [device.path for device in osd.devices] == [f"{image}1", f"{image}2"]
    assert "SECRET" not in repr(inventory)
    assert {item.device.path: item.reasons[-1] for item in protected(inventory)} == {
        f"{image}1": "bluestore label",
        f"{image}2": "bluestore label",
    }


def test_an_image_without_a_table_is_looked_at_as_a_whole(tmp_path: Path) -> None:
    image = tmp_path / "osd.img"
    image.write_bytes(bytes(8 * MIB))
    bluestore(image, 0, whoami="7")
    inventory = look(image)
    assert (inventory.disks[0].table, inventory.disks[0].partitions) == (None, ())
    assert [(osd.id, osd.devices[0].path) for osd in inventory.osds] == [(7, str(image))]


@pytest.mark.needs("mkfs.ext4")
def test_an_osd_on_what_was_a_filesystem_is_found_although_blkid_cannot_tell(tmp_path: Path) -> None:
    image = made(tmp_path / "disk.img", "label: gpt\nstart=1MiB, size=16MiB, type=linux\n")
    filesystem(image, 1, 16, "mkfs.ext4", "-q")
    bluestore(image, MIB, whoami="3")
    inventory = look(image)
    assert inventory.disks[0].partitions[0].content == Signature("ambivalent")
    assert [item.reasons for item in protected(inventory)] == [("osd.3: block",)]


def test_an_mbr_with_logical_partitions(tmp_path: Path) -> None:
    table = "label: dos\nlabel-id: 0x5a7e1c09\nstart=1MiB, size=8MiB, type=83, bootable\n"
    table += "start=16MiB, size=32MiB, type=5\nstart=17MiB, size=8MiB, type=8e\n"
    (disk,) = look(made(tmp_path / "disk.img", table)).disks
    assert disk.table is not None
    assert (disk.table.kind, disk.table.uuid) == (TableKind.MBR, "5a7e1c09")
    assert [(item.number, item.type_name, item.uuid, item.attributes) for item in disk.partitions] == [
        (1, "linux", "5a7e1c09-01", ("Bootable",)),
        (2, "extended", "5a7e1c09-02", ()),
        (5, "lvm", "5a7e1c09-05", ()),
    ]


def test_a_damaged_table_is_listed_and_said_to_be(tmp_path: Path) -> None:
    image = made(tmp_path / "disk.img", "label: gpt\nsize=8MiB, type=linux\n")
    with image.open("r+b") as file:
        file.seek(512 + 20)
        file.write(b"\xff\xff\xff")
    (disk,) = look(image).disks
    assert disk.table is not None
    assert [problem for problem in disk.table.problems if "corrupt" in problem]
    assert len(disk.partitions) == 1
    with image.open("r+b") as file:
        file.seek(200 * MIB - 512)
        file.write(bytes(512))
    (disk,) = look(image).disks
    assert disk.table is None or disk.table.problems


def test_a_disk_with_sectors_of_4096_bytes_is_not_taken_for_another(tmp_path: Path) -> None:
    image = tmp_path / "4kn.img"
    image.write_bytes(bytes(4096) + b"EFI PART" + bytes(MIB))
    with pytest.raises(ReprovError) as raised:
        look(image)
    assert raised.value.message == f"{image}: the image of a disk with sectors of 4096 bytes"


def test_what_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "empty.img").touch()
    for path in (tmp_path, tmp_path / "empty.img", Path("/dev/null")):
        with pytest.raises(InvalidInput) as raised:
            look(path)
        assert raised.value.message == f"{path} is no disk image"


def test_an_image_is_not_written_and_one_that_cannot_be_is_listed(tmp_path: Path) -> None:
    image = made(tmp_path / "disk.img", "label: gpt\nsize=8MiB, type=4fbd7e29-9d25-41b8-afd0-062c0ceff05d\n")
    bluestore(image, MIB, whoami="1")
    image.chmod(0o400)
    os.utime(image, ns=(0, 0))
    before = hashlib.sha256(image.read_bytes()).digest(), image.stat().st_mtime_ns
    assert look(image).osds[0].id == 1
    assert (hashlib.sha256(image.read_bytes()).digest(), image.stat().st_mtime_ns) == before


@pytest.mark.needs("strace")
def test_neither_we_nor_our_tools_open_an_image_for_writing(tmp_path: Path) -> None:
    image = made(tmp_path / "disk.img", "label: gpt\nsize=8MiB, type=linux\nsize=8MiB, type=linux\n")
    trace = tmp_path / "trace"
    tool(
        "strace",
        "-f",
        "-e",
        "trace=open,openat,openat2,creat",
        "-o",
        trace,
        sys.executable,
        "-m",
        "reprov",
        "inventory",
        "--image",
        image,
        "--json",
    )
    opened = [line for line in trace.read_text().splitlines() if str(image) in line and "open" in line]
    assert len(opened) >= 4  # us, sfdisk, blkid for each partition
    assert not [line for line in opened if "O_WRONLY" in line or "O_RDWR" in line or "O_CREAT" in line]
