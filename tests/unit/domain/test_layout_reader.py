"""A layout is read from YAML and from JSON alike; every mistake is named with its file and line."""

import json

import pytest

from reprov.domain.json_text import JsonText
from reprov.domain.layout import MIB, DiskChoice, Layout, OsPartition, Preserve
from reprov.domain.layout_reader import read_layout
from reprov.domain.partition_types import guid_of
from reprov.domain.yaml_text import YamlText
from reprov.errors import InvalidInput

# The example of the design.
WHOLE = """\
disk: {wwn: "0x5002538E40A1B2C3", serial: S3Z9}
partitions:                              # the operating system's own
  - {name: efi, type: esp, size: 512M, filesystem: vfat, mount: /boot/efi, label: EFI}
  - {name: root, size: 40G, filesystem: ext4, mount: /}
  - {name: swap, size: 1G, filesystem: swap}
  - {name: grub, type: 21686148-6449-6E6F-744E-656564454649, size: 1M}
preserve:
  - {type: ceph-osd-data}
  - {label: srv data}
  - {partuuid: AAAAAAAA-2222-3333-4444-555555555555}
  - {vg: ceph-5b3c}
"""
LAYOUT = Layout(
    DiskChoice(wwn="0x5002538e40a1b2c3", serial="S3Z9"),
    (
        OsPartition("efi", guid_of("esp"), "esp", 512 * MIB, "vfat", "/boot/efi", "EFI"),
        OsPartition("root", guid_of("linux"), "linux", 40960 * MIB, "ext4", "/"),
        OsPartition("swap", guid_of("swap"), "swap", 1024 * MIB, "swap"),
        OsPartition("grub", guid_of("bios-boot"), "bios-boot", MIB),
    ),
    (
        Preserve(type=guid_of("ceph-osd-data"), type_name="ceph-osd-data"),
        Preserve(label="srv data"),
        Preserve(partuuid="aaaaaaaa-2222-3333-4444-555555555555"),
        Preserve(vg="ceph-5b3c"),
    ),
)


def test_yaml() -> None:
    assert read_layout(YamlText(WHOLE, "layout", "a layout")) == LAYOUT


def test_the_same_as_json() -> None:
    text = json.dumps(YamlText(WHOLE, "layout", "a layout").data, indent=1)
    assert read_layout(JsonText(text, "layout", "a layout")) == LAYOUT


def test_rules_say_what_they_ask_for() -> None:
    assert [str(rule) for rule in LAYOUT.preserve] == [
        "type ceph-osd-data",
        "label srv data",
        "PARTUUID aaaaaaaa-2222-3333-4444-555555555555",
        "volume group ceph-5b3c",
    ]


TOP = "disk: {serial: S}\npartitions:\n- {name: root, size: 1G, filesystem: ext4, mount: /}\n"


