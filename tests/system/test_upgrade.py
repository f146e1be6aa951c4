"""Whole upgrades on real filesystems: what arrives, what of the node's stays, and the way back."""

import json
import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.system.filesystems import Filesystems
from tests.system.node import Node, Run, Store
from tests.system.snapshot import difference, snapshot, timeless, without
from tests.system.trees import EVIL_NAMES, RealTrees, Tree

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs("mkfs.ext4", "mkfs.xfs", "mount", "rsync")]

on_every_filesystem = pytest.mark.parametrize("node", ["ext4", "xfs"], indirect=True)
on_every_filesystem_and_btrfs = pytest.mark.parametrize("node", ["ext4", "xfs", "btrfs"], indirect=True)


@pytest.fixture(scope="module")
def debian_store(tmp_path_factory: pytest.TempPathFactory, debian: RealTrees) -> Path:
    """A store with the two real trees, published with the lists that reprov ships."""
    from reprov.domain.release import ReleaseId
    from reprov.events import NullMonitor
    from reprov.workflows.publish import Candidate, publish

    folder = tmp_path_factory.mktemp("debian") / "store"
    for version, tree in (("1.0", debian.old), ("1.1", debian.new)):
        publish(folder, None, Candidate(ReleaseId("debian", version), tree, ("base",), ()), NullMonitor())
    return folder


@pytest.mark.needs("mmdebstrap")
@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_a_real_debian_node_goes_to_its_security_updates_and_back(
    tmp_path: Path, filesystems: Filesystems, reprov: Run, debian_store: Path, debian: RealTrees, kind: str
) -> None:
    node = Node(filesystems.make(kind, tmp_path / "node", size_mib=2048), Store(debian_store, reprov), reprov)

    def upgrade(version: str) -> str:
        ran = reprov("upgrade", "debian", version, "--from", debian_store, "--root", node.root, "--json")
        assert ran.status == 0, ran.stderr
        return ran.stdout

    upgrade("1.0")
    assert node.differs_from(debian.old) == []
    node.write("etc/hostname", "node-17\n")
    node.write("etc/ssh/ssh_host_ed25519_key", "secret\n", mode=0o600)
    node.write("var/lib/data/table", "rows\n")
    node.write("home/ann/thesis", "text\n")
    before = node.snapshot()

    done = json.loads(upgrade("1.1"))
    assert done["changed_paths"] > 20
    assert done["fetched_bytes"] > 1_000_000
    assert done["mixed_s"] < 5
    assert node.run("verify", "--deep").status == 0
    # What is not as in the new tree is the node's: what the lists keep, and what they leave alone once it is there.
    differing = [line.partition(": ")[0].removesuffix(" is new").strip("'") for line in node.differs_from(debian.new)]
    own = ("etc/hostname", "etc/ssh", "etc/ssh/ssh_host_ed25519_key", "home/ann", "home/ann/thesis")
    assert [path for path in differing if not path.startswith("var/") and path not in own] == []
    after = node.snapshot()
    assert [name for name, _ in after["usr/bin/ping"].xattrs] == ["security.capability"]
    assert after["usr/bin/perl"].same_as == after["usr/bin/perl5.36.0"].same_as
    assert node.path("home/ann/thesis").read_text() == "text\n"

    node.rollback()
    # What scripts have left in /var is the node's.
    changed = node.changed_since(before, directory_times=False)
    assert [line for line in changed if not line.startswith("'var/cache/")] == []
    node.rollback()
    assert node.changed_since(after, directory_times=False) == []
    assert node.run("verify").status == 0


@on_every_filesystem_and_btrfs
def test_the_same_release_again_changes_nothing(node: Node, tmp_path: Path) -> None:
    node.store.publish(Tree(tmp_path / "tree").file("opt/a", "x"), "1.0")
    node.install("1.0")
    before = node.snapshot()
    again = node.install("1.0")
    assert again.stdout == "base 1.0: nothing to do\n"
    assert node.changed_since(before) == []
    assert node.run("plan", "base", "1.0", "--from", node.store.folder).status == 0


