"""A layout is read from YAML and from JSON alike; every mistake is named with its file and line."""

import json

import pytest

from reprov.domain.json_text import JsonText
from reprov.domain.layout import MIB, DiskChoice, Layout, OsPartition, OsVolume, Preserve
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


LVM = """\
disk: {serial: S}
partitions:
- {name: root, size: 1G, filesystem: ext4, mount: /}
- {name: system, size: 60G, group: sys}
lvm:
- {group: sys, name: var, size: 30G, filesystem: xfs, mount: /var, label: v}
- {group: sys, name: swap.1, size: 1G, filesystem: swap}
"""


def test_volumes() -> None:
    found = read_layout(YamlText(LVM, "layout", "a layout"))
    assert found.partitions[1] == OsPartition("system", guid_of("lvm"), "lvm", 61440 * MIB, group="sys")
    assert found.volumes == (
        OsVolume("sys", "var", 30720 * MIB, "xfs", "/var", "v"),
        OsVolume("sys", "swap.1", 1024 * MIB, "swap"),
    )
    assert [device.name for device in found.devices] == ["root", "system", "sys/var", "sys/swap.1"]


@pytest.mark.parametrize(("mount", "starts"), [("/", True), ("/usr", True), ("/var", False)])
def test_the_system_itself_on_volumes(mount: str, starts: bool) -> None:
    text = lvm("mount: /}", "mount: /boot}").replace("mount: /var", "mount: /") if mount == "/" else lvm("mount: /var", f"mount: {mount}")
    found = read_layout(YamlText(text, "layout", "a layout"))
    assert (found.volumes[0].mount, found.starts_from_volumes) == (mount, starts)


def lvm(old: str, new: str) -> str:
    assert LVM.count(old) == 1
    return LVM.replace(old, new)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(lvm("lvm:", "lvn:"), "l:5: unknown key 'lvn' (did you mean 'lvm'?)", id="the key with a typing error"),
        pytest.param(lvm("label: v", "lable: v"), "l:6: unknown key 'lable' (did you mean 'label'?)", id="a key of a volume"),
        pytest.param(
            lvm("group: sys, name: var", "group: sis, name: var"),
            "l:6: group: no partition of the layout has 'group: sis' (did you mean 'sys'?)",
            id="a group that the layout does not make",
        ),
        pytest.param(lvm("group: sys, name: var", "name: var"), "l:6: 'group' is missing", id="no group"),
        pytest.param(
            lvm("size: 60G", "size: 60G, type: linux"),
            "l:4: group: a partition of type linux carries no volume group (type: lvm does)",
            id="a type that is not LVM's",
        ),
        pytest.param(
            lvm("size: 60G", "size: 60G, filesystem: ext4"),
            "l:4: filesystem: that of a volume; the partition carries the volume group sys",
            id="a filesystem below LVM",
        ),
        pytest.param(
            lvm("group: sys}", "group: -f}"), "l:4: group: '-f' is not a name of a volume group (A-Z a-z 0-9 . _ -)", id="an option"
        ),
        pytest.param(
            lvm("name: var", "name: var_tmeta"),
            "l:6: name: 'var_tmeta' is not a name that a volume can have (A-Z a-z 0-9 . _ -)",
            id="a name that LVM keeps to itself",
        ),
        pytest.param(lvm("name: swap.1", "name: var"), "l:7: name: two volumes are sys/var", id="two of one name"),
        pytest.param(
            lvm("filesystem: swap", "filesystem: ext4, mount: /var"), "l:7: mount: something else has '/var', too", id="one mount"
        ),
        pytest.param(lvm("size: 1G, filesystem: swap", "size: 1G"), "l:7: 'filesystem' is missing", id="a volume without filesystem"),
        pytest.param(lvm("size: 30G", "size: 30X"), "l:6: size is a whole number of M, G or T (powers of 1024), as in 512M", id="no size"),
        *(
            pytest.param(
                lvm("mount: /var", f"mount: {mount}"),
                f"l:6: mount: {mount} needs a partition of its own: what starts the kernel does not look into LVM",
                id=f"{mount} on LVM",
            )
            for mount in ("/boot", "/boot/efi", "/efi")
        ),
        pytest.param(
            lvm("mount: /}", "mount: /srv}").replace("mount: /var", "mount: /"),
            "l:6: mount: with / on a volume, /boot needs a partition of its own for the kernel",
            id="/ on LVM, and the kernel with it",
        ),
        pytest.param(lvm("mount: /}", "mount: /srv}"), "l:2: no partition or volume is mounted at /", id="no root"),
        pytest.param(lvm("mount: /var", "mount: /"), "l:6: mount: something else has '/', too", id="two roots"),
        pytest.param(
            lvm("lvm:", "- {name: more, size: 1G, group: sys}\nlvm:"),
            "l:5: group: two partitions have 'sys'",
            id="two physical volumes of one group",
        ),
        pytest.param(
            lvm("lvm:", "- {name: more, size: 1G, group: more}\nlvm:"), "l:5: group: lvm names no volume of 'more'", id="an empty group"
        ),
        pytest.param(
            lvm("serial: S", "image: i"),
            "l:5: lvm: volumes are made on disks, not in images: this machine would have to activate them",
            id="an image",
        ),
        pytest.param(
            LVM + "preserve:\n- {vg: sys}\n",
            "l:9: preserve: volume group sys is also the layout's own volume sys/var",
            id="a rule that preserves the layout's group",
        ),
        pytest.param(
            LVM + "preserve:\n- {label: v}\n",
            "l:9: preserve: label v is also the layout's own volume sys/var",
            id="a label that preserves the layout's volume",
        ),
    ],
)
def test_mistakes_with_volumes(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_layout(YamlText(text, "l", "a layout"))
    assert caught.value.message == message


TOP = "disk: {serial: S}\npartitions:\n- {name: root, size: 1G, filesystem: ext4, mount: /}\n"


def with_partition(fields: str) -> str:
    return f"{TOP}- {{{fields}}}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("- a\n", "l:1: a layout is a list of 'key: value' lines", id="no mapping at all"),
        pytest.param(TOP + "preserv: []\n", "l:4: unknown key 'preserv' (did you mean 'preserve'?)", id="a key with a typing error"),
        pytest.param(TOP + "zpool: {}\n", "l:4: unknown key 'zpool' (known: disk, partitions, lvm, preserve)", id="a key like no other"),
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
        pytest.param(TOP.replace("mount: /", "mount: /a"), "l:2: no partition or volume is mounted at /", id="no root"),
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
