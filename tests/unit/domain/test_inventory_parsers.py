"""Readers of what sfdisk, blkid, LVM, Ceph and the kernel print: what they find, and what they say of what they cannot read."""

import json
import struct
import uuid
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reprov.domain.blkid import ambivalent, parse_place, parse_probe
from reprov.domain.block_device import attribute_names, block_device, decoded, is_storage
from reprov.domain.bluestore import LABEL_BYTES, BluestoreLabel, parse_label, parse_show_label
from reprov.domain.inventory import Signature, Swap, TableKind
from reprov.domain.lvm import parse_lvm, redacted
from reprov.domain.osd_directory import OsdDirectory, osd_directory, parse_simple
from reprov.domain.sfdisk import parse_sfdisk
from reprov.domain.swaps import parse_swaps
from reprov.errors import ReprovError

FSID = "6b6b5b0e-9d6a-4f26-8a4b-2b1a0a9f8e7d"
CLUSTER = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
GPT = {
    "partitiontable": {
        "label": "gpt",
        "id": "366423C9-25DB-8044-8CD5-412718CA3E30",
        "device": "disk1",
        "unit": "sectors",
        "firstlba": 34,
        "lastlba": 614366,
        "sectorsize": 512,
        "partitions": [
            {
                "node": "disk1p2",
                "start": 206848,
                "size": 204800,
                "type": "4FBD7E29-9D25-41B8-AFD0-062C0CEFF05D",
                "uuid": "3C8A5623-68FE-974B-8B1E-B05D8E0C2EB4",
                "name": 'a "b"\n',
                "attrs": "RequiredPartition GUID:60,63",
            },
            {
                "node": "disk1p1",
                "start": 2048,
                "size": 204800,
                "type": "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
                "uuid": "AABCFF8F-1EE1-D94E-B810-787E876F79F3",
            },
        ],
    }
}


def label_bytes(*, version: int = 2, description: str = "main", fields: dict[str, str] | None = None, cut: int = 0) -> bytes:
    """A label as Ceph writes it."""

    def text(value: str) -> bytes:
        return struct.pack("<I", len(value)) + value.encode()

    body = uuid.UUID(FSID).bytes + struct.pack("<QII", 2147483648, 1700000000, 5) + text(description)
    if version >= 2:
        pairs = fields or {}
        body += struct.pack("<I", len(pairs)) + b"".join(text(name) + text(value) for name, value in pairs.items())
    whole = b"bluestore block device\n" + FSID.encode() + b"\n" + struct.pack("<BBI", version, 1, len(body)) + body + b"\x01\x02\x03\x04"
    return (whole[:-cut] if cut else whole).ljust(LABEL_BYTES, b"\0")


def test_sfdisk_s_table_in_the_order_of_its_numbers() -> None:
    found = parse_sfdisk(json.dumps(GPT), "disk1", complaints="The backup GPT table is not on the end of the device.\n\n")
    assert found.table.kind is TableKind.GPT
    assert (found.table.uuid, found.table.first_sector, found.table.last_sector) == ("366423c9-25db-8044-8cd5-412718ca3e30", 34, 614366)
    assert found.table.problems == ("The backup GPT table is not on the end of the device.",)
    esp, osd = found.partitions
    assert (esp.number, esp.type_name, esp.label, esp.attributes) == (1, "esp", "", ())
    assert (osd.path, osd.number, osd.start_sector, osd.sectors) == ("disk1p2", 2, 206848, 204800)
    assert (osd.type_name, osd.uuid, osd.label) == ("ceph-osd-data", "3c8a5623-68fe-974b-8b1e-b05d8e0c2eb4", 'a "b"\n')
    assert osd.attributes == ("GUID:60", "GUID:63", "RequiredPartition")


