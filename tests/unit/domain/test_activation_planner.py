"""What is decided of OSDs: on recorded layouts and on made-up nodes."""

from dataclasses import replace

import pytest

from reprov.domain.activation import ActivationFacts, Decision, Home, Means, Method, OsdProcess, State
from reprov.domain.activation_planner import decide
from reprov.domain.bluestore import BluestoreLabel
from reprov.domain.inventory import DeviceRef, Osd, OsdKind
from reprov.domain.osd_directory import OsdDirectory
from reprov.domain.proof import ProvenOsd
from tests.inventory_layouts import inventory_of

CLUSTER = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
OTHER = "ffffffff-4e5f-6071-8293-a4b5c6d7e8f9"
ALL = Means("node-1", CLUSTER, has_systemd=True, has_ceph_volume=True, has_bluestore_tool=True, can_ask_cluster=True)
BARE = replace(ALL, has_systemd=False)
NO_VOLUME = replace(ALL, has_ceph_volume=False)
NOTHING = Means("node-1", CLUSTER)

SDA, SDB = DeviceRef("/dev/sda", disks=("w-1",)), DeviceRef("/dev/sdb", disks=("w-2",))
RAW = Osd(3, "f-3", CLUSTER, OsdKind.RAW, block=SDA)
LVM = Osd(4, "f-4", CLUSTER, OsdKind.LVM, block=DeviceRef("/dev/mapper/vg-osd", volume="vg/osd"))
DISK = Osd(None, "f-5", "", OsdKind.CEPH_DISK, data=DeviceRef("/dev/sdc1", partuuid="f-5"))
CEPHADM = Osd(6, "f-6", CLUSTER, OsdKind.CEPHADM, block=SDB, directory=f"var/lib/ceph/{CLUSTER}/osd.6")
LABEL = BluestoreLabel("f-3", 1, "block", 3, CLUSTER)
HOME = Home(OsdDirectory("var/lib/ceph/osd/ceph-3", 3, "f-3", CLUSTER, (("block", "/dev/sda"),)), has_keyring=True)
AT_HOME = replace(RAW, directory="var/lib/ceph/osd/ceph-3")


def said(facts: ActivationFacts, *before: ProvenOsd) -> list[str]:
    """A word for each OSD: its method, its state, or why it is left alone."""
    return [decision.reason or (decision.method.value if decision.method else decision.state.value) for decision in decide(facts, before)]


def facts(osd: Osd, *others: Osd, means: Means = ALL, filesystem: str = "xfs") -> ActivationFacts:
    return ActivationFacts((osd, *others), means, filesystems={"/dev/sdc1": filesystem})


