"""LVM's metadata as it is on a physical volume: a recorded one, made by lvm2 2.03.16, and damaged ones.

The group of the recording has two physical volumes, of which this is the first, a volume with the tags of an OSD and a striped one.
"""

import gzip
import struct
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reprov.adapters.lvm_on_disk import read_lvm_on_disk
from reprov.domain.inventory import LogicalVolume, PhysicalVolume, VolumeGroup
from reprov.domain.lvm import Lvm
from reprov.domain.lvm_metadata import PhysicalLabel, parse_label, parse_text, text_places, volumes_of
from reprov.domain.probing import Place
from reprov.errors import ReprovError

RECORDED = gzip.decompress((Path(__file__).parents[2] / "recordings/lvm/physical-volume.gz").read_bytes())
UUID = "JxqE82-GFyv-P8zt-trYv-75Nw-6cur-aaaxBr"
AREA = (4096, 1044480)
HEADER = RECORDED[4096:4608]


def at(folder: Path, data: bytes, offset_bytes: int = 0) -> Place:
    """A file that holds a physical volume somewhere."""
    (folder / "disk").write_bytes(bytes(offset_bytes) + data)
    return Place("pv", str(folder / "disk"), offset_bytes, len(data))


@pytest.mark.parametrize("offset_bytes", [0, 512 * 2048 + 512], ids=["at the start", "in a partition"])
def test_a_recorded_physical_volume(tmp_path: Path, offset_bytes: int) -> None:
    assert read_lvm_on_disk([at(tmp_path, RECORDED, offset_bytes)]) == Lvm(
        (
            PhysicalVolume("pv", UUID, "ceph-aaaa", 205520896),
            PhysicalVolume("[unknown]", "AwTpok-AVF3-lTZ3-brIG-3ipV-YKIn-z2bbB4", "ceph-aaaa", 205520896),
        ),
        (VolumeGroup("ceph-aaaa", "ASpb4K-Fpfe-KkKN-uLdU-n5vM-injs-dFuzRD", 411041792, 306184192),),
        (
            LogicalVolume(
                "ceph-aaaa",
                "osd-block-a",
                "C5tgE5-0wNE-990b-cfNe-iE1y-NEJl-S2yOIj",
                62914560,
                ("pv",),
                tags=(
                    "ceph.cephx_lockbox_secret=(redacted)",
                    "ceph.osd_fsid=c2c2c2c2-9d6a-4f26-8a4b-2b1a0a9f8e7d",
                    "ceph.osd_id=3",
                    "ceph.type=block",
                ),
            ),
            LogicalVolume("ceph-aaaa", "striped", "nBh684-c81O-4HKh-Ap8I-IH1R-w6XQ-aAnZJo", 41943040, ("[unknown]", "pv")),
        ),
    )


def test_a_physical_volume_in_no_group_is_known_and_one_with_a_damaged_header_is_not(tmp_path: Path) -> None:
    empty = RECORDED[:4136] + bytes(24) + RECORDED[4160:]
    assert read_lvm_on_disk([at(tmp_path, empty)]) == Lvm((PhysicalVolume("pv", UUID, "", 209715200),))
    damaged = RECORDED[:4100] + bytes(16) + RECORDED[4116:]
    assert read_lvm_on_disk([at(tmp_path, damaged)]) == Lvm()


