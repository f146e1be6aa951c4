"""What an upgrade goes around whatever the lists say: lists that give everything to the release, and data in its way all the same."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.system.filesystems import Filesystems
from tests.system.node import Node
from tests.system.snapshot import difference, snapshot, timeless
from tests.system.trees import Tree, make_library

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs("mkfs.ext4", "mount", "losetup", "rsync")]

OSD = "var/lib/ceph/osd/ceph-3"
CEPHADM = "var/lib/ceph/5b3c0e2e-9c7d-4c6b-8f4e-0123456789ab/osd.4"


@pytest.fixture
def greedy(node: Node, tmp_path: Path) -> Node:
    """A node whose releases own every path, with 1.0 installed; 1.1 has another /var, /opt and /usr."""
    make_library(node.store.library, exclude="/etc/fstab\nlost+found/\n", add_only="- *\n")
    for version in ("1.0", "1.1"):
        tree = Tree(tmp_path / version, version).file("usr/lib/app/version", version).file("opt/app/version", version)
        tree.file("var/lib/app/version", version).file("boot/vmlinuz", version).file("etc/version", version)
        node.store.publish(tree, version)
    node.install("1.0")
    return node


def make_osds(node: Node) -> None:
    """A filestore OSD, a bluestore OSD of cephadm, and the empty directory of a third, all on the root filesystem."""
    Tree.over(node.root).file(f"{OSD}/whoami", "3\n").file(f"{OSD}/fsid", "a3c0e2e0-9c7d-4c6b-8f4e-0123456789ab\n", mode=0o600)
    Tree.over(node.root).file(f"{OSD}/keyring", "[osd.3]\n", mode=0o600).file(f"{OSD}/current/0.1_head/object", "data", owner=64045)
    Tree.over(node.root).file(f"{CEPHADM}/whoami", "4\n").file(f"{CEPHADM}/unit.run", "podman\n").symlink(f"{CEPHADM}/block", "/dev/sdz9")
    Tree.over(node.root).directory("var/lib/ceph/osd/ceph-5").directory("var/lib/ceph/osd/ceph-5")


def inodes(node: Node, *paths: str) -> list[int]:
    return [node.path(path).lstat().st_ino for path in paths]


def test_osds_in_plain_directories_stay_where_they_are(greedy: Node) -> None:
    """Not even moved and moved back: an OSD that runs opens its files by their paths."""
    make_osds(greedy)
    greedy.write("var/lib/app/stray", "no release knows it")
    before, kept = greedy.snapshot(), (OSD, f"{OSD}/current/0.1_head/object", CEPHADM, f"{CEPHADM}/block", "var/lib/ceph/osd/ceph-5")
    osds, known = snapshot(greedy.path("var/lib/ceph")), inodes(greedy, *kept)
    plan = greedy.run("plan", "base", "1.1", "--from", greedy.store.folder)
    for line in (
        f"/{OSD}: osd.3 is a plain directory on the system's own filesystem, with its data: it stays as it is",
        f"/{CEPHADM}: osd.4 is a plain directory on the system's own filesystem, with its identity: it stays as it is",
    ):
        assert line in plan.stdout.splitlines()
    paths = [item["path"] for item in json.loads(greedy.run("plan", "1.1", "--from", greedy.store.folder, "--json").stdout)["exchanges"]]
    assert not [path for path in paths if f"/{OSD}".startswith(path) or "ceph" in path]
    greedy.install("1.1")
    assert greedy.path("var/lib/app/version").read_text() == "1.1"
    assert not greedy.path("var/lib/app/stray").exists()
    assert difference(timeless(osds), timeless(snapshot(greedy.path("var/lib/ceph")))) == []
    assert inodes(greedy, *kept) == known
    greedy.rollback()
    assert greedy.changed_since(before, directory_times=False) == []
    assert inodes(greedy, *kept) == known


def test_verify_does_not_look_into_osds_nor_at_files_in_use(greedy: Node) -> None:
    """All that lies there is no release's, and these lists call such a path added."""
    make_osds(greedy)
    greedy.write("var/swapfile", "swap")
    greedy.write("etc/fstab", "/var/swapfile none swap sw 0 0\n")
    ran = greedy.run("verify", "--json")
    assert (ran.status, json.loads(ran.stdout)["drift"]) == (0, [])
    greedy.write("var/lib/app/stray")
    greedy.path("opt/app/version").unlink()
    drift = [(item["path"], item["drift"]) for item in json.loads(greedy.run("verify", "--json").stdout)["drift"]]
    assert drift == [("/opt/app/version", "missing"), ("/var/lib/app/stray", "added")]