def test_after_the_first_installation_there_is_no_way_back(node: Node, tmp_path: Path) -> None:
    node.store.publish(Tree(tmp_path / "tree"), "1.0")
    node.install("1.0")
    before = node.snapshot()
    ran = node.run("rollback")
    assert (ran.status, ran.stderr) == (
        4,
        "reprov: there is no previous tree to go back to\nhint: `reprov status` shows what there is\n",
    )
    assert node.changed_since(before) == []


@on_every_filesystem
def test_a_node_that_reprov_did_not_make_is_taken_over_and_given_back(node: Node, tmp_path: Path) -> None:
    """The first upgrade of a node that was installed by hand: rolling it back gives the hand-made tree."""
    Tree(node.root, "0.1").file("opt/by-hand/tool", "x").file("etc/by-hand.conf", "x").file("etc/hostname", "pet\n").done()
    before = node.snapshot()
    tree = Tree(tmp_path / "tree").file("opt/tool", "x")
    node.store.publish(tree, "1.0")
    node.install("1.0")
    assert node.differs_from(tree.folder, "etc/hostname", "var") == []
    node.rollback()
    assert node.changed_since(before, directory_times=False) == []


@on_every_filesystem
def test_what_came_to_a_hand_made_tree_since_it_was_given_back_goes_on_to_the_release(node: Node, tmp_path: Path) -> None:
    """The tree that is left is no release: what the other release and the lists say must do."""
    Tree(node.root, "0.1").file("opt/vendor/by-hand", "x").file("etc/hostname", "pet\n").file("backup/monday", "x").done()
    tree = Tree(tmp_path / "tree").file("opt/vendor/tool", "x").file("etc/role", "x")
    node.store.publish(tree, "1.0")
    node.install("1.0")
    node.rollback()
    own = ("opt/vendor/data/rows", "etc/site.d/conf", "etc/hostname", "backup/tuesday", "notes.txt")
    for path in own:
        node.write(path, f"{path} is the node's\n")
    node.rollback()
    assert [path for path in own if node.path(path).read_text() != f"{path} is the node's\n"] == []
    assert node.differs_from(tree.folder, "etc/hostname", "etc/site.d", "opt/vendor/data", "var", "backup", "notes.txt") == []
    assert node.run("verify", "--deep").status == 0


@on_every_filesystem
def test_a_top_directory_that_comes_back_takes_what_is_kept_in_it_along(node: Node, tmp_path: Path) -> None:
    """The release that is left knows nothing of /opt: the one that comes back does."""
    node.store.publish(Tree(tmp_path / "1.0").file("opt/vendor/tool", "x"), "1.0")
    node.store.publish(Tree(tmp_path / "1.1").file("etc/role", "x"), "1.1")
    node.install("1.0")
    node.install("1.1")
    assert not node.path("opt").exists()
    rows = node.write("opt/vendor/data/rows", "the node's")
    inode = rows.stat().st_ino
    node.rollback()
    assert (rows.read_text(), rows.stat().st_ino) == ("the node's", inode)
    assert node.path("opt/vendor/tool").read_text() == "x"


@on_every_filesystem
def test_a_change_of_role_keeps_what_the_old_role_kept(node: Node, tmp_path: Path) -> None:
    """A promise does not end when a role changes: the lists of `other` know nothing of /opt/vendor/data or /etc/site.d."""
    node.store.publish(Tree(tmp_path / "a").file("opt/vendor/tool", "a").file("etc/role", "a\n"), "1.0")
    other = Tree(tmp_path / "b").file("opt/vendor/tool", "b").file("etc/role", "b\n").file("usr/bin/osd", "x")
    node.store.publish(other, "7", "other", "--lists", "other")
    node.install("1.0")
    data = ("opt/vendor/data/disk.img", "etc/site.d/conf", "home/ann/thesis", "var/lib/ceph/osd/whoami", "etc/hostname")
    for path in data:
        node.write(path, f"{path} is the node's\n")
    before = node.snapshot()
    node.install("7", role="other")
    kept = ("opt/vendor/data", "etc/site.d", "home", "var", "srv", "etc/hostname")
    assert node.differs_from(other.folder, *kept) == []
    assert [path for path in data if node.path(path).read_text() != f"{path} is the node's\n"] == []
    assert json.loads(node.run("status", "--json").stdout)["installed"] == "other 7"
    node.rollback()
    assert node.changed_since(before, directory_times=False) == []
    assert [path for path in data if node.path(path).read_text() != f"{path} is the node's\n"] == []