METHODS = {
    "a raw one": (facts(RAW), "ceph-volume raw"),
    "a raw one without ceph-volume": (facts(RAW, means=NO_VOLUME), "prime-osd-dir"),
    "a raw one with no tool": (facts(RAW, means=NOTHING), "there is neither ceph-volume nor ceph-bluestore-tool"),
    "one on a volume": (facts(LVM), "ceph-volume lvm"),
    "one on a volume without ceph-volume": (facts(LVM, means=NO_VOLUME), "prime-osd-dir"),
    "an encrypted one": (facts(replace(LVM, is_encrypted=True)), "ceph-volume lvm"),
    "an encrypted one without ceph-volume": (
        facts(replace(LVM, is_encrypted=True), means=NO_VOLUME),
        "it is encrypted, and there is no ceph-volume to open it",
    ),
    "one of ceph-disk": (facts(DISK), "ceph-volume simple"),
    "one of ceph-disk without ceph-volume": (facts(DISK, means=NO_VOLUME), "mount"),
    "an encrypted one of ceph-disk without ceph-volume": (
        facts(replace(DISK, is_encrypted=True), means=NO_VOLUME),
        "it is encrypted, and there is no ceph-volume to open it",
    ),
    "one of ceph-disk that no filesystem is on": (
        facts(DISK, means=NO_VOLUME, filesystem="crypto_LUKS"),
        "its data partition holds crypto_LUKS",
    ),
    "one of cephadm whose directory is there": (
        replace(facts(CEPHADM), homes=(Home(OsdDirectory(CEPHADM.directory, 6, "f-6", CLUSTER, is_cephadm=True), True),)),
        "start",
    ),
    "one of cephadm whose directory is gone": (facts(replace(CEPHADM, directory="")), "ceph cephadm"),
    "one of cephadm where nobody may ask": (
        facts(replace(CEPHADM, directory=""), means=replace(ALL, can_ask_cluster=False)),
        "run `ceph cephadm osd activate node-1` where the key of client.admin is",
    ),
    "one on a volume, of a cluster that cephadm runs": (
        facts(LVM, means=replace(ALL, cephadm_clusters=frozenset({CLUSTER}))),
        "ceph cephadm",
    ),
    "one of a filestore's files, whose directory lacks some": (
        facts(Osd(3, "f-3", CLUSTER, OsdKind.RAW, directory="var/lib/ceph/osd/ceph-3", is_plain_directory=True)),
        "its data are files in /var/lib/ceph/osd/ceph-3, which is not complete",
    ),
    "one whose directory is in order": (replace(facts(AT_HOME), homes=(HOME,)), "start"),
    "the same without systemd": (replace(facts(AT_HOME, means=BARE), homes=(HOME,)), "ready"),
    "one whose directory leads elsewhere": (
        replace(facts(AT_HOME), homes=(replace(HOME, found=replace(HOME.found, devices=(("block", "/dev/sdb"),))),)),
        "ceph-volume raw",
    ),
    "one whose directory leads nowhere": (
        replace(facts(AT_HOME), homes=(replace(HOME, found=replace(HOME.found, devices=(("block", ""),))),)),
        "ceph-volume raw",
    ),
    "one whose directory has no link to its db": (replace(facts(replace(AT_HOME, db=SDB)), homes=(HOME,)), "ceph-volume raw"),
    "one whose directory has no key": (replace(facts(AT_HOME), homes=(replace(HOME, has_keyring=False),)), "ceph-volume raw"),
    "one that runs": (replace(facts(RAW), running=(OsdProcess(9, 3, "f-3", CLUSTER),)), "running"),
    "one that runs where another cluster is configured": (
        replace(facts(RAW, means=replace(ALL, cluster_fsid=OTHER)), running=(OsdProcess(9, 3, "f-3", CLUSTER),)),
        "running",
    ),
    "one whose label agrees": (replace(facts(RAW), labels={"/dev/sda": LABEL}), "ceph-volume raw"),
    "one in an open mapping": (replace(facts(RAW), opened={"/dev/sda": "/dev/mapper/x"}), "ceph-volume raw"),
    "one of an id that another cluster has, too": (
        facts(RAW, replace(CEPHADM, id=3, cluster_fsid=OTHER)),
        "ceph-volume raw",
    ),
}


@pytest.mark.parametrize(("known", "expected"), METHODS.values(), ids=METHODS)
def test_an_osd_comes_up_the_way_that_it_was_made(known: ActivationFacts, expected: str) -> None:
    assert said(known)[0] == expected


LEFT_ALONE = {
    "two of one id": (facts(RAW, replace(RAW, fsid="f-9", block=SDB)), "there are two of this id: the other's fsid is f-9"),
    "the directory of another one": (
        facts(RAW, Osd(3, "", "", OsdKind.RAW, directory="var/lib/ceph/osd/ceph-3")),
        "there are two of this id: the other's fsid is not to be found",
    ),
    "another one of the id runs": (
        replace(facts(RAW), running=(OsdProcess(9, 3, "f-9", CLUSTER),)),
        "process 9 runs as f-9 of the same id",
    ),
    "another cluster": (
        facts(replace(RAW, cluster_fsid=OTHER)),
        f"of cluster {OTHER}, and the node is of {CLUSTER} (/etc/ceph/ceph.conf)",
    ),
    "no configuration": (facts(RAW, means=replace(ALL, cluster_fsid=None)), "there is no /etc/ceph/ceph.conf"),
    "several clusters and no word on which is ours": (
        facts(RAW, replace(LVM, cluster_fsid=OTHER), means=replace(ALL, cluster_fsid="")),
        "/etc/ceph/ceph.conf does not tell the node's cluster, and there are OSDs of several",
    ),
    "a volume that is not active": (
        facts(replace(LVM, block=DeviceRef("", volume="vg/osd"))),
        "its block is missing or not active: vg/osd",
    ),
    "a db that is not here": (
        facts(replace(LVM, db=DeviceRef("", volume_uuid="lv-1"))),
        "its db is missing or not active: lv-1",
    ),
    "a db alone": (facts(Osd(None, "f-3", "", OsdKind.RAW, db=SDB)), "its block device is missing"),
    "a directory alone": (
        facts(Osd(3, "", CLUSTER, OsdKind.RAW, directory="var/lib/ceph/osd/ceph-3")),
        "nothing is left of it but a directory that does not tell its fsid",
    ),
    "a label of another OSD": (
        replace(facts(RAW), labels={"/dev/sda": replace(LABEL, osd_fsid="f-9", osd_id=9)}),
        f"the label of /dev/sda is that of osd.9 (f-9, cluster {CLUSTER})",
    ),
    "a label of another id": (
        replace(facts(RAW), labels={"/dev/sda": replace(LABEL, osd_id=9, cluster_fsid="")}),
        "the label of /dev/sda is that of osd.9 (f-3, cluster unknown)",
    ),
    "a copy of its device": (
        replace(facts(RAW), labels={"/dev/sda": LABEL, "/dev/sdd": LABEL}),
        "several devices are its block: /dev/sda, /dev/sdd",
    ),
    "no id": (facts(replace(RAW, id=None)), "nothing tells its id"),
}


