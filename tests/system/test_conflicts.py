"""Conflicts on a node that reprov installed: found, compared, and settled so that nothing but the path changes."""

import errno
import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from reprov.adapters import files, settling
from reprov.adapters.node_state import NodeState
from tests.conftest import Ran
from tests.system.filesystems import Filesystems
from tests.system.node import Node, Store
from tests.system.snapshot import difference, timeless
from tests.system.trees import EVIL_NAMES, Tree, make_library

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs("mkfs.ext4", "mkfs.btrfs", "mount", "rsync")]

MERGE = """\
- /etc/image/
/etc/**
/var/app/conf
"""
NEW = ".reprov-new"
LABEL = b"system_u:object_r:app_t:s0\0"


@pytest.fixture
def installed(node: Node, store: Store, tmp_path: Path) -> Tree:
    """The root of a node that runs base 1.0, for its operator to work on."""
    make_library(store.library, exclude="/etc/hostname\n/etc/keep/\nlost+found/\n", add_only="- /var/lib/dpkg/\n/srv/\n")
    (store.library / "excludes/base.merge").write_text(MERGE)
    tree = Tree(tmp_path / "tree").file("etc/app.conf", "base\n", mode=0o640, group=7).file("etc/gone.conf", "base\n", mode=0o604)
    tree.symlink("etc/link.conf", "base").file("etc/d/deep/x.conf", "base\n").file("var/app/conf", "base\n").file("etc/passwd", "root\n")
    tree.file("etc/image/x", "").file("usr/share/x", "").file("opt/x/y", "")
    store.publish(tree, "1.0")
    node.install("1.0")
    return Tree.over(node.root)


def listed(node: Node) -> dict[str, tuple[str, str | None, str]]:
    ran = node.run("conflicts", "--json")
    answer: dict[str, Any] = json.loads(ran.stdout)
    assert ran.status == (3 if answer["conflicts"] else 0), ran.stderr
    return {item["path"]: (item["standing"], item["node"], item["release"]) for item in answer["conflicts"]}


def taken(node: Node, *words: str) -> Ran:
    ran = node.run("conflicts", "--take", *words)
    assert ran.status == 0, ran.stderr
    assert not list(node.root.glob("**/.reprov/settling"))
    return ran


def test_a_node_as_installed_has_none(node: Node, installed: Tree) -> None:
    ran = node.run("conflicts")
    assert (ran.status, ran.stdout) == (0, "no conflicts\n")


def test_every_conflict_is_found_and_nothing_else(node: Node, installed: Tree) -> None:
    installed.file("etc/app.conf", "node\n").file("etc/app.conf" + NEW, "new\n", mode=0o600)
    installed.file("etc/d/deep/x.conf" + NEW, "base\n").remove("etc/gone.conf").file("etc/gone.conf" + NEW, "new\n")
    installed.symlink("etc/link.conf" + NEW, "new").file("etc/own/of/node" + NEW, "").file("var/app/conf" + NEW, "new\n")
    installed.directory("etc/swapped").file("etc/swapped" + NEW, "")
    # Nobody's business: kept, the image's, not merged, account files, what a link leads to, directories, odd names.
    for path in ("etc/keep/x", "etc/image/x", "usr/share/x", "opt/x/y", "var/app/other", "srv/x", "etc/passwd", "etc/d/"):
        installed.file(path + NEW, "new\n")
    installed.symlink("etc/elsewhere", "../opt/x").directory("etc/dir" + NEW).symlink("etc/d/loop", "..")
    assert listed(node) == {
        "/etc/app.conf": ("differs", "file", "file"),
        "/etc/d/deep/x.conf": ("same", "file", "file"),
        "/etc/gone.conf": ("gone", None, "file"),
        "/etc/link.conf": ("differs", "link", "link"),
        "/etc/own/of/node": ("gone", None, "file"),
        "/etc/swapped": ("differs", "dir", "file"),
        "/var/app/conf": ("differs", "file", "file"),
    }


def test_looking_changes_nothing(node: Node, installed: Tree) -> None:
    installed.file("etc/app.conf" + NEW, "new\n")
    before = node.snapshot()
    assert node.run("conflicts").status == node.run("conflicts", "--diff").status == 3
    assert node.changed_since(before) == []