def test_the_tmpfs_of_an_osd_is_not_carried_away(greedy: Node, filesystems: Filesystems) -> None:
    mounted = filesystems.tmpfs(greedy.path(OSD))
    (mounted / "whoami").write_text("3\n")
    greedy.install("1.1")
    greedy.rollback()
    assert mounted.is_mount()
    assert (mounted / "whoami").read_text() == "3\n"


def test_content_of_a_release_in_an_osd_is_refused(greedy: Node, tmp_path: Path) -> None:
    make_osds(greedy)
    greedy.store.publish(Tree(tmp_path / "2.0").file(f"{OSD}/keyring", "golden"), "2.0")
    before = greedy.snapshot()
    ran = greedy.upgrade("2.0")
    assert (ran.status, ran.stderr.partition("reprov: ")[2].splitlines()) == (
        4,
        [
            f"/{OSD} is the directory of an OSD, and the release has content there (/{OSD}/keyring)",
            f"hint: take it out of the role: a release has nothing to bring to an OSD, nor to /{OSD}",
        ],
    )
    assert greedy.changed_since(before) == []


def test_an_osd_that_came_into_an_exchanged_directory_stops_the_way_back(greedy: Node, tmp_path: Path) -> None:
    tree = Tree(tmp_path / "2.0").directory("var/lib/ceph").directory("var/lib/ceph/osd").file("var/lib/ceph/osd/README", "2.0")
    greedy.store.publish(tree, "2.0")
    greedy.install("2.0")
    make_osds(greedy)
    before = greedy.snapshot()
    ran = greedy.run("rollback")
    assert (ran.status, ran.stderr.partition("reprov: ")[2].splitlines()[0]) == (
        4,
        f"/{CEPHADM} is the directory of an OSD, which it was not at the upgrade: /var cannot go back as a whole",
    )
    assert greedy.changed_since(before, directory_times=False) == []


def test_a_boot_that_is_not_mounted_is_not_written_to(greedy: Node) -> None:
    """The kernel would lie below the mount that comes with the next boot."""
    greedy.write("etc/version", "1.0")
    Tree.over(greedy.root).file("etc/fstab", "UUID=0f00-1111 /boot ext4 defaults 0 2\n")
    before = greedy.snapshot()
    ran = greedy.upgrade("1.1")
    assert (ran.status, ran.stderr.partition("reprov: ")[2].splitlines()) == (
        4,
        [
            "/boot is a mount point of /etc/fstab where nothing is mounted, and the release has content there (/boot/vmlinuz)",
            "hint: mount it first, or take it out of /etc/fstab: what is written there now would be hidden by the mount (/boot)",
        ],
    )
    assert greedy.changed_since(before) == []
    assert greedy.leftovers() == []


def test_a_boot_that_is_not_mounted_stops_the_way_back(node: Node, tmp_path: Path, filesystems: Filesystems) -> None:
    filesystems.make("ext4", node.path("boot"))
    make_library(node.store.library, exclude="/etc/fstab\nlost+found/\n")
    for version in ("1.0", "1.1"):
        node.store.publish(Tree(tmp_path / version, version).file("boot/vmlinuz", version).file("usr/v", version), version)
    node.install("1.0")
    Tree.over(node.root).file("etc/fstab", "UUID=0f00-1111 /boot ext4 defaults 0 2\n")
    node.install("1.1")
    filesystems.unmount(node.path("boot"))
    before = node.snapshot()
    ran = node.run("rollback")
    assert (ran.status, ran.stderr.partition("reprov: ")[2].splitlines()[0]) == (
        4,
        "/boot is a mount point of /etc/fstab where nothing is mounted, and a part of the previous tree lies on it",
    )
    assert node.changed_since(before) == []