def test_metadata_that_ends_before_it_should_is_an_error_with_its_place(tmp_path: Path) -> None:
    (offset, size), *_ = text_places(HEADER, AREA)
    with pytest.raises(ReprovError) as raised:
        read_lvm_on_disk([at(tmp_path, RECORDED[: offset + size // 2])])
    assert raised.value.message.startswith("pv: not LVM's metadata (ValueError: ")


def test_a_text_goes_on_at_the_start_of_its_area() -> None:
    header = HEADER[:40] + struct.pack("<QQII", AREA[1] - 100, 300, 0, 0) + HEADER[64:]
    assert text_places(header, AREA) == ((4096 + AREA[1] - 100, 100), (4096 + 512, 200))


UNUSED = {
    "an area that is switched off": HEADER[:40] + struct.pack("<QQII", 512, 300, 0, 1) + HEADER[64:],
    "a text outside": HEADER[:40] + struct.pack("<QQII", AREA[1], 300, 0, 0) + HEADER[64:],
    "an enormous text": HEADER[:40] + struct.pack("<QQII", 512, 1 << 60, 0, 0) + HEADER[64:],
    "a header that is cut off": HEADER[:100],
    "nothing": b"",
}


@pytest.mark.parametrize("header", UNUSED.values(), ids=UNUSED)
def test_an_area_without_a_text_that_can_be_read(header: bytes) -> None:
    assert text_places(header, AREA) == ()


def group(seqno: int, name: str, **volumes: str) -> str:
    """A group on one physical volume."""
    made = "".join(
        f'{key} {{ id = "L{key}"\nstatus = ["VISIBLE"]\n segment1 {{ extent_count = 1\n {value} }} }}\n' for key, value in volumes.items()
    )
    physical = f'physical_volumes {{ pv0 {{ id = "{UUID}"\n pe_count = 5\n }} }}\n'
    return f'{name} {{ id = "G"\n seqno = {seqno}\n extent_size = 8\n {physical} logical_volumes {{ {made} }} }}\n'


LABELS = {"/dev/x": PhysicalLabel(UUID, 99, ())}


def test_the_newest_text_counts() -> None:
    found = volumes_of([(group(2, "new"), "a"), (group(1, "new", gone="x = 1"), "b")], LABELS, ())
    assert (found.groups, found.volumes) == ((VolumeGroup("new", "G", 5 * 4096, 5 * 4096),), ())


def test_a_thin_volume_lies_on_what_its_pool_lies_on() -> None:
    text = group(1, "g", thin='type = "thin"\n thin_pool = "pool"', pool='stripes = ["pv0", 0]', odd='type = "unknown"')
    assert {volume.name: volume.devices for volume in volumes_of([(text, "a")], LABELS, ()).volumes} == {
        "thin": ("/dev/x",),
        "pool": ("/dev/x",),
        "odd": ("/dev/x",),  # nothing leads to a device: the whole group's
    }


BAD = {
    "a { seqno = 1\n physical_volumes { } }": "x: not the metadata of a volume group (KeyError: 'extent_size')",
    "a { physical_volumes { } }": "x: not LVM's metadata (KeyError: 'seqno')",
    "a {": "x: not LVM's metadata (ValueError: section 'a' does not end)",
    "a }": "x: not LVM's metadata (ValueError: word 1 is neither a section nor a value)",
    '"secret"': "x: not LVM's metadata (ValueError: word 1 is neither a section nor a value)",
    "}": "x: not LVM's metadata (ValueError: a section ends that has not begun)",
    "a = [1": "x: not LVM's metadata (ValueError: a list does not end)",
    "a =": "x: not LVM's metadata (ValueError: a value is missing)",
    "a = }": "x: not LVM's metadata (ValueError: '}' is no value)",
    '"': "x: not LVM's metadata (ValueError: character 0 belongs to nothing)",
}


@pytest.mark.parametrize(("text", "message"), BAD.items(), ids=BAD)
def test_a_text_that_is_none_is_said_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ReprovError) as raised:
        volumes_of([(text, "x")], LABELS, ())
    assert raised.value.message == message


def test_the_text_format() -> None:
    assert parse_text('a = 1 # one\nb { c = "x \\"y\\" {"\n d = ["p", 0, ]\n }\nf = []\0\0') == {
        "a": 1,
        "b": {"c": 'x "y" {', "d": ("p", 0)},
        "f": (),
    }


@settings(max_examples=60)
@given(text=st.text(alphabet='ab{}=[],"\\#\n 1') | st.text())
@example(text="a {" * 1000)
@example(text="a = " + "[" * 5000 + "]")
def test_garbage_is_an_error_and_never_a_traceback(text: str) -> None:
    for whole in (text, f"g {{ seqno = 1\n extent_size = 8\n physical_volumes {{ {text} }} }}", group(1, "g", v=text)):
        try:
            volumes_of([(whole, "x")], LABELS, ())
        except ReprovError as error:
            assert error.message.startswith("x: ")


@settings(max_examples=60)
@given(place=st.integers(512, 700), data=st.binary(min_size=1, max_size=16))
def test_a_damaged_label_is_no_traceback(place: int, data: bytes) -> None:
    parse_label(RECORDED[:place] + data + RECORDED[place + len(data) : 2048])
    parse_label(RECORDED[:place])