def test_the_release_s_takes_the_place_of_the_node_s(node: Node, installed: Tree) -> None:
    installed.file("etc/app.conf", "node\n", mode=0o640, owner=3, group=7).xattr("etc/app.conf", "user.site", b"1")
    installed.file("etc/app.conf" + NEW, "new\n", mode=0o600).xattr("etc/app.conf" + NEW, "user.other", b"2")
    installed.xattr("etc/app.conf", "security.selinux", LABEL)
    before = timeless(node.snapshot())
    assert taken(node, "theirs", "/etc/app.conf").stdout == "taken /etc/app.conf\nno conflicts left\n"
    new = before.pop("etc/app.conf" + NEW)
    was = before["etc/app.conf"]
    assert (was.mode, was.owner, was.xattrs) == (0o640, (3, 7), (("user.site", b"1"),))
    before["etc/app.conf"] = was._replace(content=new.content, size=new.size, mtime_ns=new.mtime_ns)
    assert difference(before, timeless(node.snapshot())) == []
    assert os.getxattr(node.path("etc/app.conf"), "security.selinux") == LABEL
    assert listed(node) == {}


def test_what_lies_beside_a_directory_that_is_read_whole_is_found_and_taken(node: Node, installed: Tree) -> None:
    installed.file("etc/rotate.d/app", "node\n", mode=0o640).file("etc/rotate.d%app.reprov-new", "new\n", mode=0o600)
    installed.file("etc/rotate.d/deep/gone", "").remove("etc/rotate.d/deep/gone").file("etc/rotate.d%deep%gone.reprov-new", "back\n")
    ran = node.run("conflicts")
    assert "the release's of /etc/rotate.d/app: /etc/rotate.d%app.reprov-new\n" in ran.stdout
    assert listed(node) == {
        "/etc/rotate.d/app": ("differs", "file", "file"),
        "/etc/rotate.d/deep/gone": ("gone", None, "file"),
    }
    assert "+new\n" in node.run("conflicts", "--diff", "/etc/rotate.d/app").stdout
    said = taken(node, "theirs", "/etc/rotate.d%app.reprov-new", "/etc/rotate.d/deep/gone").stdout
    assert said == "taken /etc/rotate.d/app\ntaken /etc/rotate.d/deep/gone\nno conflicts left\n"
    place = node.path("etc/rotate.d/app")
    assert (place.read_text(), stat.S_IMODE(place.stat().st_mode)) == ("new\n", 0o640)
    assert node.path("etc/rotate.d/deep/gone").read_text() == "back\n"
    assert list(node.root.glob("etc/**/*.reprov-new")) == []


def test_a_directory_that_is_gone_is_not_made_and_a_link_in_its_place_not_followed(node: Node, installed: Tree) -> None:
    installed.file("etc/rotate.d%app.reprov-new", "new\n").symlink("etc/linked.d", "../opt/x")
    installed.file("etc/linked.d%y.reprov-new", "new\n")
    assert listed(node) == {"/etc/linked.d/y": ("gone", None, "file"), "/etc/rotate.d/app": ("gone", None, "file")}
    before = node.snapshot()
    for directory, path in (("/etc/rotate.d", "/etc/rotate.d/app"), ("/etc/linked.d", "/etc/linked.d/y")):
        ran = node.run("conflicts", "--take", "theirs", path)
        assert (ran.status, ran.stderr.startswith(f"reprov: {directory} cannot be entered: ")) == (4, True), ran.stderr
    assert node.changed_since(before, directory_times=False) == []
    taken(node, "ours", "/etc/rotate.d/app", "/etc/linked.d/y")
    assert listed(node) == {}


def test_the_node_s_stays(node: Node, installed: Tree) -> None:
    installed.file("etc/app.conf", "node\n", mode=0o640).remove("etc/gone.conf")
    before = timeless(node.snapshot())
    installed.file("etc/app.conf" + NEW, "new\n").file("etc/gone.conf" + NEW, "new\n")
    ran = taken(node, "ours", "/etc/app.conf", "/etc/gone.conf.reprov-new")
    assert ran.stdout == "stays /etc/app.conf\nstays away /etc/gone.conf\nno conflicts left\n"
    assert difference(before, timeless(node.snapshot())) == []


def test_what_the_node_removed_comes_back_as_the_installed_release_has_it(node: Node, installed: Tree) -> None:
    installed.remove("etc/gone.conf").file("etc/gone.conf" + NEW, "new\n", mode=0o600)
    installed.xattr("etc/gone.conf" + NEW, "security.selinux", LABEL)
    taken(node, "theirs", "/etc/gone.conf")
    place = node.path("etc/gone.conf")
    assert (place.read_text(), stat.S_IMODE(place.stat().st_mode)) == ("new\n", 0o604)
    assert os.getxattr(place, "security.selinux") == LABEL


