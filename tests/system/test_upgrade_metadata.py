"""Everything that a path can be and become: each case is two releases, installed, upgraded, rolled back and rolled forward."""

import stat
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.system.node import Node
from tests.system.snapshot import difference, timeless, without
from tests.system.trees import CAP_NET_RAW, EVIL_NAMES, Tree

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs("mkfs.ext4", "mkfs.xfs", "mkfs.btrfs", "mount", "rsync")]

on_every_filesystem = pytest.mark.parametrize("node", ["ext4", "xfs", "btrfs"], indirect=True)
on_ext4_and_xfs = pytest.mark.parametrize("node", ["ext4", "xfs"], indirect=True)


def acl(*entries: tuple[int, int, int]) -> bytes:
    """system.posix_acl_*: version 2, then tag, permissions and id of each entry (linux/posix_acl_xattr.h)."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


NOBODY = 0xFFFFFFFF
USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER = 1, 2, 4, 8, 16, 32
READABLE_BY_ADM = acl((USER_OBJ, 6, NOBODY), (GROUP_OBJ, 4, NOBODY), (GROUP, 4, 4), (MASK, 4, NOBODY), (OTHER, 4, NOBODY))
READABLE_BY_33 = acl((USER_OBJ, 6, NOBODY), (USER, 4, 33), (GROUP_OBJ, 4, NOBODY), (MASK, 4, NOBODY), (OTHER, 4, NOBODY))
DIRECTORY_OF_ADM = acl((USER_OBJ, 7, NOBODY), (GROUP_OBJ, 5, NOBODY), (GROUP, 7, 4), (MASK, 7, NOBODY), (OTHER, 5, NOBODY))
ACCESS, DEFAULT = "system.posix_acl_access", "system.posix_acl_default"

Furnish = Callable[[Tree], object]


class Case(NamedTuple):
    """What two releases have that the small root has not."""

    sentence: str
    old: Furnish
    new: Furnish


def evil_files(tree: Tree, content: str) -> None:
    for name in EVIL_NAMES:
        tree.file(f"opt/evil/{name}", f"{content} {name!a}")
        tree.file(f"etc/evil/{name}/inside", content)
        tree.symlink(f"usr/share/evil/{name}", f"../{name}")


def sparse(tree: Tree, path: str, last: bytes) -> None:
    tree.file(path, bytes(8 << 20) + last)
    subprocess.run(["fallocate", "--dig-holes", str(tree.at(path))], check=True)


def usr_merged(tree: Tree, merged: bool) -> None:
    """/sbin as a link into /usr or as a directory of its own, with a program in it."""
    if merged:
        tree.file("usr/sbin/tool", "tool\n", mode=0o755).symlink("sbin", "usr/sbin")
    else:
        tree.file("sbin/tool", "tool\n", mode=0o755).directory("usr/sbin")


CASES = [
    Case("a file changes its content", lambda t: t.file("opt/a", "one"), lambda t: t.file("opt/a", "two")),
    Case(
        "a file becomes empty and an empty one gets content",
        lambda t: t.file("opt/a", "x").file("opt/b"),
        lambda t: t.file("opt/a").file("opt/b", "x"),
    ),
    Case("a file changes its mode", lambda t: t.file("opt/a", "x"), lambda t: t.file("opt/a", "x", mode=0o600)),
    Case("a file becomes setuid", lambda t: t.file("usr/bin/su", "x", mode=0o755), lambda t: t.file("usr/bin/su", "x", mode=0o4755)),
    Case(
        "a setuid file changes its content",
        lambda t: t.file("usr/bin/su", "one", mode=0o4755),
        lambda t: t.file("usr/bin/su", "two", mode=0o4755),
    ),
    Case(
        "a setuid file changes its owner",
        lambda t: t.file("usr/bin/su", "x", mode=0o6755),
        lambda t: t.file("usr/bin/su", "x", mode=0o6755, owner=7, group=42),
    ),
    Case(
        "a directory becomes sticky and another's",
        lambda t: t.directory("opt/d"),
        lambda t: t.directory("opt/d", mode=0o3777, owner=33, group=33),
    ),
    Case("a symlink points elsewhere", lambda t: t.symlink("opt/l", "one"), lambda t: t.symlink("opt/l", "../two")),
    Case("a file becomes a symlink", lambda t: t.file("opt/a", "x"), lambda t: t.symlink("opt/a", "../etc/os-release")),
    Case("a file becomes a directory", lambda t: t.file("opt/a", "x"), lambda t: t.file("opt/a/b/c", "x")),
    Case("a directory becomes a file", lambda t: t.file("opt/a/b/c", "x"), lambda t: t.file("opt/a", "x")),
    Case(
        "a directory becomes a symlink to a directory",
        lambda t: t.file("opt/a/f", "x"),
        lambda t: t.symlink("opt/a", "b").file("opt/b/f", "x"),
    ),
    Case(
        "a symlink to a directory becomes a directory",
        lambda t: t.symlink("opt/a", "b").file("opt/b/f", "x"),
        lambda t: t.file("opt/a/f", "x"),
    ),
    Case("/sbin moves into /usr", lambda t: usr_merged(t, False), lambda t: usr_merged(t, True)),
    Case("/sbin moves out of /usr", lambda t: usr_merged(t, True), lambda t: usr_merged(t, False)),
    Case("a directory appears at the top", lambda t: None, lambda t: t.file("newtop/a/b", "x")),
    Case("a directory of the old release disappears from the top", lambda t: t.file("oldtop/a/b", "x"), lambda t: None),
    Case("a tree of directories disappears", lambda t: t.file("usr/share/a/b/c/d", "x"), lambda t: None),
    Case(
        "the only directory that changes is deep",
        lambda t: t.file("usr/share/a/b/c/d", "one"),
        lambda t: t.file("usr/share/a/b/c/d", "two"),
    ),
    Case("a file moves", lambda t: t.file("usr/share/a", "moved"), lambda t: t.file("opt/elsewhere/a", "moved")),
    Case(
        "two files swap their contents",
        lambda t: t.file("opt/a", "one").file("opt/b", "two"),
        lambda t: t.file("opt/a", "two").file("opt/b", "one"),
    ),
    Case(
        "hard links appear",
        lambda t: t.file("opt/a", "x").file("opt/b", "x").file("usr/share/c", "x"),
        lambda t: t.file("opt/a", "x").hard_link("opt/b", "opt/a").hard_link("usr/share/c", "opt/a"),
    ),
    Case(
        "hard links disappear",
        lambda t: t.file("opt/a", "x").hard_link("opt/b", "opt/a"),
        lambda t: t.file("opt/a", "x").file("opt/b", "x"),
    ),
    Case(
        "one of three hard links changes its content",
        lambda t: t.file("opt/a", "x").hard_link("opt/b", "opt/a").hard_link("opt/c", "opt/a"),
        lambda t: t.file("opt/a", "x").hard_link("opt/b", "opt/a").file("opt/c", "y"),
    ),
    Case(
        "all hard links change their content",
        lambda t: t.file("opt/a", "x").hard_link("opt/b", "opt/a"),
        lambda t: t.file("opt/a", "y").hard_link("opt/b", "opt/a"),
    ),
    Case(
        "hard links group themselves otherwise",
        lambda t: t.file("opt/a", "x").hard_link("opt/b", "opt/a").file("opt/c", "x").hard_link("opt/d", "opt/c"),
        lambda t: t.file("opt/a", "x").hard_link("opt/c", "opt/a").file("opt/b", "x").hard_link("opt/d", "opt/b"),
    ),
    Case(
        "hard links in directories of which one does not change",
        lambda t: t.file("usr/lib/a", "x").hard_link("opt/b", "usr/lib/a").file("opt/more", "one"),
        lambda t: t.file("usr/lib/a", "x").hard_link("opt/b", "usr/lib/a").file("opt/more", "two"),
    ),
    Case(
        "hard links in /etc stay one file",
        lambda t: t.file("etc/a", "x").hard_link("etc/b", "etc/a").file("etc/more", "one"),
        lambda t: t.file("etc/a", "x").hard_link("etc/b", "etc/a").file("etc/more", "two"),
    ),
    Case(
        "a file gets an attribute",
        lambda t: t.file("opt/a", "x"),
        lambda t: t.file("opt/a", "x").xattr("opt/a", "user.note", b"\x00\xff"),
    ),
    Case(
        "a file loses an attribute and a directory changes one",
        lambda t: t.file("opt/a", "x").xattr("opt/a", "user.note", b"1").directory("opt/d").xattr("opt/d", "user.note", b"1"),
        lambda t: t.file("opt/a", "x").directory("opt/d").xattr("opt/d", "user.note", b"2"),
    ),
    Case(
        "a symlink has an attribute",
        lambda t: t.symlink("opt/l", "x").xattr("opt/l", "trusted.note", b"1"),
        lambda t: t.symlink("opt/l", "y").xattr("opt/l", "trusted.note", b"2"),
    ),
    Case(
        "ping changes and keeps cap_net_raw",
        lambda t: t.file("usr/bin/ping", "one", mode=0o755).xattr("usr/bin/ping", "security.capability", CAP_NET_RAW),
        lambda t: t.file("usr/bin/ping", "two", mode=0o755).xattr("usr/bin/ping", "security.capability", CAP_NET_RAW),
    ),
    Case(
        "ping stays while its neighbour changes and keeps cap_net_raw",
        lambda t: t.file("usr/bin/ping", "x", mode=0o755).xattr("usr/bin/ping", "security.capability", CAP_NET_RAW),
        lambda t: (
            t.file("usr/bin/ping", "x", mode=0o755).xattr("usr/bin/ping", "security.capability", CAP_NET_RAW).file("usr/bin/more", "x")
        ),
    ),
    Case(
        "ping loses cap_net_raw and becomes setuid",
        lambda t: t.file("usr/bin/ping", "x", mode=0o755).xattr("usr/bin/ping", "security.capability", CAP_NET_RAW),
        lambda t: t.file("usr/bin/ping", "x", mode=0o4755),
    ),
    Case(
        "access lists change",
        lambda t: t.file("opt/a", "x").xattr("opt/a", ACCESS, READABLE_BY_ADM),
        lambda t: t.file("opt/a", "x").xattr("opt/a", ACCESS, READABLE_BY_33),
    ),
    Case(
        "an access list goes and another one comes",
        lambda t: t.file("opt/a", "x").xattr("opt/a", ACCESS, READABLE_BY_ADM).file("opt/b", "x"),
        lambda t: t.file("opt/a", "x").file("opt/b", "x").xattr("opt/b", ACCESS, READABLE_BY_ADM),
    ),
    Case(
        "a default list is not inherited by what is staged below it",
        lambda t: t.directory("opt/d").xattr("opt/d", DEFAULT, DIRECTORY_OF_ADM).file("opt/plain/a", "one"),
        lambda t: (
            t.file("opt/d/a", "x").file("opt/d/e/f", "x").xattr("opt/d", DEFAULT, DIRECTORY_OF_ADM).xattr("opt/d", ACCESS, DIRECTORY_OF_ADM)
        ),
    ),
    Case("a sparse file changes", lambda t: sparse(t, "opt/holes", b"one"), lambda t: sparse(t, "opt/holes", b"two")),
    Case(
        "devices appear",
        lambda t: None,
        lambda t: t.device("opt/null", stat.S_IFCHR, (1, 3), mode=0o666).device("opt/loop", stat.S_IFBLK, (7, 0)),
    ),
    Case(
        "a device changes its numbers",
        lambda t: t.device("opt/null", stat.S_IFCHR, (1, 3)),
        lambda t: t.device("opt/null", stat.S_IFCHR, (1, 5)),
    ),
    Case("a fifo becomes a file", lambda t: t.fifo("opt/fifo"), lambda t: t.file("opt/fifo", "x")),
    Case("a file becomes a fifo", lambda t: t.file("opt/fifo", "x"), lambda t: t.fifo("opt/fifo", mode=0o622)),
    Case("names that tools trip over change", lambda t: evil_files(t, "one"), lambda t: evil_files(t, "two")),
    Case("names that tools trip over appear", lambda t: None, lambda t: evil_files(t, "one")),
    Case("names that tools trip over disappear", lambda t: evil_files(t, "one"), lambda t: None),
]


@pytest.mark.parametrize("case", [pytest.param(case, id=case.sentence) for case in CASES])
def test_what_a_path_becomes_and_becomes_again(node: Node, tmp_path: Path, case: Case) -> None:
    old, new = Tree(tmp_path / "old"), Tree(tmp_path / "new")
    case.old(old)
    case.new(new)
    go_there_and_back_and_there(node, old, new)


@pytest.mark.parametrize("node", ["xfs", "btrfs"], indirect=True)
def test_the_same_on_filesystems_that_share_blocks(node: Node, tmp_path: Path) -> None:
    """All at once, each in a directory of its own: here unchanged files are cloned, on ext4 they are linked."""
    old, new = Tree(tmp_path / "old"), Tree(tmp_path / "new")
    for number, case in enumerate(CASES):
        case.old(old.inside(f"usr/lib/cases/{number}"))
        case.new(new.inside(f"usr/lib/cases/{number}"))
    go_there_and_back_and_there(node, old, new)


def go_there_and_back_and_there(node: Node, old: Tree, new: Tree) -> None:
    """Install, upgrade, roll back, roll forward; after each, the node is the tree, to the last attribute."""
    node.store.publish(old, "1.0")
    node.store.publish(new, "1.1")
    node.install("1.0")
    assert node.differs_from(old.folder) == []
    before = node.snapshot()
    node.install("1.1")
    assert node.differs_from(new.folder) == []
    assert node.run("verify", "--deep").status == 0
    after = node.snapshot()
    node.rollback()
    assert node.changed_since(before, directory_times=False) == []
    assert node.run("verify", "--deep").status == 0
    node.rollback()
    assert node.changed_since(after, directory_times=False) == []
    assert node.leftovers() == []


@on_every_filesystem
def test_holes_stay_holes(node: Node, tmp_path: Path) -> None:
    """Fetched, copied for its new mode, and linked or cloned beside a neighbour that changes."""
    for version, mode, neighbour in (("1.0", 0o644, ""), ("1.1", 0o600, ""), ("1.2", 0o600, "x")):
        tree = Tree(tmp_path / version)
        sparse(tree, "usr/lib/holes", b"end")
        (tree.folder / "usr/lib/holes").chmod(mode)
        node.store.publish(tree.file("usr/lib/neighbour", neighbour), version)
        node.install(version)
        status = node.path("usr/lib/holes").stat()
        assert status.st_size == (8 << 20) + 3
        assert status.st_blocks * 512 <= 64 << 10


@on_every_filesystem
def test_nothing_in_etc_shares_its_inode_with_the_previous_tree(node: Node, tmp_path: Path) -> None:
    """cron skips a crontab with two links, and an editor that writes through one would change the way back, too."""
    for version in ("1.0", "1.1", "1.2"):
        tree = Tree(tmp_path / version).file("etc/cron.d/job", "* * * * * root true\n").file("etc/version", version)
        node.store.publish(tree, version)
    node.install("1.0")
    node.write("etc/site.d/kept", "the node's\n")
    node.write("etc/site.d/deep/kept", "the node's\n")
    node.write("etc/x.local", "the node's\n")
    for version in ("1.1", "1.2", "back", "forward"):
        if version.startswith("1."):
            node.install(version)
        else:
            node.rollback()
        linked = [
            str(path) for path in node.path("etc").rglob("*") if path.is_file() and not path.is_symlink() and path.stat().st_nlink > 1
        ]
        assert linked == []


@on_every_filesystem
def test_what_may_change_its_mode_in_place_is_never_shared_with_the_previous_tree(node: Node, tmp_path: Path) -> None:
    """dpkg takes the bits off the old inode of a setuid file, the operator's programs are the operator's (transaction hazard 3)."""
    for version in ("1.0", "1.1"):
        tree = Tree(tmp_path / version).file("usr/bin/su", "x", mode=0o4755).file("usr/bin/ping", "x", mode=0o755)
        tree.xattr("usr/bin/ping", "security.capability", CAP_NET_RAW).file("usr/local/bin/mine", "x").file("usr/bin/version", version)
        node.store.publish(tree, version)
        node.install(version)
    assert {name: node.path(name).stat().st_nlink for name in ("usr/bin/su", "usr/bin/ping", "usr/local/bin/mine")} == {
        "usr/bin/su": 1,
        "usr/bin/ping": 1,
        "usr/local/bin/mine": 1,
    }


@contextmanager
def flagged(path: Path, flag: str) -> Iterator[None]:
    """With a chattr(1) flag on a path, as in "+i", inside the block."""
    subprocess.run(["chattr", f"+{flag}", str(path)], check=True)
    try:
        yield
    finally:
        subprocess.run(["chattr", f"-{flag}", str(path)], check=True)


@on_ext4_and_xfs
@pytest.mark.needs("chattr")
@pytest.mark.parametrize(
    "kept",
    [
        pytest.param("etc/x.local", id="a kept file in /etc"),
        pytest.param("etc/site.d/deep/kept", id="a file in a kept directory in /etc"),
        pytest.param("opt/vendor/x.key", id="a kept file in /opt"),
        pytest.param("opt/vendor/data/kept", id="a file in a kept directory in /opt"),
    ],
)
def test_around_an_immutable_file_of_the_node_everything_is_upgraded(node: Node, tmp_path: Path, kept: str) -> None:
    trees = {}
    for version in ("1.0", "1.1"):
        trees[version] = Tree(tmp_path / version).file("etc/version", version).file("etc/conf.d/version", version)
        trees[version].file("opt/vendor/version", version).file("usr/bin/version", version)
        node.store.publish(trees[version], version)
    node.install("1.0")
    before = node.snapshot()
    with flagged(node.write(kept, "the node's\n"), "i"):
        node.install("1.1")
        held = kept if kept.count("/") < 2 or "vendor" in kept else "etc/site.d"
        assert node.differs_from(trees["1.1"].folder, held, "opt/vendor/data") == []
        assert node.path(kept).read_text() == "the node's\n"
        node.rollback()
    now = without(node.snapshot(), held, "opt/vendor/data")
    assert difference(timeless(without(before, held, "opt/vendor/data")), timeless(now)) == []
    node.install("1.1")
    assert node.path(kept).read_text() == "the node's\n"


@on_ext4_and_xfs
@pytest.mark.needs("chattr")
@pytest.mark.parametrize(
    ("path", "flag", "said"),
    [
        pytest.param("usr/lib/stubborn", "i", "/usr/lib/stubborn is immutable (chattr)", id="an immutable file"),
        pytest.param("usr/lib/stubborn", "a", "/usr/lib/stubborn is append-only (chattr)", id="an append-only file"),
        pytest.param("usr/lib", "i", "/usr/lib is immutable (chattr)", id="the directory above, immutable"),
    ],
)
def test_an_immutable_path_of_the_image_is_refused_by_name(node: Node, tmp_path: Path, path: str, flag: str, said: str) -> None:
    for version in ("1.0", "1.1"):
        node.store.publish(Tree(tmp_path / version).file("usr/lib/stubborn", version), version)
    node.install("1.0")
    with flagged(node.path(path), flag):
        before = node.snapshot()
        ran = node.upgrade("1.1")
        assert (ran.status, ran.stderr.partition("\nhint: ")[0].rpartition("reprov: ")[2]) == (4, f"{said} and would have to be exchanged")
        assert node.changed_since(before) == []
        assert node.leftovers() == []
    node.install("1.1")