NODES = {
    "a disk whose name ends in a letter": ("/dev/sda", "/dev/sda12", 12),
    "a disk whose name ends in a digit": ("/dev/nvme0n1", "/dev/nvme0n1p3", 3),
    "a map": ("/dev/mapper/mpatha", "/dev/mapper/mpatha-part2", 2),
    "a file whose name ends in p": ("x.p", "x.p1", 1),
}


@pytest.mark.parametrize(("device", "node", "number"), NODES.values(), ids=NODES)
def test_a_partition_s_number_is_the_end_of_its_name(device: str, node: str, number: int) -> None:
    table = {"label": "dos", "id": "0x1", "device": device, "partitions": [{"node": node, "start": 1, "size": 2, "type": "8e"}]}
    (found,) = parse_sfdisk(json.dumps({"partitiontable": table}), device).partitions
    assert (found.number, found.type_name, found.uuid) == (number, "lvm", f"00000001-{number:02x}")


def test_a_protective_mbr_alone_is_a_problem() -> None:
    table = {"label": "dos", "id": "0x0", "device": "d", "partitions": [{"node": "d1", "start": 1, "size": 2, "type": "ee"}]}
    assert parse_sfdisk(json.dumps({"partitiontable": table}), "d").table.problems == ("only the protective MBR of a GPT can be read",)


def test_a_version_of_sfdisk_that_tells_no_sector_size() -> None:
    text = json.dumps({"partitiontable": {"label": "sun", "device": "d"}})
    found = parse_sfdisk(text, "d", sector_bytes=4096)
    assert (found.sector_bytes, found.table.kind, found.partitions) == (4096, TableKind.OTHER, ())


def test_blkid_s_values_without_their_backslashes() -> None:
    text = 'DEVNAME=/dev/a\\ b\nLABEL=a\\ b\\"\\\\x\nUUID=1-2\nTYPE=ext4\nUSAGE=filesystem\n\nDEVNAME=/dev/c\nPTTYPE=gpt\n'
    assert parse_probe(text, "blkid") == {"/dev/a b": Signature("ext4", "filesystem", "1-2", 'a b"\\x')}


def test_blkid_s_values_in_udev_s_words() -> None:
    text = "ID_FS_LABEL=a__b_x\nID_FS_LABEL_ENC=a\\x20\\x22b\\x5cx\nID_FS_UUID_ENC=1-2\nID_FS_TYPE=ext4\nID_FS_USAGE=filesystem\n"
    assert parse_place(text, "x") == Signature("ext4", "filesystem", "1-2", 'a "b\\x')
    assert parse_place("", "x") is None


def test_blkid_tells_which_devices_look_like_several_things() -> None:
    assert ambivalent(
        "blkid: /dev/a b: ambivalent result (probably more filesystems on the device, use wipefs(8) to see more details)\n"
    ) == ("/dev/a b",)


LV = {"vg_name": "v", "lv_uuid": "u", "lv_path": "", "lv_size": "5", "lv_tags": ""}
PV = {"pv_uuid": "u", "vg_name": "v", "pv_size": "9"}
DEVICES = {
    "segments on several devices": ([("a", "/dev/x(0)"), ("a", "/dev/y(7)"), ("a", "/dev/x(9)")], ("/dev/x", "/dev/y")),
    "mirror halves": (
        [("a", "a_rimage_0(0),a_rimage_1(0)"), ("[a_rimage_0]", "/dev/x(1)"), ("[a_rimage_1]", "/dev/y(1)"), ("[a_rmeta_0]", "/dev/x(0)")],
        ("/dev/x", "/dev/y"),
    ),
    "a device that is missing": ([("a", "[unknown](0)"), ("a", "/dev/x(0)")], ("/dev/x",)),
    "a thin volume lies on the whole group": ([("a", "")], ("/dev/x", "/dev/y", "/dev/z")),
}