def test_links_and_files_take_each_other_s_place_and_none_is_followed(node: Node, installed: Tree) -> None:
    installed.remove("etc/link.conf").symlink("etc/link.conf", "app.conf").file("etc/link.conf" + NEW, "new\n")
    installed.symlink("etc/app.conf" + NEW, "/etc/hostname")
    taken(node, "theirs", "/etc/link.conf", "/etc/app.conf")
    assert not node.path("etc/link.conf").is_symlink()
    assert node.path("etc/link.conf").read_text() == "new\n"
    assert node.path("etc/app.conf").readlink() == Path("/etc/hostname")
    assert node.path("etc/hostname").read_text() == "golden\n"
    assert listed(node) == {}


def test_nothing_is_settled_through_a_link_that_a_directory_became(node: Node, installed: Tree) -> None:
    installed.file("opt/x/y" + NEW, "new\n").remove("etc/d").symlink("etc/d", "../opt/x")
    ran = node.run("conflicts", "--take", "theirs", "/etc/d/y")
    assert (ran.status, ran.stderr.splitlines()[0]) == (2, "reprov: /etc/d/y is no conflict")
    assert node.path("opt/x/y").read_text() == ""


def test_an_open_file_and_other_names_keep_the_old_content(node: Node, installed: Tree) -> None:
    installed.file("etc/app.conf" + NEW, "new\n").hard_link("etc/backup", "etc/app.conf").hard_link("etc/copy", "etc/app.conf" + NEW)
    taken(node, "theirs", "/etc/app.conf")
    assert [node.path(name).read_text() for name in ("etc/app.conf", "etc/backup", "etc/copy")] == ["new\n", "base\n", "new\n"]
    assert [node.path(name).stat().st_nlink for name in ("etc/app.conf", "etc/backup", "etc/copy")] == [1, 1, 1]


def test_names_of_every_kind(node: Node, installed: Tree) -> None:
    names = [name for name in EVIL_NAMES if len(os.fsencode(name)) + len(NEW) <= 255]
    for name in names:
        installed.file(f"etc/evil/{name}", "node\n").file(f"etc/evil/{name}{NEW}", "new\n")
    taken(node, "theirs", *(f"/etc/evil/{name}" for name in names))
    assert sorted(os.listdir(node.path("etc/evil"))) == sorted(names)
    assert {node.path(f"etc/evil/{name}").read_text() for name in names} == {"new\n"}


def test_all_or_none_of_several(node: Node, installed: Tree) -> None:
    installed.file("etc/app.conf" + NEW, "new\n").directory("etc/swapped").file("etc/swapped" + NEW, "")
    before = node.snapshot()
    ran = node.run("conflicts", "--take", "theirs", "/etc/app.conf", "/etc/swapped")
    assert (ran.status, ran.stderr.splitlines()) == (
        4,
        ["reprov: /etc/swapped is a directory, and the release's a file", "hint: move the directory away first"],
    )
    assert node.changed_since(before) == []


def test_a_path_that_is_none_is_answered_with_the_nearest(node: Node, installed: Tree) -> None:
    installed.file("etc/app.conf" + NEW, "new\n")
    ran = node.run("conflicts", "--take", "ours", "/etc/ap.conf")
    assert (ran.status, ran.stderr) == (2, "reprov: /etc/ap.conf is no conflict\nhint: did you mean /etc/app.conf?\n")
    ran = node.run("conflicts", "--diff", "/usr/bin/sh")
    assert (ran.status, ran.stderr) == (2, "reprov: /usr/bin/sh is no conflict\nhint: `reprov conflicts` lists them\n")
    ran = node.run("conflicts", "--diff", "etc/app.conf")
    assert (ran.status, ran.stderr.splitlines()[0]) == (2, "reprov: 'etc/app.conf' is not an absolute path")


def test_a_difference_is_shown_in_lines(node: Node, installed: Tree) -> None:
    installed.file("etc/app.conf" + NEW, "new\n").remove("etc/gone.conf").file("etc/gone.conf" + NEW, "new\n")
    installed.symlink("etc/link.conf" + NEW, "new").file("etc/d/deep/x.conf" + NEW, b"\0").file("var/app/conf" + NEW, "base\n")
    ran = node.run("conflicts", "--diff")
    assert (ran.status, ran.stdout) == (
        3,
        """\
--- /etc/app.conf
+++ /etc/app.conf.reprov-new
@@ -1 +1 @@
-base
+new
/etc/d/deep/x.conf: file of 5 B here, file of 1 B in the release; no lines to show
--- /dev/null
+++ /etc/gone.conf.reprov-new
@@ -0,0 +1 @@
+new
--- /etc/link.conf
+++ /etc/link.conf.reprov-new
@@ -1 +1 @@
-link to base
+link to new
/var/app/conf and /var/app/conf.reprov-new are the same
""",
    )