def test_what_an_earlier_role_kept_outlives_the_next_upgrades_of_the_new_role(node: Node, tmp_path: Path) -> None:
    node.store.publish(Tree(tmp_path / "a").file("opt/vendor/tool", "a"), "1.0")
    node.install("1.0")
    node.write("opt/vendor/data/disk.img", "the node's\n")
    for version in ("7", "8", "9"):
        tree = Tree(tmp_path / version).file("opt/vendor/tool", version)
        node.store.publish(tree, version, "other", "--lists", "other")
        node.install(version, role="other")
        assert node.path("opt/vendor/data/disk.img").read_text() == "the node's\n"


@on_every_filesystem
@pytest.mark.parametrize(
    "directory",
    [
        pytest.param("opt/vendor/data", id="a kept directory in /opt, which is carried"),
        pytest.param("etc/site.d", id="a kept directory in /etc, which is rebuilt"),
        pytest.param("usr/lib/site", id="a kept directory in /usr, which is carried"),
    ],
)
def test_a_kept_directory_stays_with_everything_in_it(node: Node, tmp_path: Path, directory: str) -> None:
    for version in ("1.0", "1.1"):
        tree = Tree(tmp_path / version).file("opt/vendor/tool", version).file("etc/version", version).file("usr/lib/version", version)
        node.store.publish(tree, version)
    node.install("1.0")
    kept = Tree.over(node.root).inside(directory)
    kept.file("plain", "x", mode=0o640, owner=33, group=42).file("setuid", "x", mode=0o4755).symlink("link", "nowhere")
    kept.file("linked/a", "x").hard_link("linked/b", "linked/a").fifo("fifo").device("null", stat.S_IFCHR, (1, 3))
    kept.file("noted", "x").xattr("noted", "user.note", b"1").directory("mode", mode=0o1711, owner=33, group=33)
    for name in EVIL_NAMES:
        kept.file(f"evil/{name}", "x")
    kept.settle()
    before = snapshot(node.path(directory))
    inodes = {path: path.lstat().st_ino for path in node.path(directory).rglob("*") if not path.is_dir() or path.is_symlink()}

    for go in ("there", "back", "there again"):
        if go == "there":
            node.install("1.1")
        else:
            node.rollback()
        assert difference(timeless(before), timeless(snapshot(node.path(directory)))) == []
        assert {path: path.lstat().st_ino for path in inodes} == inodes
    assert node.run("verify", "--deep").status == 0


@on_every_filesystem
def test_kept_names_that_tools_trip_over_stay(node: Node, tmp_path: Path) -> None:
    """Each as a file that is linked (/opt/vendor/*.key), each as one beside what changes in /etc (*.local)."""
    for version in ("1.0", "1.1"):
        node.store.publish(Tree(tmp_path / version).file("opt/vendor/tool", version).file("etc/version", version), version)
    node.install("1.0")
    names = [name[:200] for name in EVIL_NAMES]
    for name in names:
        Tree.over(node.root).file(f"opt/vendor/{name}.key", f"key {name!a}").file(f"etc/{name}.local", f"local {name!a}")
    before = node.snapshot()
    node.install("1.1")
    for name in names:
        assert node.path(f"opt/vendor/{name}.key").read_text() == f"key {name!a}"
        assert node.path(f"etc/{name}.local").read_text() == f"local {name!a}"
    node.rollback()
    assert node.changed_since(before, directory_times=False) == []