@pytest.mark.parametrize(("rows", "devices"), DEVICES.values(), ids=DEVICES)
def test_a_volume_s_devices(rows: list[tuple[str, str]], devices: tuple[str, ...]) -> None:
    pvs = {"report": [{"pv": [{**PV, "pv_name": f"/dev/{name}"} for name in "xyz"]}]}
    lvs = {"report": [{"lv": [{**LV, "lv_name": name, "devices": on} for name, on in rows]}]}
    (volume,) = parse_lvm(json.dumps(pvs), '{"report": [{"vg": []}]}', json.dumps(lvs)).volumes
    assert (volume.name, volume.devices) == ("a", devices)


TAGS = {
    "ceph.cephx_lockbox_secret=AQ==": "ceph.cephx_lockbox_secret=(redacted)",
    "ceph.cephx_lockbox_secret=": "ceph.cephx_lockbox_secret=(redacted)",
    "luks.key=1": "luks.key=(redacted)",
    "my_PASSWORD=1": "my_PASSWORD=(redacted)",
    "secret": "secret",
    "ceph.osd_id=3": "ceph.osd_id=3",
    "monkey=1": "monkey=1",
}


@pytest.mark.parametrize(("tag", "shown"), TAGS.items())
def test_what_names_a_secret_loses_its_value(tag: str, shown: str) -> None:
    assert redacted(tag) == (shown,)


MAIN = {"bfm_blocks": "1", "ceph_fsid": CLUSTER, "osd_key": "AQSECRET==", "whoami": "12"}
LABELS = {
    "a block device": (label_bytes(fields=MAIN), BluestoreLabel(FSID, 2147483648, "block", 12, CLUSTER)),
    "a db": (label_bytes(description="bluefs db"), BluestoreLabel(FSID, 2147483648, "db")),
    "a wal": (label_bytes(description="bluefs wal"), BluestoreLabel(FSID, 2147483648, "wal")),
    "something to come": (label_bytes(description="vacuum"), BluestoreLabel(FSID, 2147483648)),
    "the first version, without fields": (label_bytes(version=1), BluestoreLabel(FSID, 2147483648, "block")),
    "one that is cut off": (label_bytes(fields=MAIN, cut=40)[:150], BluestoreLabel(FSID)),
    "a damaged fsid": (b"bluestore block device\nnot a uuid".ljust(4096, b"\0"), BluestoreLabel("")),
    "another device": (b"\0" * 4096, None),
    "an empty one": (b"", None),
}


@pytest.mark.parametrize(("data", "label"), LABELS.values(), ids=LABELS)
def test_the_bytes_of_a_label(data: bytes, label: BluestoreLabel | None) -> None:
    assert parse_label(data) == label


def test_ceph_s_own_tool_tells_the_same_of_a_label() -> None:
    said = {"/dev/x": {"osd_uuid": FSID, "size": 2147483648, "btime": "2024", "description": "main", **MAIN}}
    assert parse_show_label(json.dumps(said), "x") == {"/dev/x": parse_label(label_bytes(fields=MAIN))}


def test_an_osd_s_directory() -> None:
    links = {"block": "/dev/x", "block.db": "/dev/y"}
    assert osd_directory("var/lib/ceph/osd/ceph-12", {"whoami": "12\n", "fsid": FSID + "\n"}, links, has_data=False) == OsdDirectory(
        "var/lib/ceph/osd/ceph-12", 12, FSID, "", (("block", "/dev/x"), ("db", "/dev/y"))
    )


NO_OSDS = {
    "an empty directory": ("var/lib/ceph/osd/ceph-12", {}),
    "another daemon": (f"var/lib/ceph/{CLUSTER}/mon.a", {"unit.run": ""}),
    "another name": ("var/lib/ceph/osd/lost+found", {"whoami": "1"}),
}


@pytest.mark.parametrize(("path", "files"), NO_OSDS.values(), ids=NO_OSDS)
def test_a_directory_that_is_no_osd_s(path: str, files: dict[str, str]) -> None:
    assert osd_directory(path, files, {}, has_data=False) is None


