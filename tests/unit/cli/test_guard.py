"""The report of a guard."""

from reprov.cli.guard import refusals_text
from reprov.domain.guard import Refusal


def test_refusals_are_a_table() -> None:
    refusals = [
        Refusal("mkfs.xfs", ("-f", "/dev/disk/by-id/a b"), "/dev/sdb2", "GPT type ceph-block", 4711, "/bin/sh /run/post 1.0"),
        Refusal("ceph-volume", ("lvm", "zap", "--osd-id", "3"), "", "it takes devices by the OSD's id", 12, "puppet\x1b[2J"),
    ]
    assert refusals_text(refusals).splitlines() == [
        "REFUSED                            DEVICE     REASON                             PID  CALLED BY",
        "mkfs.xfs -f '/dev/disk/by-id/a b'  /dev/sdb2  GPT type ceph-block               4711  /bin/sh /run/post 1.0",
        "ceph-volume lvm zap --osd-id 3     -          it takes devices by the OSD's id    12  puppet\\x1b[2J",
    ]
