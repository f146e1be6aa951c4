"""Reading mountinfo, whose mount points are bytes."""

import pytest

from reprov.domain.mounts import Mount, parse_mountinfo

LIVE = """\
25 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro
26 25 0:5 / /dev rw,nosuid shared:2 - devtmpfs udev rw,size=1k
30 25 254:2 / /boot ro,relatime shared:9 master:3 - ext4 /dev/vda2 rw
31 25 0:40 / /mnt/with\\040space\\134\\012x rw - nfs server:/a\\040b ro,vers=4
"""


def test_a_live_system() -> None:
    assert parse_mountinfo(LIVE, "") == (
        Mount("", "ext4", "/dev/vda1", False),
        Mount("dev", "devtmpfs", "udev", False),
        Mount("boot", "ext4", "/dev/vda2", True),
        Mount("mnt/with space\\\nx", "nfs", "server:/a b", True),
    )


def line(point: str, options: str = "rw") -> str:
    return f"1 0 0:1 / {point} {options} - ext4 /dev/x rw\n"


@pytest.mark.parametrize(
    ("points", "root", "paths"),
    [
        pytest.param(["/", "/node", "/node/boot", "/nodes/x"], "/node", ["", "boot"], id="only what is at or below the root"),
        pytest.param(["/", "/boot"], "/node", [], id="a root that is no mount point has no mount of its own"),
        pytest.param(["/a", "/b", "/a"], "", ["b", "a"], id="the last at a path is the one that shows"),
    ],
)
def test_mounts_are_relative_to_the_root(points: list[str], root: str, paths: list[str]) -> None:
    assert [mount.path for mount in parse_mountinfo("".join(map(line, points)), root)] == paths


@pytest.mark.parametrize("name", ["Å…", "\x85", "\x1c-\x1d", "\u2028", "\x0b\x0c", "\r", "\udcff"], ids=ascii)
def test_no_byte_of_a_name_but_a_newline_ends_a_line(name: str) -> None:
    text = (line(f"/mnt/{name}") + line("/b")).encode("utf-8", "surrogateescape").decode("latin-1")
    assert [mount.path for mount in parse_mountinfo(text, "")] == [f"mnt/{name}", "b"]


def test_a_mount_without_a_source() -> None:
    assert parse_mountinfo("1 0 0:1 / /t rw - tmpfs  rw\n", "")[0] == Mount("t", "tmpfs", "", False)