def test_swap() -> None:
    text = "Filename\n/dev/dm-1 partition 8388604 0 -2\n/a\\040file\\134 file 4 0 -3\n/gone\\040(deleted) file 4 0 1\n"
    assert parse_swaps(text) == (Swap("/dev/dm-1", 8589930496), Swap("/a file\\", 4096, True), Swap("/gone", 4096, True))


STORAGE = {
    "sda": ({"size": "8"}, True),
    "sr0": ({"size": "8"}, False),
    "ram0": ({"size": "8"}, False),
    "zram0": ({"size": "8"}, False),
    "loop1": ({"size": "0"}, False),
    "nvme0c0n1": ({"size": "8"}, False),
    "nvme0n1": ({"size": "8", "hidden": "1"}, False),
    "fd0": ({}, False),
}


@pytest.mark.parametrize(("name", "attributes", "expected"), [(name, *case) for name, case in STORAGE.items()], ids=STORAGE)
def test_what_is_storage(name: str, attributes: dict[str, str], expected: bool) -> None:
    assert is_storage(name, attributes) is expected


def test_udev_s_escapes_are_bytes() -> None:
    assert decoded(r"a\x20b\xc3\xa4\xff") == "a bä\udcff"


def test_attribute_bits_have_sfdisk_s_names() -> None:
    assert attribute_names(1 | 1 << 2 | 1 << 60) == ("GUID:60", "LegacyBIOSBootable", "RequiredPartition")


WWNS = {
    "naa.5002538e40a1b2c3": "0x5002538e40a1b2c3",
    "eui.0025385b71b0c1d2": "eui.0025385b71b0c1d2",
    "t10.ATA     QEMU": "",
}


@pytest.mark.parametrize(("wwid", "wwn"), WWNS.items())
def test_without_udev_a_wwn_comes_from_sysfs(wwid: str, wwn: str) -> None:
    assert block_device("sda", {}, {"wwid": wwid}).wwn == wwn


def sfdisk(text: str) -> object:
    """Read as sfdisk's."""
    return parse_sfdisk(text, "/dev/sda")


def pvs(text: str) -> object:
    """Read as pvs's."""
    return parse_lvm(text, '{"report": [{"vg": []}]}', '{"report": [{"lv": []}]}')


def show_label(text: str) -> object:
    """Read as ceph-bluestore-tool's."""
    return parse_show_label(text, "/dev/sda")


BAD: dict[str, tuple[Callable[[str], object], str, str]] = {
    "sfdisk, not JSON": (
        sfdisk,
        "x",
        "/dev/sda: sfdisk printed no partition table (JSONDecodeError: Expecting value: line 1 column 1 (char 0))",
    ),
    "sfdisk, no table": (sfdisk, "{}", "/dev/sda: sfdisk printed no partition table (KeyError: 'partitiontable')"),
    "sfdisk, a foreign partition": (
        sfdisk,
        '{"partitiontable": {"label": "gpt", "device": "a", "partitions": [{"node": "b1"}]}}',
        "/dev/sda: sfdisk printed no partition table (ValueError: 'b1' is no partition of 'a')",
    ),
    "blkid, a value of no device": (
        lambda text: parse_probe(text, "blkid"),
        "TYPE=ext4",
        "blkid: line 1 of what blkid printed is no value of a device: 'TYPE=ext4'",
    ),
    "blkid, no value": (
        lambda text: parse_probe(text, "blkid"),
        "DEVNAME=/dev/a\nx",
        "blkid: line 2 of what blkid printed is no value of a device: 'x'",
    ),
    "blkid of a place, no value": (
        lambda text: parse_place(text, "d at 512"),
        "ID_FS_TYPE=a\n\nx",
        "d at 512: line 2 of what blkid printed is no value: 'x'",
    ),
    "LVM, a column is missing": (
        pvs,
        '{"report": [{"pv": [{"pv_name": "/dev/a"}]}]}',
        "LVM: pvs printed no report that reprov can read (KeyError: 'pv_uuid')",
    ),
    "LVM, a number": (
        pvs,
        '{"report": [{"pv": [{"pv_name": "/dev/a", "pv_uuid": 1}]}]}',
        "LVM: pvs printed no text as pv_uuid of row 1",
    ),
    "LVM, a size with a unit": (
        pvs,
        '{"report": [{"pv": [{"pv_name": "/dev/a", "pv_uuid": "", "vg_name": "", "pv_size": "5g"}]}]}',
        "LVM printed '5g' as a number of bytes",
    ),
    "a label without size": (
        show_label,
        '{"/dev/sda": {"osd_uuid": "a"}}',
        "/dev/sda: ceph-bluestore-tool printed no label (KeyError: 'size')",
    ),
    "ceph-volume simple": (
        lambda text: parse_simple(text, "/etc/ceph/osd/1.json"),
        "[]",
        "/etc/ceph/osd/1.json: not a description of an OSD (AttributeError: 'list' object has no attribute 'get')",
    ),
    "swap": (parse_swaps, "Filename\n/dev/a\n", "/proc/swaps: line 2 is no swap: '/dev/a'"),
    "sysfs": (
        lambda text: block_device("sda", {}, {"size": text}),
        "x",
        "udev and sysfs tell nothing usable of sda: invalid literal for int() with base 10: 'x'",
    ),
}