@on_every_filesystem
def test_add_only_is_created_once_and_then_the_nodes(node: Node, tmp_path: Path) -> None:
    first = Tree(tmp_path / "1.0").file("var/lib/app/seed", "1.0").file("var/lib/app/other", "1.0").file("etc/once.conf", "1.0")
    node.store.publish(first, "1.0")
    second = Tree(tmp_path / "1.1").file("var/lib/app/seed", "1.1").file("var/lib/app/new/deep", "1.1").file("etc/once.conf", "1.1")
    node.store.publish(second.file("var/lib/newapp/seed", "1.1").file("srv/new", "1.1"), "1.1")
    node.install("1.0")
    assert node.path("var/lib/app/seed").read_text() == "1.0"
    node.write("var/lib/app/seed", "the node's")
    node.write("var/lib/app/own", "the node's")
    node.path("var/lib/app").chmod(0o700)
    os.utime(node.path("var/lib/app"), ns=(1, 1))
    node.install("1.1")
    found = {name: node.path(name).read_text() for name in ("var/lib/app/seed", "var/lib/app/other", "var/lib/app/own", "etc/once.conf")}
    assert found == {"var/lib/app/seed": "the node's", "var/lib/app/other": "1.0", "var/lib/app/own": "the node's", "etc/once.conf": "1.0"}
    assert [node.path(name).read_text() for name in ("var/lib/app/new/deep", "var/lib/newapp/seed", "srv/new")] == ["1.1"] * 3
    assert stat.S_IMODE(node.path("var/lib/app").stat().st_mode) == 0o700
    assert node.run("verify").status == 0


@on_every_filesystem
def test_sockets_fifos_and_devices_of_the_node_stay_where_they_are(node: Node, tmp_path: Path) -> None:
    for version in ("1.0", "1.1"):
        node.store.publish(Tree(tmp_path / version).file("opt/app/run/pid", version).file("usr/lib/version", version), version)
    node.install("1.0")
    made = Tree.over(node.root).fifo("opt/app/run/fifo").device("opt/app/run/null", stat.S_IFCHR, (1, 3)).fifo("usr/lib/fifo")
    made.device("dev/console", stat.S_IFCHR, (5, 1), mode=0o600)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.fspath(node.path("opt/app/run/socket")))
        own = [
            *(node.path("opt/app/run") / name for name in ("fifo", "null", "socket")),
            node.path("usr/lib/fifo"),
            node.path("dev/console"),
        ]
        before = node.snapshot()
        inodes = [path.lstat().st_ino for path in own]
        node.install("1.1")
        assert [path.lstat().st_ino for path in own] == inodes
        assert node.run("verify").status == 0
        node.rollback()
        assert [path.lstat().st_ino for path in own] == inodes
        assert node.changed_since(before, directory_times=False) == []


@on_every_filesystem
def test_what_no_release_knows_stays_at_the_top_and_goes_below_usr(node: Node, tmp_path: Path) -> None:
    for version in ("1.0", "1.1"):
        node.store.publish(Tree(tmp_path / version).file("usr/lib/version", version), version)
    node.install("1.0")
    node.write("backup/monday/dump", "x")
    node.write("notes.txt", "x")
    node.path("shortcut").symlink_to("backup/monday")
    node.write("usr/lib/unknown/file", "x")
    node.write("usr/bin/unknown", "x", mode=0o755)
    before = node.snapshot()
    node.install("1.1")
    assert [node.path(name).exists() for name in ("backup/monday/dump", "notes.txt", "shortcut")] == [True] * 3
    assert [node.path(name).exists() for name in ("usr/lib/unknown", "usr/bin/unknown")] == [False] * 2
    node.rollback()
    assert node.changed_since(before, directory_times=False) == []


