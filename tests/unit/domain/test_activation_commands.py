"""The exact command lines of activation."""

from dataclasses import replace

import pytest

from reprov.domain.activation import Decision, Means, Method, State
from reprov.domain.activation_commands import looking, mounting, shown
from reprov.domain.inventory import Osd, OsdKind

SYSTEMD = Means("node-1", "c-1", has_systemd=True)
NONE = Means("node-1", "c-1")
OSD = Osd(3, "f-3", "c-1", OsdKind.RAW)
DOWN = Decision(OSD, State.DOWN, device="/dev/sda", filesystem="xfs")
UNIT = "systemctl enable --runtime --now ceph-osd@3.service"

LINES = {
    "start": (replace(DOWN, method=Method.START), SYSTEMD, [UNIT]),
    "start, of cephadm": (
        replace(DOWN, method=Method.START, osd=replace(OSD, kind=OsdKind.CEPHADM)),
        SYSTEMD,
        ["systemctl start ceph-c-1@osd.3.service"],
    ),
    "lvm": (replace(DOWN, method=Method.LVM), SYSTEMD, ["ceph-volume lvm activate 3 f-3"]),
    "lvm without systemd": (replace(DOWN, method=Method.LVM), NONE, ["ceph-volume lvm activate --no-systemd 3 f-3"]),
    "raw": (replace(DOWN, method=Method.RAW), SYSTEMD, ["ceph-volume raw activate --device /dev/sda --no-systemd", UNIT]),
    "raw with db and wal": (
        replace(DOWN, method=Method.RAW, db="/dev/sdb", wal="/dev/sdc"),
        NONE,
        ["ceph-volume raw activate --device /dev/sda --block.db /dev/sdb --block.wal /dev/sdc --no-systemd"],
    ),
    "prime": (
        replace(DOWN, method=Method.PRIME),
        SYSTEMD,
        ["ceph-bluestore-tool prime-osd-dir --dev /dev/sda --path /var/lib/ceph/osd/ceph-3 --no-mon-config", UNIT],
    ),
    "simple": (
        replace(DOWN, method=Method.SIMPLE),
        SYSTEMD,
        ["ceph-volume simple scan /dev/sda", "ceph-volume simple activate --file /etc/ceph/osd/ID-f-3.json"],
    ),
    "simple, scanned before": (
        replace(DOWN, method=Method.SIMPLE, description="/etc/ceph/osd/3-f-3.json"),
        NONE,
        ["ceph-volume simple activate --file /etc/ceph/osd/3-f-3.json --no-systemd"],
    ),
    "mount": (
        replace(DOWN, method=Method.MOUNT),
        SYSTEMD,
        ["mount -t xfs -o noatime,nosuid,nodev,noexec /dev/sda /var/lib/ceph/osd/ceph-3", UNIT],
    ),
    "mount of an OSD whose id is on it": (
        replace(DOWN, method=Method.MOUNT, osd=replace(OSD, id=None)),
        SYSTEMD,
        ["mount -t xfs -o noatime,nosuid,nodev,noexec /dev/sda /var/lib/ceph/osd/ceph-ID"],
    ),
    "the cluster": (replace(DOWN, method=Method.ORCHESTRATOR), SYSTEMD, ["ceph cephadm osd activate node-1"]),
    "nothing": (replace(DOWN, state=State.RUNNING), SYSTEMD, []),
}


@pytest.mark.parametrize(("decision", "means", "expected"), LINES.values(), ids=LINES)
def test_command_lines(decision: Decision, means: Means, expected: list[str]) -> None:
    assert [" ".join(argv) for argv in shown(decision, means)] == expected


@pytest.mark.parametrize(("filesystem", "options"), [("xfs", "ro,norecovery"), ("ext4", "ro,noload"), ("btrfs", "ro,rescue=nologreplay")])
def test_a_look_replays_no_journal(filesystem: str, options: str) -> None:
    decision = replace(DOWN, filesystem=filesystem)
    assert " ".join(looking(decision, "/run/x")) == f"mount -t {filesystem} -o {options},nosuid,nodev,noexec /dev/sda /run/x"
    assert "ro" not in " ".join(mounting(decision, "/x")).split(",")
