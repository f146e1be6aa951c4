"""Carrying decisions out with tools that are made up: what is run in which order, and what a tool may not get away with."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reprov.adapters import ceph_activation
from reprov.adapters.ceph_activation import Activator
from reprov.adapters.run import CommandFailed
from reprov.domain.activation import Decision, Means, Method, State
from reprov.domain.inventory import DeviceRef, Osd, OsdKind
from reprov.errors import ReprovError

SDA = DeviceRef("/dev/sda")
RAW = Osd(3, "f-3", "c-1", OsdKind.RAW, block=SDA)
DISK = Osd(None, "f-5", "", OsdKind.CEPH_DISK, data=DeviceRef("/dev/sdc1"))
SYSTEMD = Means("node-1", "c-1", has_systemd=True, has_ceph_volume=True)
HOME = "var/lib/ceph/osd/ceph-3"
Tool = Callable[[tuple[str, ...]], None]


class Ran:
    """The programs that ran, and the devices that were given to Ceph; `tools` does what one of them would do."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.tools: dict[str, Tool] = {}

    def __call__(self, argv: tuple[str, ...]) -> None:
        self.lines.append(" ".join(argv))
        if argv[0] in self.tools:
            self.tools[argv[0]](argv)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Ran:
    found = Ran()
    monkeypatch.setattr(ceph_activation, "_run", found)
    monkeypatch.setattr(ceph_activation, "_ceph_ids", lambda: (os.getuid(), os.getgid()))
    monkeypatch.setattr(ceph_activation, "_own_device", lambda path, _ids: found.lines.append(f"own {path}"))
    return found


@pytest.fixture
def activator(tmp_path: Path, ran: Ran) -> Activator:
    (tmp_path / "run").mkdir()
    return Activator(tmp_path, SYSTEMD, {3: "f-3"})


def down(osd: Osd, method: Method, **more: str) -> Decision:
    return Decision(osd, State.DOWN, method, device=(osd.data or osd.block or SDA).path, filesystem="xfs", **more)


def priming(root: Path, *, whoami: str = "3", fsid: str = "f-3") -> Tool:
    """ceph-bluestore-tool prime-osd-dir."""

    def prime(_argv: tuple[str, ...]) -> None:
        (root / HOME / "whoami").write_text(f"{whoami}\n")
        (root / HOME / "fsid").write_text(f"{fsid}\n")

    return prime


def test_priming_makes_the_directory_and_its_links_and_starts(activator: Activator, ran: Ran, tmp_path: Path) -> None:
    (tmp_path / HOME).mkdir(parents=True)
    (tmp_path / HOME / "block").symlink_to("/dev/old")
    (tmp_path / HOME / "block.wal").symlink_to("/dev/older")
    ran.tools["ceph-bluestore-tool"] = priming(tmp_path)
    activator.activate(down(replace(RAW, db=DeviceRef("/dev/sdb")), Method.PRIME, db="/dev/sdb"))
    links = {path.name: str(path.readlink()) for path in (tmp_path / HOME).iterdir() if path.is_symlink()}
    assert links == {"block": "/dev/sda", "block.db": "/dev/sdb"}
    assert ran.lines == [
        f"ceph-bluestore-tool prime-osd-dir --dev /dev/sda --path /{HOME} --no-mon-config",
        "own /dev/sda",
        "own /dev/sdb",
        "systemctl enable --runtime --now ceph-osd@3.service",
    ]


def test_data_in_the_place_of_a_link_is_never_removed(activator: Activator, ran: Ran, tmp_path: Path) -> None:
    (tmp_path / HOME).mkdir(parents=True)
    (tmp_path / HOME / "block").write_text("objects")
    with pytest.raises(ReprovError, match=r"ceph-3/block is no link: it may be data"):
        activator.activate(down(RAW, Method.PRIME))
    assert ((tmp_path / HOME / "block").read_text(), ran.lines) == ("objects", [])


def test_an_osd_directory_is_never_made_through_a_link(activator: Activator, ran: Ran, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "var/lib/ceph").mkdir(parents=True)
    (tmp_path / "var/lib/ceph/osd").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        activator.activate(down(RAW, Method.PRIME))
    assert ([*(tmp_path / "elsewhere").iterdir()], ran.lines) == ([], [])


@pytest.mark.parametrize(("whoami", "fsid"), [("4", "f-3"), ("3", "f-4")], ids=["id", "fsid"])
def test_what_is_primed_as_another_osd_is_not_started(activator: Activator, ran: Ran, tmp_path: Path, whoami: str, fsid: str) -> None:
    ran.tools["ceph-bluestore-tool"] = priming(tmp_path, whoami=whoami, fsid=fsid)
    with pytest.raises(ReprovError, match=rf"made osd.{whoami} \({fsid}\) of /dev/sda, which is osd.3"):
        activator.activate(down(RAW, Method.PRIME))
    assert not [line for line in ran.lines if line.startswith("systemctl")]