@pytest.mark.parametrize(("parse", "text", "message"), BAD.values(), ids=BAD)
def test_what_cannot_be_read_is_said_with_its_place(parse: Callable[[str], object], text: str, message: str) -> None:
    with pytest.raises(ReprovError) as raised:
        parse(text)
    assert raised.value.message == message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*GPT["partitiontable"], "report", "pv", "node", "size"]), inner),
    max_leaves=6,
)
PARSERS: dict[str, Callable[[str], object]] = {
    "sfdisk": sfdisk,
    "blkid": lambda text: parse_probe(text, "blkid"),
    "blkid of a place": lambda text: parse_place(text, "blkid"),
    "pvs": pvs,
    "lvs": lambda text: parse_lvm('{"report": [{"pv": []}]}', '{"report": [{"vg": []}]}', text),
    "show-label": show_label,
    "simple": lambda text: parse_simple(text, "x"),
    "swaps": parse_swaps,
    "bytes of a label": lambda text: parse_label(b"bluestore block device\n" + text.encode("utf-8", "surrogatepass")),
}


@pytest.mark.parametrize("parse", PARSERS.values(), ids=PARSERS)
@settings(max_examples=25)
@given(text=st.text() | st.text(alphabet='{}[]":,=\\\n DEVNAME1') | JSON.map(json.dumps))
@example(text="[" * 100_000)
@example(text="1" * 5000)
def test_garbage_is_an_error_and_never_a_traceback(parse: Callable[[str], object], text: str) -> None:
    try:
        parse(text)
    except ReprovError as error:
        assert error.message


@settings(max_examples=40)
@given(data=st.data())
def test_a_mutilated_recording_is_an_error_and_never_a_traceback(data: st.DataObject) -> None:
    table = json.loads(json.dumps(GPT))
    place: dict[str, object] = table["partitiontable"]
    if data.draw(st.booleans()):
        place = data.draw(st.sampled_from(table["partitiontable"]["partitions"]))
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(JSON)
    try:
        parse_sfdisk(json.dumps(table), "disk1")
    except ReprovError as error:
        assert error.message.startswith("disk1: ")


@settings(max_examples=40)
@given(data=st.data(), at=st.integers(0, 250))
def test_a_label_with_damaged_bytes_is_still_a_label(data: st.DataObject, at: int) -> None:
    damaged = bytearray(label_bytes(fields=MAIN))
    damaged[60 + at : 60 + at + 4] = data.draw(st.binary(min_size=4, max_size=4))
    label = parse_label(bytes(damaged))
    assert label is not None
    assert label.osd_fsid == FSID
