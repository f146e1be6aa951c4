"""More than one filesystem below a root: what the release manages swaps on each, what it does not is never touched."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.system.filesystems import Filesystems
from tests.system.node import Hooks, Node
from tests.system.snapshot import difference, snapshot, timeless
from tests.system.trees import Tree

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs("mkfs.ext4", "mkfs.xfs", "mkfs.btrfs", "mount", "rsync")]

on_every_filesystem = pytest.mark.parametrize("node", ["ext4", "xfs"], indirect=True)


def with_boot(folder: Path, version: str) -> Tree:
    """A tree with a kernel, whose release manages /boot and /var where a node has them apart."""
    tree = Tree(folder, version).file(f"boot/vmlinuz-{version}", f"kernel {version}").file("boot/config", version)
    return tree.file("boot/grub/kept.cfg", "x").file("var/lib/app/seed", version).file("usr/lib/version", version)


@on_every_filesystem
@pytest.mark.parametrize("boot", ["ext4", "xfs"])
def test_boot_and_var_on_filesystems_of_their_own(node: Node, tmp_path: Path, filesystems: Filesystems, boot: str) -> None:
    """From an empty root with empty filesystems mounted in it, through an upgrade, to the way back."""
    filesystems.make(boot, node.path("boot"))
    filesystems.make("ext4", node.path("var"))
    trees = {version: with_boot(tmp_path / version, version) for version in ("1.0", "1.1")}
    for version, tree in trees.items():
        node.store.publish(tree, version, "base", "--filesystems", "boot,var")
    node.install("1.0")
    assert node.differs_from(trees["1.0"].folder, "boot/lost+found", "var/lost+found") == []
    node.write("var/lib/app/rows", "the node's")
    before = node.snapshot()
    node.install("1.1")
    assert sorted(os.listdir(node.path("boot"))) == sorted(
        {".reprov", "config", "grub", "vmlinuz-1.1"} | ({"lost+found"} if boot == "ext4" else set())
    )
    assert node.path("boot/config").read_text() == "1.1"
    assert node.path("var/lib/app/rows").read_text() == "the node's"
    assert node.path("var/lib/app/seed").read_text() == "1.0"
    assert node.run("verify", "--deep").status == 0
    after = node.snapshot()
    node.rollback()
    assert node.changed_since(before, directory_times=False) == []
    node.rollback()
    assert node.changed_since(after, directory_times=False) == []
    assert node.path("boot").is_mount()


def test_usr_on_a_filesystem_of_its_own(node: Node, tmp_path: Path, filesystems: Filesystems) -> None:
    filesystems.make("xfs", node.path("usr"))
    trees = {version: Tree(tmp_path / version, version).file("usr/lib/version", version) for version in ("1.0", "1.1")}
    for version, tree in trees.items():
        node.store.publish(tree, version, "base", "--filesystems", "usr")
    node.install("1.0")
    before = node.snapshot()
    node.install("1.1")
    assert node.differs_from(trees["1.1"].folder) == []
    node.rollback()
    assert node.changed_since(before, directory_times=False) == []


def test_a_filesystem_that_the_release_does_not_name_is_refused_where_it_would_hide_content(
    node: Node, tmp_path: Path, filesystems: Filesystems
) -> None:
    """/boot mounted apart, and a release that has content there, but was published for nodes whose /usr alone is."""
    node.store.publish(with_boot(tmp_path / "tree", "1.0"), "1.0", "base", "--filesystems", "usr")
    filesystems.make("ext4", node.path("boot"))
    before = node.snapshot()
    ran = node.upgrade("1.0")
    assert (ran.status, ran.stderr.partition("reprov: ")[2]) == (
        4,
        "/boot is a mount that the release does not manage, and the release has content there (/boot/config)\n"
        "hint: unmount it, keep /boot by a *.exclude list, or name it under `filesystems` of the role\n",
    )
    assert node.changed_since(before) == []
    assert node.leftovers() == []


def test_a_managed_filesystem_that_is_read_only_is_refused(node: Node, tmp_path: Path, filesystems: Filesystems) -> None:
    for version in ("1.0", "1.1"):
        node.store.publish(with_boot(tmp_path / version, version), version, "base", "--filesystems", "boot")
    filesystems.make("ext4", node.path("boot"))
    node.install("1.0")
    filesystems.remount(node.path("boot"), "ro")
    before = node.snapshot()
    ran = node.upgrade("1.1")
    assert ran.status == 4
    assert "reprov: /boot is read-only\n" in ran.stderr
    assert node.changed_since(before) == []


@on_every_filesystem
def test_around_an_unknown_mount_inside_usr_everything_is_upgraded(node: Node, tmp_path: Path, filesystems: Filesystems) -> None:
    trees = {}
    for version in ("1.0", "1.1"):
        trees[version] = Tree(tmp_path / version).file("usr/lib/version", version).file("usr/share/app/version", version)
        trees[version].directory("usr/share/data").file("usr/share/version", version)
        node.store.publish(trees[version], version)
    node.install("1.0")
    mounted = filesystems.make("ext4", node.path("usr/share/data"))
    Tree.over(mounted).file("rows", "the node's").hard_link("more/rows", "rows").settle()
    stranger = filesystems.tmpfs(node.path("usr/lib/stranger"))
    (stranger / "file").write_text("the node's")
    before, own = node.snapshot(), snapshot(mounted)
    inode = (mounted / "rows").stat().st_ino

    node.install("1.1")
    assert node.differs_from(trees["1.1"].folder, "usr/share/data", "usr/lib/stranger") == []
    assert difference(own, snapshot(mounted)) == []
    assert (mounted / "rows").stat().st_ino == inode
    assert (stranger / "file").read_text() == "the node's"
    assert mounted.is_mount()
    assert not (mounted / ".reprov").exists()
    node.rollback()
    assert node.changed_since(before, directory_times=False) == []


@on_every_filesystem
def test_an_unknown_mount_over_content_of_the_release_is_refused_by_name(node: Node, tmp_path: Path, filesystems: Filesystems) -> None:
    for version in ("1.0", "1.1"):
        node.store.publish(Tree(tmp_path / version).file("usr/share/app/deep/version", version).file("etc/version", version), version)
    node.install("1.0")
    mounted = filesystems.make("ext4", node.path("usr/share/app"))
    (mounted / "rows").write_text("the node's")
    before = node.snapshot()
    ran = node.upgrade("1.1")
    assert (ran.status, ran.stderr.partition("reprov: ")[2].partition("\n")[0]) == (
        4,
        "/usr/share/app is a mount that the release does not manage, and the release has content there (/usr/share/app/deep/version)",
    )
    assert node.changed_since(before) == []
    assert node.leftovers() == []
    filesystems.unmount(mounted)
    node.install("1.1")


@on_every_filesystem
@pytest.mark.parametrize(
    "path",
    [
        pytest.param("etc/hostname", id="on a kept file"),
        pytest.param("etc/resolv.conf", id="on a file that no release knows"),
    ],
)
def test_around_a_bind_mount_on_a_file_in_etc_everything_is_upgraded(
    node: Node, tmp_path: Path, filesystems: Filesystems, path: str
) -> None:
    """As container runtimes and cloud-init have it: the file below must not change, and the mount must stay."""
    trees = {version: Tree(tmp_path / version).file("etc/version", version).file("etc/conf.d/v", version) for version in ("1.0", "1.1")}
    for version, tree in trees.items():
        node.store.publish(tree, version)
    node.install("1.0")
    node.write(path, "below\n")
    (tmp_path / "above").write_text("above\n")
    before = node.snapshot()
    filesystems.bind(tmp_path / "above", node.path(path))
    node.install("1.1")
    assert node.path(path).read_text() == "above\n"
    assert (tmp_path / "above").stat().st_nlink == 1
    assert node.differs_from(trees["1.1"].folder, path) == []
    node.rollback()
    assert node.path(path).read_text() == "above\n"
    filesystems.unmount(node.path(path))
    assert node.changed_since(before, directory_times=False) == []


def test_a_bind_mount_on_a_file_of_the_release_is_refused_by_name(node: Node, tmp_path: Path, filesystems: Filesystems) -> None:
    for version in ("1.0", "1.1"):
        node.store.publish(Tree(tmp_path / version).file("etc/version", version), version)
    node.install("1.0")
    (tmp_path / "above").write_text("above\n")
    filesystems.bind(tmp_path / "above", node.path("etc/version"))
    before = node.snapshot()
    ran = node.upgrade("1.1")
    assert ran.status == 4
    assert "/etc/version is a mount that the release does not manage" in ran.stderr
    assert node.changed_since(before) == []


def test_mount_points_with_names_that_tables_escape(node: Node, tmp_path: Path, filesystems: Filesystems) -> None:
    """/proc/self/mountinfo writes space, tab, newline and backslash in octal, and the rest as it is."""
    for version in ("1.0", "1.1"):
        node.store.publish(Tree(tmp_path / version).file("usr/share/version", version), version)
    node.install("1.0")
    names = ("with space", "new\nline", "back\\040slash", "non-utf8-\udcff", "tab\t#")
    for name in names:
        (filesystems.tmpfs(node.path(f"usr/share/{name}")) / "file").write_text("the node's")
    node.install("1.1")
    assert [(node.path(f"usr/share/{name}/file")).read_text() for name in names] == ["the node's"] * len(names)
    assert node.path("usr/share/version").read_text() == "1.1"


@pytest.mark.parametrize("node", ["btrfs"], indirect=True)
def test_subvolumes_are_filesystems_of_their_own(node: Node, tmp_path: Path) -> None:
    """One that holds content of the release swaps within itself; one that the release does not know stays."""
    for subvolume in ("var", "opt"):
        subprocess.run(["btrfs", "--quiet", "subvolume", "create", str(node.path(subvolume))], check=True)
    trees = {}
    for version in ("1.0", "1.1"):
        trees[version] = Tree(tmp_path / version).file("opt/app/version", version).file("usr/lib/version", version)
        node.store.publish(trees[version], version)
    node.install("1.0")
    assert node.differs_from(trees["1.0"].folder) == []
    subprocess.run(["btrfs", "--quiet", "subvolume", "create", str(node.path("usr/lib/snapshots"))], check=True)
    node.write("usr/lib/snapshots/rows", "the node's")
    before, device = node.snapshot(), node.path("opt").stat().st_dev
    node.install("1.1")
    assert node.differs_from(trees["1.1"].folder, "usr/lib/snapshots") == []
    assert node.path("usr/lib/snapshots/rows").read_text() == "the node's"
    assert node.path("opt").stat().st_dev == device
    node.rollback()
    assert node.changed_since(before, directory_times=False) == []


@pytest.mark.parametrize(
    "phase",
    [
        pytest.param("stage", id="while the next tree is being staged"),
        pytest.param("commit", id="right before the exchange"),
    ],
)
def test_a_mount_that_appears_after_the_plan_stops_the_upgrade(
    node: Node, tmp_path: Path, filesystems: Filesystems, hooks: Hooks, phase: str
) -> None:
    for version in ("1.0", "1.1"):
        node.store.publish(Tree(tmp_path / version).file("usr/lib/version", version).directory("usr/lib/later"), version)
    node.install("1.0")
    before = node.snapshot()
    hooks.at_start(phase, lambda: filesystems.tmpfs(node.path("usr/lib/later")))
    ran = node.upgrade("1.1")
    assert (ran.status, ran.stderr) == (
        1,
        "reprov: a filesystem was mounted or unmounted since the plan was made\nhint: run it again\n",
    )
    filesystems.unmount(node.path("usr/lib/later"))
    assert difference(timeless(before), timeless(node.snapshot())) == []
    assert node.leftovers() == []


def read_only(node: Node, filesystems: Filesystems) -> None:
    filesystems.remount(node.root, "ro")


def through_an_overlay(node: Node, filesystems: Filesystems) -> None:
    node.root = filesystems.overlay(node.root, node.root.with_name("overlay"))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        pytest.param(read_only, "{root} is mounted read-only", id="read-only"),
        pytest.param(through_an_overlay, "{root} is an overlay: what is exchanged there would be lost", id="an overlay"),
    ],
)
def test_a_root_that_cannot_be_changed_is_refused(
    node: Node, tmp_path: Path, filesystems: Filesystems, make: Callable[[Node, Filesystems], None], said: str
) -> None:
    for version in ("1.0", "1.1"):
        node.store.publish(Tree(tmp_path / version).file("usr/lib/version", version), version)
    node.install("1.0")
    make(node, filesystems)
    before = node.snapshot()
    ran = node.upgrade("1.1")
    assert (ran.status, ran.stderr.partition("reprov: ")[2].partition("\n")[0]) == (4, said.format(root=node.root))
    assert node.changed_since(before) == []