def mounting(place: Path, **files: str) -> Tool:
    """mount and umount: the files are there in between."""

    def mount(argv: tuple[str, ...]) -> None:
        target = Path(argv[-1])
        if argv[0] == "umount":
            for name in files:
                (target / name).unlink()
        elif target.name == "osd" or target == place:
            for name, text in files.items():
                (target / name).write_text(text)

    return mount


FIVE = {"whoami": "5\n", "fsid": "F-5\n", "ceph_fsid": "c-1\n"}


def mountable(ran: Ran, root: Path, **files: str) -> Path:
    place = root / "var/lib/ceph/osd/ceph-5"
    ran.tools["mount"] = ran.tools["umount"] = mounting(place, **(FIVE | files))
    return place


def test_a_data_partition_tells_its_id_before_it_is_mounted_for_good(activator: Activator, ran: Ran, tmp_path: Path) -> None:
    place = mountable(ran, tmp_path)
    activator.activate(down(DISK, Method.MOUNT))
    look = tmp_path / "run/reprov/osd"
    assert (place / "whoami").read_text() == "5\n"
    assert ran.lines == [
        f"mount -t xfs -o ro,norecovery,nosuid,nodev,noexec /dev/sdc1 {look}",
        f"umount {look}",
        f"mount -t xfs -o noatime,nosuid,nodev,noexec /dev/sdc1 {place}",
        "systemctl enable --runtime --now ceph-osd@5.service",
    ]


NOT_MOUNTED = {
    "another OSD": ({"fsid": "f-9"}, "/dev/sdc1 holds osd.5 (f-9), and not the OSD f-5 that its PARTUUID names"),
    "no OSD": ({"whoami": "x"}, "/dev/sdc1 holds no OSD (f-5), and not the OSD f-5 that its PARTUUID names"),
    "another cluster's": ({"ceph_fsid": "c-9"}, "/dev/sdc1 holds osd.5 (f-5) of cluster c-9, and the node is of c-1"),
    "an id that is taken": ({"whoami": "3"}, "/dev/sdc1 holds osd.3 (f-5), and there is another of this id: its fsid is f-3"),
}


@pytest.mark.parametrize(("files", "message"), NOT_MOUNTED.values(), ids=NOT_MOUNTED)
def test_a_data_partition_that_is_not_what_it_seems_is_not_mounted(
    activator: Activator, ran: Ran, tmp_path: Path, files: dict[str, str], message: str
) -> None:
    mountable(ran, tmp_path, **files)
    with pytest.raises(ReprovError) as raised:
        activator.activate(down(DISK, Method.MOUNT))
    assert (raised.value.message, [line.split()[0] for line in ran.lines]) == (message, ["mount", "umount"])
    assert not (tmp_path / "run/reprov/osd").exists()


def test_nothing_is_mounted_over_what_is_there(activator: Activator, ran: Ran, tmp_path: Path) -> None:
    place = mountable(ran, tmp_path)
    place.mkdir(parents=True)
    (place / "note").write_text("mine")
    with pytest.raises(ReprovError, match="ceph-5 is in the way: it is not empty"):
        activator.activate(down(DISK, Method.MOUNT))
    assert len(ran.lines) == 2


def test_a_journal_that_is_missing_takes_the_mount_back(activator: Activator, ran: Ran, tmp_path: Path) -> None:
    place = mountable(ran, tmp_path)
    place.mkdir(parents=True)
    mount = ran.tools["mount"]

    def with_journal(argv: tuple[str, ...]) -> None:
        mount(argv)
        if argv[-1] == str(place):
            (place / "journal").symlink_to("/dev/not-here")

    ran.tools["mount"] = with_journal
    with pytest.raises(ReprovError, match="its journal is missing: /dev/not-here"):
        activator.activate(down(DISK, Method.MOUNT))
    assert ran.lines[-1] == f"umount {place}"


def scanning(root: Path, name: str = "5-f-5.json", **said: object) -> Tool:
    """ceph-volume simple scan."""

    def scan(argv: tuple[str, ...]) -> None:
        if "scan" in argv:
            (root / "etc/ceph/osd").mkdir(parents=True)
            fields = {"whoami": 5, "fsid": "f-5", "ceph_fsid": "c-1", **said}
            (root / "etc/ceph/osd" / name).write_text(json.dumps(fields))

    return scan