@pytest.mark.parametrize(("known", "reason"), LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_an_osd_that_something_contradicts_is_left_alone(known: ActivationFacts, reason: str) -> None:
    first = decide(known)[0]
    assert (first.state, first.method, first.reason) == (State.LEFT_ALONE, None, reason)


def test_both_of_one_id_are_left_alone_and_nobody_else() -> None:
    found = decide(facts(RAW, replace(RAW, fsid="f-9", block=SDB), LVM))
    assert [decision.state for decision in found] == [State.LEFT_ALONE, State.LEFT_ALONE, State.DOWN]


def test_an_earlier_proof_tells_what_is_cephadms() -> None:
    assert said(facts(LVM), ProvenOsd(4, "f-4", CLUSTER, "cephadm")) == ["ceph cephadm"]


def test_an_earlier_proof_tells_that_there_is_a_db() -> None:
    before = ProvenOsd(3, "f-3", CLUSTER, "raw", ("block /dev/sdx", "db /dev/sdy"))
    assert said(facts(RAW), before) == ["its db is missing, which the earlier proof has"]
    assert said(facts(replace(RAW, db=SDB)), before) == ["ceph-volume raw"]


def test_devices_are_named_by_where_their_data_is_read() -> None:
    osd = replace(RAW, db=SDB, wal=DeviceRef("/dev/sde"))
    found = decide(replace(facts(osd), opened={"/dev/sda": "/dev/mapper/x"}))[0]
    assert (found.device, found.db, found.wal) == ("/dev/mapper/x", "/dev/sdb", "/dev/sde")


def test_a_data_partition_goes_before_the_block_device_that_its_files_lead_to() -> None:
    osd = replace(DISK, id=5, block=SDB)
    assert decide(replace(facts(osd), descriptions={"f-5": "/etc/ceph/osd/5-f-5.json"})) == (
        Decision(osd, State.DOWN, Method.SIMPLE, device="/dev/sdc1", filesystem="xfs", description="/etc/ceph/osd/5-f-5.json"),
    )


LAYOUTS = {
    "nvme": ["ceph-volume raw"],
    "lvm-db": ["ceph-volume lvm", "its block is missing or not active: ceph-bbbb/osd-block-b1b1"],
    "multipath": ["ceph-volume simple"],
    "ceph-disk": ["ceph-volume simple"] * 3,
    "cephadm": [
        "ceph cephadm",
        "ceph cephadm",
        "nothing is left of it but a directory that does not tell its fsid",
    ],
}


@pytest.mark.parametrize(("layout", "expected"), LAYOUTS.items(), ids=LAYOUTS)
def test_recorded_layouts(layout: str, expected: list[str]) -> None:
    inventory = inventory_of(layout)
    content = {path: found.type for path, found in inventory.contents() if found}
    opened = {crypt.device: crypt.path for crypt in inventory.crypts}
    assert said(ActivationFacts(inventory.osds, ALL, filesystems=content, opened=opened)) == expected