@pytest.mark.parametrize(
    "point",
    [
        pytest.param("usr/lib/data", id="that no release knows"),
        pytest.param("usr/lib/through/data", id="that a link leads to"),
    ],
)
def test_a_mount_point_that_waits_is_there_after_the_upgrade(greedy: Node, point: str) -> None:
    greedy.path("usr/lib/data").mkdir()
    greedy.path("usr/lib/through").symlink_to(".")
    greedy.write("etc/fstab", f"LABEL=data /{point} xfs nofail 0 0\n")
    plan = greedy.run("plan", "1.1", "--from", greedy.store.folder)
    assert "/usr/lib/data: is in /etc/fstab, but not mounted: nothing is written there" in plan.stdout.splitlines()
    greedy.install("1.1")
    assert greedy.path("usr/lib/app/version").read_text() == "1.1"
    assert greedy.path("usr/lib/data").is_dir()


@contextmanager
def as_loop_device(file: Path) -> Iterator[Path]:
    loop = subprocess.run(["losetup", "--find", "--show", str(file)], check=True, capture_output=True, text=True).stdout.strip()
    try:
        yield Path(loop)
    finally:
        subprocess.run(["losetup", "--detach", loop], check=True)


def test_files_in_use_as_devices_stay(greedy: Node) -> None:
    greedy.write("opt/swapfile", "x" * 8192, mode=0o600)
    greedy.write("opt/app/image", "y" * 65536)
    greedy.write("opt/app/stray", "no release knows it")
    greedy.write("etc/fstab", "/opt/swapfile none swap sw 0 0\n")
    known = inodes(greedy, "opt/swapfile", "opt/app/image")
    with as_loop_device(greedy.path("opt/app/image")):
        greedy.install("1.1")
        assert inodes(greedy, "opt/swapfile", "opt/app/image") == known
        greedy.rollback()
    assert inodes(greedy, "opt/swapfile", "opt/app/image") == known
    assert greedy.path("opt/app/version").read_text() == "1.0"


def test_home_and_srv_on_filesystems_of_their_own_are_data(greedy: Node, tmp_path: Path, filesystems: Filesystems) -> None:
    """Even where the lists give them to the release: by default none manages them."""
    homes = filesystems.make("ext4", greedy.path("home"))
    Tree.over(homes).file("ada/notes", "hers")
    own = snapshot(homes)
    greedy.install("1.1")
    assert difference(own, snapshot(homes)) == []
    greedy.store.publish(Tree(tmp_path / "2.0").file("home/golden/.profile", "x"), "2.0")
    ran = greedy.upgrade("2.0")
    assert ran.status == 4
    assert "/home is a mount that the release does not manage, and the release has content there (/home/golden/.profile)" in ran.stderr
    assert difference(own, snapshot(homes)) == []


def test_a_filesystem_that_is_not_the_node_s_alone_is_never_managed(greedy: Node, tmp_path: Path, filesystems: Filesystems) -> None:
    lower = tmp_path / "lower"
    lower.mkdir()
    Tree.over(lower).file("app/version", "another machine's")
    shown = filesystems.overlay(lower, greedy.path("opt"))
    ran = greedy.upgrade("1.1")
    assert (ran.status, ran.stderr.partition("reprov: ")[2].splitlines()[0]) == (
        4,
        "/opt is a mount that no release manages (overlay: shows what lies elsewhere), and the release has content there"
        " (/opt/app/version)",
    )
    assert [path.name for path in shown.iterdir()] == ["app"]