@pytest.mark.parametrize("when", ["before the rename", "after it"])
def test_a_cut_leaves_what_can_be_settled_again(node: Node, installed: Tree, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    class Cut(BaseException):
        pass

    def rename(*arguments: Any, **options: Any) -> None:
        if when == "after it":
            really(*arguments, **options)
        raise Cut

    installed.file("etc/app.conf" + NEW, "new\n")
    really = os.rename
    with monkeypatch.context() as patched, pytest.raises(Cut):
        patched.setattr(os, "rename", rename)
        patched.setattr(settling, "discard", lambda name, dir_fd: None)
        node.run("conflicts", "--take", "theirs", "/etc/app.conf")
    assert listed(node) == {"/etc/app.conf": ("differs" if when == "before the rename" else "same", "file", "file")}
    taken(node, "theirs", "/etc/app.conf")
    assert node.path("etc/app.conf").read_text() == "new\n"
    assert listed(node) == {}


def test_what_changes_while_it_is_taken_is_not_taken(node: Node, installed: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    installed.file("etc/app.conf" + NEW, "new\n").file("etc/d/deep/x.conf" + NEW, "new\n")
    really = files.copy_content

    def copy_content(source_fd: int, destination_fd: int) -> bool:
        done = really(source_fd, destination_fd)
        os.pwrite(destination_fd, b"x", 0)
        return done

    monkeypatch.setattr(settling, "copy_content", copy_content)
    before = node.snapshot()
    ran = node.run("conflicts", "--take", "theirs", "/etc/app.conf", "/etc/d/deep/x.conf")
    assert (ran.status, ran.stderr.splitlines()[0]) == (1, "reprov: the release's /etc/app.conf changed while it was taken")
    assert node.changed_since(before) == []


def test_a_full_disk_settles_nothing(node: Node, installed: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    def copy_content(source_fd: int, destination_fd: int) -> bool:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    installed.symlink("etc/app.conf" + NEW, "new").file("etc/d/deep/x.conf" + NEW, "new\n")
    monkeypatch.setattr(settling, "copy_content", copy_content)
    before = node.snapshot()
    ran = node.run("conflicts", "--take", "theirs", "/etc/app.conf", "/etc/d/deep/x.conf")
    assert (ran.status, ran.stderr.splitlines()) == (
        1,
        ["reprov: taking the release's: no space left", "hint: the node is as it was; make room and run it again"],
    )
    assert node.changed_since(before) == []
    assert not node.path(".reprov/settling").exists()


def test_what_is_mounted_there_is_not_entered(node: Node, installed: Tree, filesystems: Filesystems) -> None:
    filesystems.make("ext4", node.path("etc/mounted"))
    installed.file("etc/mounted/x" + NEW, "")
    assert listed(node) == {}


@pytest.mark.parametrize("node", ["btrfs"], indirect=True)
def test_in_a_subvolume_that_nothing_is_mounted_on(node: Node, installed: Tree) -> None:
    subprocess.run(["btrfs", "-q", "subvolume", "create", str(node.path("etc/sub"))], check=True)
    installed.file("etc/sub/deep/x.conf", "node\n").file("etc/sub/deep/x.conf" + NEW, "new\n")
    taken(node, "theirs", "/etc/sub/deep/x.conf")
    assert node.path("etc/sub/deep/x.conf").read_text() == "new\n"


def test_a_node_that_reprov_did_not_install(node: Node) -> None:
    ran = node.run("conflicts")
    assert (ran.status, ran.stderr) == (4, "reprov: this node was not installed by reprov, so that no upgrade has left a conflict\n")


def test_one_change_at_a_time(node: Node, installed: Tree) -> None:
    installed.file("etc/app.conf" + NEW, "new\n")
    with NodeState(node.root).locked("upgrade"):
        ran = node.run("conflicts", "--take", "ours", "/etc/app.conf")
        assert (ran.status, node.run("conflicts").status) == (4, 3)
    assert ran.stderr.startswith("reprov: another change of this node is under way: upgrade (process ")