def test_ceph_disks_is_scanned_and_gets_its_mount_point_before_it_is_activated(activator: Activator, ran: Ran, tmp_path: Path) -> None:
    ran.tools["ceph-volume"] = scanning(tmp_path)
    activator.activate(down(DISK, Method.SIMPLE))
    assert ran.lines == ["ceph-volume simple scan /dev/sdc1", "ceph-volume simple activate --file /etc/ceph/osd/5-f-5.json"]
    assert (tmp_path / "var/lib/ceph/osd/ceph-5").is_dir()


def test_what_was_scanned_before_is_not_scanned_again(activator: Activator, ran: Ran, tmp_path: Path) -> None:
    scanning(tmp_path)(("scan",))
    activator.activate(down(DISK, Method.SIMPLE, description="/etc/ceph/osd/5-f-5.json"))
    assert ran.lines == ["ceph-volume simple activate --file /etc/ceph/osd/5-f-5.json"]


SCANNED: dict[str, tuple[dict[str, Any], str]] = {
    "an id that is taken": (
        {"name": "3-f-5.json", "whoami": 3},
        "/dev/sdc1 holds osd.3 (f-5), and there is another of this id: its fsid is f-3",
    ),
    "another cluster's": ({"ceph_fsid": "c-9"}, "/dev/sdc1 holds osd.5 (f-5) of cluster c-9, and the node is of c-1"),
    "another OSD by a name that fits": (
        {"fsid": "f-9"},
        "/dev/sdc1 holds osd.5 (f-9), and not the OSD f-5 that its PARTUUID names",
    ),
}


@pytest.mark.parametrize(("said", "message"), SCANNED.values(), ids=SCANNED)
def test_a_scan_that_finds_another_osd_is_the_end(
    activator: Activator, ran: Ran, tmp_path: Path, said: dict[str, Any], message: str
) -> None:
    ran.tools["ceph-volume"] = scanning(tmp_path, **said)
    with pytest.raises(ReprovError) as raised:
        activator.activate(down(DISK, Method.SIMPLE))
    assert (raised.value.message, len(ran.lines)) == (message, 1)
    assert not (tmp_path / "var").exists()


def test_what_ceph_volume_ignores_is_mounted(activator: Activator, ran: Ran, tmp_path: Path) -> None:
    place = mountable(ran, tmp_path)
    activator.activate(down(DISK, Method.SIMPLE))
    assert (place / "whoami").read_text() == "5\n"
    assert ran.lines[0] == "ceph-volume simple scan /dev/sdc1"
    assert ran.lines[-1] == "systemctl enable --runtime --now ceph-osd@5.service"


def test_what_ceph_volume_ignores_and_nothing_else_can_open_is_told(activator: Activator, ran: Ran) -> None:
    osd = replace(DISK, is_encrypted=True)
    with pytest.raises(ReprovError, match=r"ceph-volume simple scan did not find osd.\? on /dev/sdc1"):
        activator.activate(down(osd, Method.SIMPLE))
    assert len(ran.lines) == 1


def test_what_a_tool_fails_with_is_told_and_nothing_is_started(activator: Activator, ran: Ran) -> None:
    def fail(argv: tuple[str, ...]) -> None:
        raise CommandFailed(argv, 1, b"-->  RuntimeError: no such device\n")

    ran.tools["ceph-volume"] = fail
    with pytest.raises(ReprovError, match="ceph-volume failed with status 1: -->  RuntimeError: no such device"):
        activator.activate(down(RAW, Method.RAW))
    assert ran.lines == ["ceph-volume raw activate --device /dev/sda --no-systemd"]


@pytest.mark.parametrize("method", [Method.LVM, Method.RAW])
def test_ceph_volume_finds_the_directory_of_all_osds(activator: Activator, ran: Ran, tmp_path: Path, method: Method) -> None:
    found = []
    ran.tools["ceph-volume"] = lambda _argv: found.append((tmp_path / "var/lib/ceph/osd").is_dir())
    activator.activate(down(RAW, method))
    assert found == [True]


def test_an_osd_whose_directory_is_in_order_gets_its_devices_and_is_started(activator: Activator, ran: Ran) -> None:
    activator.activate(down(replace(RAW, journal=DeviceRef("/dev/sdd")), Method.START, db="/dev/sdb"))
    assert ran.lines == ["own /dev/sda", "own /dev/sdb", "own /dev/sdd", "systemctl enable --runtime --now ceph-osd@3.service"]


def test_an_osd_of_cephadm_is_started_and_nothing_is_touched(activator: Activator, ran: Ran) -> None:
    activator.activate(down(replace(RAW, kind=OsdKind.CEPHADM), Method.START))
    assert ran.lines == ["systemctl start ceph-c-1@osd.3.service"]
