"""What a process sees mounted where."""

import pytest

from reprov.domain.mount_view import Mounted, MountView

NODE = MountView(
    "20 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
    "21 20 8:2 / /boot rw,relatime - ext4 /dev/sda2 rw\n"
    "22 20 8:1 /etc/rw /srv/x rw,relatime - ext4 /dev/sda1 rw\n"
    "23 20 0:5 / /with\\040space rw - tmpfs none rw\n"
    "24 20 0:6 /gone//deleted /proc/x rw - tmpfs none rw\n"
)
SANDBOX = MountView(
    "30 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"
    "31 30 8:1 /usr /usr ro,relatime - ext4 /dev/sda1 rw\n31 30 0:9 / /usr ro - tmpfs none rw\n"
)
CONTAINER = MountView(
    "40 1 0:50 / / rw - overlay overlay rw,lowerdir=/usr/share/base:/var/lib/x,upperdir=/opt/up,workdir=/opt/work\n"
    "41 40 8:1 /etc/ssl /etc/ssl ro - ext4 /dev/sda1 rw\n"
)


@pytest.mark.parametrize(
    ("view", "path", "place"),
    [
        pytest.param(NODE, "/etc/passwd", ("8:1", "/etc/passwd"), id="on the root"),
        pytest.param(NODE, "", ("8:1", ""), id="the root"),
        pytest.param(NODE, "/boot/vmlinuz", ("8:2", "/vmlinuz"), id="on another filesystem"),
        pytest.param(NODE, "/bootx", ("8:1", "/bootx"), id="a name that begins as a mount point"),
        pytest.param(NODE, "/srv/x/file", ("8:1", "/etc/rw/file"), id="through a bind mount"),
        pytest.param(NODE, "/with space/x", ("0:5", "/x"), id="a mount point with a space"),
        pytest.param(SANDBOX, "/usr/x", ("0:9", "/x"), id="the last mount at a point is the visible one"),
        pytest.param(CONTAINER, "/etc/ssl/cert", ("8:1", "/etc/ssl/cert"), id="a volume of a container"),
        pytest.param(CONTAINER, "/usr/bin/sh", ("0:50", "/usr/bin/sh"), id="a container's own"),
    ],
)
def test_where_a_path_lies(view: MountView, path: str, place: tuple[str, str]) -> None:
    assert view.place_of(path) == place
    assert path in view.paths_of(place)


def test_one_place_may_have_several_names() -> None:
    assert sorted(NODE.paths_of(("8:1", "/etc/rw/file"))) == ["/etc/rw/file", "/srv/x/file"]


def test_what_another_mount_hides_has_no_name() -> None:
    assert SANDBOX.paths_of(("8:1", "/usr/x")) == []


def test_an_overlay_tells_its_layers() -> None:
    assert CONTAINER.mounts[0] == Mounted("0:50", "", "", ("/usr/share/base", "/var/lib/x", "/opt/up", "/opt/work"))


def test_what_was_removed_under_a_mount_is_left_out() -> None:
    assert all(mount.point != "/proc/x" for mount in NODE.mounts)