def with_partition(fields: str) -> str:
    return f"{TOP}- {{{fields}}}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("- a\n", "l:1: a layout is a list of 'key: value' lines", id="no mapping at all"),
        pytest.param(TOP + "preserv: []\n", "l:4: unknown key 'preserv' (did you mean 'preserve'?)", id="a key with a typing error"),
        pytest.param(TOP + "lvm: {}\n", "l:4: unknown key 'lvm' (known: disk, partitions, preserve)", id="a key like no other"),
        pytest.param("partitions: []\n", "l:1: the layout names no partition of the operating system", id="no partitions"),
        pytest.param("partitions: {a: b}\n", "l:1: partitions is a list", id="partitions that are no list"),
        pytest.param("partitions:\n- root\n", "l:2: an entry of partitions is made of keys and values", id="a partition that is a word"),
        pytest.param(TOP.replace("disk: {serial: S}\n", ""), "l:1: 'disk' is missing", id="no disk"),
        pytest.param(TOP.replace("serial: S", "serial: 123"), "l:1: serial: 123 is not text (write it in quotes)", id="a serial in digits"),
        pytest.param(TOP.replace("{serial: S}", "{}"), "l:1: disk: name it by wwn, serial or image", id="an unnamed disk"),
        pytest.param(TOP.replace("serial", "wnn"), "l:1: unknown key 'wnn' (did you mean 'wwn'?)", id="a key of the disk"),
        pytest.param(
            TOP.replace("serial: S", "serial: S, image: i"), "l:1: disk: an image has neither wwn nor serial", id="an image with a serial"
        ),
        pytest.param(
            TOP.replace("serial: S", "serial: S, create-table: 1"),
            "l:1: create-table: 1 is neither true nor false",
            id="a flag that is none",
        ),
        pytest.param(TOP.replace("mount: /", "mount: /a"), "l:2: no partition is mounted at /", id="no root"),
        pytest.param(with_partition("size: 1G"), "l:4: 'name' is missing", id="a partition without name"),
        pytest.param(with_partition("name: a"), "l:4: 'size' is missing", id="a partition without size"),
        pytest.param(with_partition("name: root, size: 1G"), "l:4: name: two partitions have 'root'", id="two of one name"),
        pytest.param(
            with_partition("name: a, size: 1G, filesystem: xfs, mount: /"), "l:4: mount: two partitions have '/'", id="two of one mount"
        ),
        pytest.param(
            with_partition("name: 'a\"b', size: 1G"),
            "l:4: name: 'a\"b' is not a partition name (at most 36 of A-Z a-z 0-9 . _ - and space)",
            id="a name that sfdisk would take apart",
        ),
        pytest.param(with_partition('name: "a\\nb", size: 1G'), "l:4: name: 'a\\nb' is no name", id="a name of two lines"),
        pytest.param(
            with_partition("name: a, size: 1.5G"), "l:4: size is a whole number of M, G or T (powers of 1024), as in 512M", id="half a size"
        ),
        pytest.param(
            with_partition("name: a, size: 0M"), "l:4: size is a whole number of M, G or T (powers of 1024), as in 512M", id="no size"
        ),
        pytest.param(
            with_partition("name: a, size: 1G, filesystem: ext5"),
            "l:4: filesystem: reprov makes no 'ext5' (known: btrfs, ext4, swap, vfat, xfs)",
            id="an unknown filesystem",
        ),
        pytest.param(
            with_partition("name: a, size: 1G, type: linus"),
            "l:4: type: there is no partition type 'linus' (did you mean 'linux'?)",
            id="a type with a typing error",
        ),
        pytest.param(
            with_partition("name: a, size: 1G, type: ceph-block"),
            "l:4: type: ceph-block is Ceph's, and never a partition of the operating system (it can be preserved)",
            id="an OSD is no partition of the system",
        ),
        pytest.param(
            with_partition("name: a, size: 1G, mount: /a"),
            "l:4: mount: a partition without filesystem cannot be mounted",
            id="no filesystem",
        ),
        pytest.param(
            with_partition("name: a, size: 1G, filesystem: swap, mount: /a"),
            "l:4: mount: a partition of swap cannot be mounted",
            id="swap with a mount point",
        ),
        pytest.param(
            with_partition("name: a, size: 1G, filesystem: xfs, mount: /a/../b"),
            "l:4: mount: '/a/../b' is not an absolute mount point",
            id="a mount point with dots",
        ),
        pytest.param(
            with_partition("name: a, size: 1G, label: x"),
            "l:4: label: that of the filesystem, and there is none; the partition itself is called by its name",
            id="a label of nothing",
        ),
        pytest.param(
            with_partition("name: a, size: 1G, filesystem: vfat, label: ABCDEFGHIJKL"),
            "l:4: label: vfat takes at most 11 bytes",
            id="a label that is too long",
        ),
        pytest.param(
            TOP + "preserve:\n- {type: a, vg: b}\n",
            "l:5: preserve: one of type, label, partuuid or vg in each entry",
            id="two rules in one",
        ),
        pytest.param(TOP + "preserve:\n- {partuuid: 1-2}\n", "l:5: partuuid: '1-2' is no GUID", id="half a PARTUUID"),
        pytest.param(
            with_partition("name: a, size: 1G, filesystem: ext4, mount: /proc/a"),
            "l:4: mount: nothing of a disk is mounted at /proc/a before the system runs",
            id="a mount in a directory of the kernel",
        ),
        pytest.param(
            with_partition("name: a, size: 1G, filesystem: ext4, mount: /etc"),
            "l:4: mount: nothing of a disk is mounted at /etc before the system runs",
            id="a mount on the directory of fstab",
        ),
        pytest.param(
            TOP.replace("ext4", "vfat"), "l:3: filesystem: vfat has neither owners nor links, and cannot be /", id="a root of vfat"
        ),
        pytest.param(with_partition("name: a, size: 299M, filesystem: xfs"), "l:4: size: xfs takes at least 300M", id="too little for XFS"),
        pytest.param("[" * 100_000, "l:1: not a layout: nested too deep", id="a text that is meant to break the reader"),
        pytest.param(
            TOP + "preserve:\n- {type: linux}\n",
            "l:5: preserve: type linux is also the layout's own partition 'root'",
            id="a rule that preserves what the layout formats",
        ),
        pytest.param(
            TOP + "preserve:\n- {label: root}\n",
            "l:5: preserve: label root is also the layout's own partition 'root'",
            id="a label that preserves what the layout formats",
        ),
    ],
)
def test_mistakes(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_layout(YamlText(text, "l", "a layout"))
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param('{\n"disk": {,', "l:2: not JSON: Expecting property name enclosed in double quotes", id="no JSON"),
        pytest.param("[]", "l:1: a layout is an object, in braces", id="a list"),
        pytest.param('{"disk": {},\n "a": 1,\n "disk": {}}', "l:3: 'disk' stands in line 1 already", id="a key that stands twice"),
        pytest.param('{"a": [1, {"b": 2,\n"b": 3}]}', "l:2: 'b' stands in line 1 already", id="the same in a list"),
        pytest.param('{\n"partitions": [\n {"name": "a",\n  "siez": "1G"}]}', "l:4: unknown key 'siez' (did you mean 'size'?)", id="a key"),
        pytest.param('{"partitions": [\n{"name": "a"}]}', "l:2: 'size' is missing", id="what is missing"),
        pytest.param("[" * 100_000, "l:1: not a layout: nested too deep", id="a text that is meant to break the reader"),
    ],
)
def test_mistakes_in_json(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_layout(JsonText(text, "l", "a layout"))
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("partition", "program"),
    [
        pytest.param(OsPartition("r", "t", "", MIB, "ext4", "/", "root"), ("mkfs.ext4", "-q", "-F", "-L", "root", "D"), id="ext4"),
        pytest.param(OsPartition("r", "t", "", MIB, "xfs"), ("mkfs.xfs", "-q", "-f", "D"), id="xfs without label"),
        pytest.param(OsPartition("r", "t", "", 512 * MIB, "vfat", label="E"), ("mkfs.vfat", "-F", "32", "-n", "E", "D"), id="FAT32"),
        pytest.param(OsPartition("r", "t", "", 64 * MIB, "vfat"), ("mkfs.vfat", "D"), id="FAT as it fits"),
        pytest.param(OsPartition("r", "t", "", MIB, "swap", label="s"), ("mkswap", "-L", "s", "D"), id="swap"),
    ],
)
def test_what_makes_a_filesystem(partition: OsPartition, program: tuple[str, ...]) -> None:
    assert partition.format_commands("D") == (("wipefs", "--quiet", "--all", "D"), program)


def test_without_filesystem_nothing_is_written() -> None:
    assert OsPartition("grub", "t", "", MIB).format_commands("D") == ()
