"""Real Ceph: every OSD keeps its id, its fsid and its objects over an upgrade in place and over a reinstall.

One cluster for all tests; each leaves it with every OSD up.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.ceph_lab import BLUESTORE, FILESTORE, OSDS, Node, storage_node, told
from tests.system.trees import ceph_trees

pytestmark = [
    pytest.mark.system,
    pytest.mark.commands,
    pytest.mark.needs("mmdebstrap", "sfdisk", "losetup", "partx", "unshare", "nsenter", "mkfs.ext4", "ip"),
]
DAEMONS = tuple(f"osd{number}" for number in OSDS)
RUNNING = [(number, "running", None) for number in OSDS]
READY = [(number, "ready", None) for number in OSDS]
PROOF = "/run/before.json"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with storage_node(tmp_path_factory.mktemp("ceph"), ceph_trees()) as made:
        yield made


@pytest.fixture
def ids(node: Node) -> dict[int, str]:
    """The fsids by id of the three OSDs, all of which are up."""
    assert all(is_up for _, is_up in node.osds().values())
    found = {number: fsid for number, (fsid, _) in node.osds().items()}
    assert sorted(found) == list(OSDS)
    return found


def proven(node: Node) -> None:
    """Make a proof of the node with its OSDs stopped, so that their bytes are in it, too."""
    assert node.reprov("prove", "--output", PROOF, "--yes").status == 0


def stands(node: Node, *words: str) -> tuple[int, list[tuple[int | None, str, str | None]]]:
    """Exit status of reprov activate, and id, state and method of each OSD."""
    ran = node.reprov("activate", "--json", *words)
    return ran.status, [(osd.id, osd.state, osd.method) for osd in told(ran)]


def homes(node: Node) -> str:
    """What an activation would make anew: directories, links and files of the OSDs, but not what filestore itself writes."""
    there = node.run("find /var/lib/ceph/osd -name current -prune -o -name superblock -prune -o -printf '%p %i %u %l\\n' | sort")
    return there + node.run("findmnt -rn -o TARGET,SOURCE | sed -n /osd/p")


def back_as_before(node: Node, ids: dict[int, str]) -> None:
    """Start the OSDs, and see that they are who they were, with all that was written."""
    node.start_osds()
    assert {number: fsid for number, (fsid, is_up) in node.osds().items() if is_up} == ids
    assert node.unreadable() == []
    assert stands(node, "--expect", PROOF) == (0, RUNNING)


def test_what_runs_is_left_alone(node: Node, ids: dict[int, str]) -> None:
    before = homes(node)
    assert stands(node, "--plan") == stands(node) == (0, RUNNING)
    assert homes(node) == before


def test_an_upgrade_in_place_keeps_every_osd(node: Node, ids: dict[int, str]) -> None:
    node.write("before-upgrade")
    node.stop(*DAEMONS, "mon")
    proven(node)
    before = homes(node)
    node.reprov_beside("upgrade", "ceph-osd", "1.1", "--from", node.store)
    assert json.loads(node.reprov_beside("status", "--json").stdout)["installed"] == "ceph-osd 1.1"
    assert node.reprov("prove", "--against", PROOF).status == 0
    assert homes(node) == before
    assert stands(node, "--expect", PROOF) == (0, READY)
    assert homes(node) == before
    node.start_monitor()
    back_as_before(node, ids)


def reinstall(node: Node) -> None:
    """What a reinstall leaves of OSDs whose state nobody has saved: nothing but their devices and /etc/ceph/ceph.conf."""
    node.stop(*DAEMONS)
    proven(node)
    node.run("umount /var/lib/ceph/osd/* 2>&1 || true; rm -r /var/lib/ceph/osd; rm -rf /etc/ceph/osd /var/lib/ceph/bootstrap-osd")


@pytest.fixture
def without_ceph_volume(node: Node) -> Iterator[None]:
    """Hides ceph-volume, as on a node on which it is not installed."""
    node.run("touch /run/none; mount --bind /run/none /usr/sbin/ceph-volume")
    yield
    node.run("umount /usr/sbin/ceph-volume")


REINSTALLED = {
    "with ceph-volume": ("", {0: "ceph-volume raw", 1: "ceph-volume raw", 2: "ceph-volume simple"}),
    "without ceph-volume": ("without_ceph_volume", {0: "prime-osd-dir", 1: "prime-osd-dir", 2: "mount"}),
}


@pytest.mark.parametrize(("fixture", "methods"), REINSTALLED.values(), ids=REINSTALLED)
def test_a_reinstall_loses_no_osd(
    node: Node, ids: dict[int, str], request: pytest.FixtureRequest, fixture: str, methods: dict[int, str]
) -> None:
    if fixture:
        request.getfixturevalue(fixture)
    node.write(f"before-reinstall-{len(methods[0])}")
    reinstall(node)
    planned = told(node.reprov("activate", "--plan", "--json"))
    assert {osd.fsid: (osd.state, osd.method) for osd in planned} == {ids[i]: ("down", method) for i, method in methods.items()}
    assert node.reprov("activate", "--plan").status == 3
    assert not node.view("var/lib/ceph/osd").exists()
    status, after = stands(node, "--expect", PROOF)
    assert (status, sorted((i or 0, state) for i, state, _ in after)) == (0, [(i, "ready") for i in OSDS])
    before = homes(node)
    assert stands(node, "--expect", PROOF) == (0, READY)
    assert homes(node) == before
    told_ids = node.run("cd /var/lib/ceph/osd; for i in *; do echo $i $(cat $i/whoami $i/fsid); done").splitlines()
    assert told_ids == [f"ceph-{i} {i} {fsid}" for i, fsid in sorted(ids.items())]
    back_as_before(node, ids)
    assert node.run("ls -d /var/lib/ceph/osd/ceph-*/keyring | wc -l").strip() == "3"


def test_an_osd_that_is_lost_is_a_failed_proof(node: Node, ids: dict[int, str]) -> None:
    proven(node)
    fields: dict[str, Any] = json.loads(node.view(PROOF.lstrip("/")).read_text())
    fields["osds"].append({**fields["osds"][0], "id": 9, "fsid": "99999999-9d6a-4f26-8a4b-2b1a0a9f8e7d"})
    node.view("run/more.json").write_text(json.dumps(fields))
    ran = node.reprov("activate", "--expect", "/run/more.json")
    assert (ran.status, "reprov: not every OSD is up as it was before: osd.9" in ran.stderr) == (7, True)


def test_osds_of_another_cluster_are_left_alone(node: Node, ids: dict[int, str]) -> None:
    node.stop(*DAEMONS)
    proven(node)
    conf = node.view("etc/ceph/ceph.conf")
    ours = conf.read_text()
    node.run(f"umount /var/lib/ceph/osd/ceph-{FILESTORE}")
    before = homes(node)
    conf.write_text(re.sub(r"(?m)^fsid = ........", "fsid = ffffffff", ours))
    try:
        ran = node.reprov("activate", "--json")
        assert ran.status == 7
        found = told(ran)
        assert {osd.state for osd in found} == {"left alone"}
        assert all("of cluster" in osd.problem for osd in found), found
        assert homes(node) == before
        assert node.reprov("activate", "--plan").status == 4
    finally:
        conf.write_text(ours)
    assert stands(node)[0] == 0
    back_as_before(node, ids)


@pytest.mark.needs("strace")
def test_no_device_is_opened_for_writing(node: Node, ids: dict[int, str], tmp_path: Path, without_ceph_volume: None) -> None:
    reinstall(node)
    log = tmp_path / "log"
    strace = ("strace", "-f", "-o", str(log), "-e", "trace=execve,open,openat,openat2,mount")
    assert node.reprov("activate", "--expect", PROOF, under=strace).status == 0
    lines = [line.split(maxsplit=1) for line in log.read_text().splitlines()]
    (own,) = {pid for pid, call in lines if re.match(r'execve\("[^"]*/python3", .*"-m", "reprov".* = 0$', call)}
    calls = [(pid == own, call) for pid, call in lines if f'"{node.disk}p' in call]
    assert sum(is_own for is_own, _ in calls) > len(BLUESTORE)
    # Not even the tools write before an OSD starts; the kernel does, for the one filesystem that is mounted for good.
    assert [call for _, call in calls if "O_WRONLY" in call or "O_RDWR" in call] == []
    mounts = [("MS_RDONLY" in call, is_own) for is_own, call in calls if call.startswith("mount(")]
    assert mounts == [(True, False), (False, False)]
    back_as_before(node, ids)


def test_the_check_of_the_role(node: Node, ids: dict[int, str]) -> None:
    node.view("usr/local/sbin/reprov").write_text('#!/bin/sh\nPYTHONPATH=/run/checkout exec python3 -B -m reprov "$@"\n')
    node.view("usr/local/sbin/reprov").chmod(0o755)
    check = "/run/checkout/roles/ceph-osd/checks/ceph-osds"
    assert node.run(check) == "3 OSDs, 0 faults\n"
    node.stop("osd1")
    node.run("chown root /var/lib/ceph/osd/ceph-0/keyring")
    said = node.run(f"{check} || true").splitlines()
    assert said[:2] == [f"osd.1 ({ids[1]}) is ready", "/var/lib/ceph/osd/ceph-0/keyring belongs to root"]
    node.run("chown ceph /var/lib/ceph/osd/ceph-0/keyring; ceph-osd -i 1 --setuser ceph --setgroup ceph --pid-file /run/ceph/osd1.pid")
    node.stop("mon")
    node.wait(f"test \"$({check})\" = '3 OSDs, 0 faults; the cluster cannot be reached from here and was not asked'")
    node.start_monitor()