@on_every_filesystem
def test_what_the_operator_broke_is_drift_and_an_upgrade_puts_it_right(node: Node, tmp_path: Path) -> None:
    tree = Tree(tmp_path / "tree").file("usr/bin/tool", "x", mode=0o755).file("usr/bin/gone", "x").file("etc/conf", "x")
    node.store.publish(tree, "1.0")
    node.install("1.0")
    node.path("usr/bin/tool").chmod(0o777)
    node.path("usr/bin/gone").unlink()
    node.write("etc/conf", "y")
    node.write("usr/bin/added", "x")
    broken = node.snapshot()
    verified = node.run("verify", "--json")
    assert verified.status == 3
    assert {(item["path"], item["drift"]) for item in json.loads(verified.stdout)["drift"]} == {
        ("/usr/bin/tool", "metadata"),
        ("/usr/bin/gone", "missing"),
        ("/etc/conf", "changed"),
        ("/usr/bin/added", "added"),
    }
    node.install("1.0")
    assert node.differs_from(tree.folder) == []
    node.rollback()
    assert node.changed_since(broken, directory_times=False) == []


@on_every_filesystem
def test_what_is_staged_only_changes_nothing_and_is_used_by_the_upgrade_that_follows(node: Node, tmp_path: Path) -> None:
    trees = {version: Tree(tmp_path / version).file("usr/lib/version", version) for version in ("1.0", "1.1")}
    for version, tree in trees.items():
        node.store.publish(tree, version)
    node.install("1.0")
    before = node.snapshot()
    node.install("1.1", "--stage-only")
    assert node.changed_since(before) == []
    assert json.loads(node.run("status", "--json").stdout)["state"] == "staged"
    node.install("1.1")
    assert node.differs_from(trees["1.1"].folder) == []


@on_every_filesystem
def test_verbs_that_look_change_nothing(node: Node, tmp_path: Path) -> None:
    for version in ("1.0", "1.1"):
        node.store.publish(Tree(tmp_path / version).file("usr/lib/version", version).file("etc/version", version), version)
    node.install("1.0")
    node.install("1.1")
    node.write("etc/version", "drift")
    before = node.snapshot()
    own = (node.root / ".reprov").stat().st_nlink
    looks: list[tuple[Any, ...]] = [
        ("plan", "base", "1.0", "--from", node.store.folder),
        ("plan", "base", "1.0", "--from", node.store.folder, "--all"),
        ("status",),
        ("history",),
        ("verify",),
        ("verify", "--deep"),
        ("explain", "/etc/version"),
    ]
    assert [node.run(*words).status for words in looks] == [3, 3, 0, 0, 3, 3, 0]
    assert node.changed_since(before) == []
    assert (node.root / ".reprov").stat().st_nlink == own
    assert node.leftovers() == []


def test_looking_at_a_root_that_reprov_never_changed_leaves_no_trace(node: Node, tmp_path: Path) -> None:
    Tree(node.root).done()
    node.store.publish(Tree(tmp_path / "tree", "1.1"), "1.1")
    root_time = node.root.stat().st_mtime_ns
    before = node.snapshot()
    assert node.run("plan", "base", "1.1", "--from", node.store.folder).status == 3
    assert node.run("status").status == 0
    assert node.changed_since(before) == []
    assert node.root.stat().st_mtime_ns == root_time
    assert not (node.root / ".reprov").exists()


def test_a_tree_that_is_another_users_to_read_is_still_published_and_installed_as_it_is(node: Node, tmp_path: Path) -> None:
    """Directories of many owners and modes, none of them root's: staging must not need to be them."""
    tree = Tree(tmp_path / "tree")
    for number in range(0o10):
        tree.directory(f"opt/modes/{number}", mode=number * 0o111, owner=1000 + number, group=2000).file(
            f"opt/modes/{number}/f", "x", mode=number, owner=1
        )
    node.store.publish(tree, "1.0")
    node.install("1.0")
    assert node.differs_from(tree.folder) == []
    expected = timeless(without(snapshot(tree.folder), "lost+found"))
    assert expected["opt/modes/0"].mode == 0
