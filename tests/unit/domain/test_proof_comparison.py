"""Two proofs side by side: what is a difference, what is a remark, and how far the proof of each device reaches."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from reprov.domain.bluestore import BluestoreLabel
from reprov.domain.inventory import Signature
from reprov.domain.partition_types import guid_of
from reprov.domain.proof import Fingerprint, Proof, ProvenDevice, ProvenOsd, TableEntry
from reprov.domain.proof_comparison import MISSING, Difference, Extent, compare, differences

BLOCK, LINUX = guid_of("ceph-block"), guid_of("linux")
PRINT = Fingerprint("aa", "bb", written_sectors=100, discarded_sectors=8)
ENTRY = TableEntry("gpt", "t-1", 512, 2, 2048, 4096, BLOCK, "p-1", "osd")
LABEL = BluestoreLabel("f-1", 4096 * 512, "block", 3, "c-1")
DEVICE = ProvenDevice("/dev/sda2", 4096 * 512, wwn="0x1", serial="S1", entry=ENTRY, bluestore=LABEL, fingerprint=PRINT)
VOLUME = ProvenDevice("/dev/mapper/vg-lv", 4096, volume="vg/lv", uuid="u-1", tags=("a=1", "b=2"), fingerprint=PRINT)
DISK = ProvenDevice("/dev/sdb", 1 << 30, wwn="0x2", serial="S2", content=Signature("ext4", "filesystem", "fs-1", "data"), fingerprint=PRINT)
OSD = ProvenOsd(3, "f-1", "c-1", "raw", ("block /dev/sda2",))


def proof(*devices: ProvenDevice, osds: Sequence[ProvenOsd] = (), boot: str = "boot") -> Proof:
    """A proof of these."""
    return Proof("2026-01-01T00:00:00Z", boot, False, devices, tuple(osds))


def entry(**fields: object) -> ProvenDevice:
    """The partition with something else in its table entry."""
    return replace(DEVICE, entry=replace(ENTRY, **fields))  # type: ignore[arg-type] # each case names fields of its own


def written(**fields: object) -> ProvenDevice:
    """The partition with other bytes or counts."""
    return replace(DEVICE, fingerprint=replace(PRINT, **fields))  # type: ignore[arg-type] # likewise


CHANGES = {
    "number": (DEVICE, entry(number=3), ("number", "2", "3")),
    "start": (DEVICE, entry(start_sector=4096), ("start sector", "2048", "4096")),
    "size in the table": (DEVICE, entry(sectors=4095), ("sectors", "4096", "4095")),
    "size of the device": (DEVICE, replace(DEVICE, size_bytes=1), ("size", "2097152 bytes", "1 bytes")),
    "type": (DEVICE, entry(type=LINUX), ("type", f"{BLOCK} (ceph-block)", f"{LINUX} (linux)")),
    "label": (DEVICE, entry(label=""), ("label", "osd", "none")),
    "PARTUUID": (DEVICE, entry(uuid="p-2"), ("PARTUUID", "p-1", "p-2")),
    "attributes": (DEVICE, entry(attributes=("GUID:60",)), ("attributes", "none", "GUID:60")),
    "the kind of the table": (DEVICE, entry(table="dos"), ("table kind", "gpt", "dos")),
    "the UUID of the table": (DEVICE, entry(table_uuid="t-2"), ("table UUID", "t-1", "t-2")),
    "the size of a sector": (DEVICE, entry(sector_bytes=4096), ("sector size", "512", "4096")),
    "a table that is damaged now": (DEVICE, entry(problems=("corrupt",)), ("table problems", "none", "corrupt")),
    "an entry that is gone": (
        replace(DEVICE, entry=replace(ENTRY, uuid="")),
        replace(DEVICE, entry=None),
        ("table entry", f"number 2, 4096 sectors from 2048, type {BLOCK} (ceph-block)", "none"),
    ),
    "another disk": (DEVICE, replace(DEVICE, wwn="0x9"), ("disk WWN", "0x1", "0x9")),
    "a disk with another serial number": (DEVICE, replace(DEVICE, serial="S9"), ("disk serial", "S1", "S9")),
    "the fsid in the label": (DEVICE, replace(DEVICE, bluestore=replace(LABEL, osd_fsid="f-2")), ("bluestore fsid", "f-1", "f-2")),
    "the id in the label": (DEVICE, replace(DEVICE, bluestore=replace(LABEL, osd_id=None)), ("bluestore id", "3", "none")),
    "the cluster in the label": (DEVICE, replace(DEVICE, bluestore=replace(LABEL, cluster_fsid="")), ("bluestore cluster", "c-1", "none")),
    "the first MiB": (DEVICE, written(first_sha256="zz"), ("first MiB", "sha256 aa", "sha256 zz")),
    "the last MiB": (DEVICE, written(last_sha256="zz"), ("last MiB", "sha256 bb", "sha256 zz")),
    "a byte somewhere": (written(whole_sha256="cc"), written(whole_sha256="zz"), ("whole device", "sha256 cc", "sha256 zz")),
    "a write": (DEVICE, written(written_sectors=108), ("sectors written", "100", "108")),
    "fewer writes than before, but some": (DEVICE, written(written_sectors=8), ("sectors written", "100", "8")),
    "a discard": (DEVICE, written(discarded_sectors=16), ("sectors discarded", "8", "16")),
    "a device that cannot be read any more": (
        DEVICE,
        replace(DEVICE, fingerprint=None, error="Input/output error"),
        ("reading", "readable", "Input/output error"),
    ),
    "a tag that is gone": (VOLUME, replace(VOLUME, tags=("b=2",)), ("tags removed", "a=1", "none")),
    "a tag that is new": (VOLUME, replace(VOLUME, tags=("a=1", "b=2", "c=3")), ("tags added", "none", "c=3")),
    "the name of a volume": (VOLUME, replace(VOLUME, volume="vg/other"), ("volume", "vg/lv", "vg/other")),
    "a filesystem made anew": (
        DISK,
        replace(DISK, content=Signature("ext4", "filesystem", "fs-2", "data")),
        ("content UUID", "fs-1", "fs-2"),
    ),
    "the label of a filesystem": (DISK, replace(DISK, content=Signature("ext4", "filesystem", "fs-1")), ("content label", "data", "none")),
}


@pytest.mark.parametrize(("before", "after", "wanted"), CHANGES.values(), ids=CHANGES)
def test_a_change_is_shown_side_by_side(before: ProvenDevice, after: ProvenDevice, wanted: tuple[str, str, str]) -> None:
    assert differences(proof(before), proof(after)) == (Difference(after.path, *wanted),)


SAME = {
    "nothing": (DEVICE, DEVICE),
    "another name": (DEVICE, replace(DEVICE, path="/dev/sdz2")),
    "other reasons": (DEVICE, replace(DEVICE, reasons=("rule: label x",))),
    "a system that knows no hardware": (DEVICE, replace(DEVICE, wwn="", serial="")),
    "a table that was mended": (entry(problems=("corrupt",)), DEVICE),
    "a partition that the kernel made anew": (DEVICE, written(written_sectors=0, discarded_sectors=0)),
    "a kernel that counts no discards": (DEVICE, written(discarded_sectors=None)),
    "a deep proof after one that was not": (DEVICE, written(whole_sha256="cc")),
    "a volume that is not active now": (VOLUME, replace(VOLUME, path="vg/lv", fingerprint=None, use="not active")),
}


@pytest.mark.parametrize(("before", "after"), SAME.values(), ids=SAME)
def test_no_difference(before: ProvenDevice, after: ProvenDevice) -> None:
    assert differences(proof(before), proof(after)) == ()


def test_counts_of_another_boot_say_nothing() -> None:
    after = written(written_sectors=5000)
    assert differences(proof(DEVICE), proof(after, boot="next")) == ()
    assert differences(proof(DEVICE, boot=""), proof(after, boot="")) == ()


def test_what_is_missing_is_a_difference_and_what_is_new_is_said() -> None:
    found = compare(proof(DEVICE, DISK), proof(DISK, VOLUME))
    assert found.differences == (Difference("/dev/sda2", "device", "PARTUUID p-1, 0x1", MISSING),)
    assert found.remarks == ("/dev/mapper/vg-lv: new, with nothing to compare it with",)
    assert [device.path for device in found.devices] == ["/dev/sdb"]


def test_a_deep_proof_beside_one_that_is_not_says_which_bytes_nobody_compared() -> None:
    shallow = proof(DEVICE)
    deep = replace(shallow, is_deep=True)
    said = "without --deep: no device is compared by every byte"
    assert compare(deep, shallow).remarks == (f"the proof now was made {said}",)
    assert compare(shallow, deep).remarks == (f"the earlier proof was made {said}",)
    assert compare(deep, deep).remarks == compare(shallow, shallow).remarks == ()


def test_names_that_moved_are_said_once() -> None:
    many = [replace(DEVICE, path=f"/dev/sd{letter}2", entry=replace(ENTRY, uuid=letter), wwn=letter) for letter in "abcde"]
    moved = [replace(device, path=device.path.replace("sd", "vd")) for device in many]
    found = compare(proof(*many), proof(*reversed(moved)))
    assert found.differences == ()
    assert found.remarks == ("other names: /dev/sde2 is /dev/vde2 now, /dev/sdd2 is /dev/vdd2 now, /dev/sdc2 is /dev/vdc2 now, and 2 more",)


def test_a_disk_that_was_copied_does_not_hide_the_one_it_was_copied_from() -> None:
    copy = replace(DEVICE, path="/dev/sdx2", wwn="0x7", serial="S7")
    damaged = written(first_sha256="zz")
    found = compare(proof(DEVICE), proof(copy, damaged))
    assert [(item.device, item.what) for item in found.differences] == [("/dev/sda2", "first MiB")]
    assert found.remarks == ("/dev/sdx2: new, with nothing to compare it with",)


def test_two_devices_that_only_their_path_tells_apart() -> None:
    one = ProvenDevice("/dev/vda", 10, fingerprint=PRINT)
    other = replace(one, path="/dev/vdb")
    assert differences(proof(one, other), proof(other, one)) == ()
    assert [item.device for item in differences(proof(one, other), proof(one))] == ["/dev/vdb"]


def test_a_device_in_use_is_proven_by_its_identity_alone() -> None:
    used = replace(DEVICE, fingerprint=None, use="mounted at /srv")
    free = written(first_sha256="zz")
    assert [(item.extent, item.why) for item in compare(proof(free), proof(used)).devices] == [(Extent.IDENTITY, "mounted at /srv")]
    assert [(item.extent, item.why) for item in compare(proof(used), proof(free)).devices] == [(Extent.IDENTITY, "before: mounted at /srv")]
    assert [item.extent for item in compare(proof(DEVICE), proof(DEVICE)).devices] == [Extent.ENDS]
    deep = written(whole_sha256="cc")
    assert [item.extent for item in compare(proof(deep), proof(deep)).devices] == [Extent.WHOLE]
    retyped = replace(used, entry=replace(ENTRY, type=LINUX))
    assert [item.what for item in differences(proof(used), proof(retyped))] == ["type"]


OSDS = {
    "is gone": ((OSD,), (), [("osd.3", "OSD", "f-1", MISSING)], []),
    "has another id": ((OSD,), (replace(OSD, id=4),), [("osd.3", "OSD id", "3", "4")], []),
    "has another cluster": ((OSD,), (replace(OSD, cluster_fsid="c-2"),), [("osd.3", "cluster fsid", "c-1", "c-2")], []),
    "has another fsid": ((OSD,), (replace(OSD, fsid="f-2"),), [("osd.3", "OSD", "f-1", MISSING)], ["osd.3: new"]),
    "is of another kind and elsewhere": ((OSD,), (replace(OSD, kind="lvm", devices=()),), [], []),
    "is new": ((), (OSD,), [], ["osd.3: new"]),
    "has lost its directory": (
        (OSD,),
        (replace(OSD, id=None),),
        [],
        ["osd.3: its id cannot be told now (is its filesystem mounted?); its fsid is the same"],
    ),
    "has got its directory": ((replace(OSD, id=None),), (OSD,), [], []),
    "is a plain directory that is gone": ((ProvenOsd(1, "", "", "raw"),), (), [("osd.1", "OSD", "present", MISSING)], []),
}


@pytest.mark.parametrize(("before", "after", "wanted", "remarks"), OSDS.values(), ids=OSDS)
def test_an_osd_that(
    before: Sequence[ProvenOsd], after: Sequence[ProvenOsd], wanted: list[tuple[str, str, str, str]], remarks: list[str]
) -> None:
    found = compare(proof(osds=before), proof(osds=after))
    assert ([tuple(item) for item in found.differences], list(found.remarks)) == (wanted, remarks)
