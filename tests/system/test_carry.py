"""What the node changes in either tree is there in the other one, too: also in a tree that is no release, and of modes and owners alone."""

import os
import re
import shutil
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from reprov.adapters import kernel
from reprov.adapters.files import opened_directory
from tests.system.hazard_lab import NEW, Disk, Lab, in_child, look, open_lab
from tests.system.node import Node, Store
from tests.system.owner_lab import GROUP as GID
from tests.system.owner_lab import NEW_GROUP, A, B
from tests.system.snapshot import difference
from tests.system.test_accounts_upgrade import (
    GROUP,
    GSHADOW,
    PASSWD,
    SHADOW,
    add,
    assert_consistent,
    dying_rollback,
    fields,
    furnish_small,
    publish_small,
    replace,
    untimed,
)
from tests.system.test_moved_accounts import EXCLUDE, release
from tests.system.trees import Tree, make_library

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs("mkfs.ext4", "mkfs.xfs", "mount", "rsync")]

WAYS = 2
ACL = bytes.fromhex("0200000001000600ffffffff02000400e803000004000400ffffffff10000400ffffffff20000400ffffffff")
"""A POSIX access list that lets the user 1000 read."""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab of small releases that differ in accounts and in what is merged."""
    with open_lab(tmp_path_factory.mktemp("carry"), partial(publish_small, more=add_more), furnish_small) as opened:
        yield opened


def add_more(tree: Tree, version: str) -> None:
    """What differs in a mode or in nothing."""
    tree.file("etc/same.conf", "same\n").file("etc/listed.conf", "same\n").file("etc/secret.conf", "same\n", mode=0o600)
    tree.file("etc/tightened.conf", "same\n", mode=0o600 if version == NEW else 0o644)
    tree.file("etc/closed.d/conf", "same\n").symlink("etc/link", "same.conf")


@pytest.fixture
def disk(lab: Lab) -> Iterator[Disk]:
    """A node with the older release."""
    with lab.node() as opened:
        yield opened


@pytest.fixture
def adopted(disk: Disk) -> Node:
    """A node that somebody made by hand, with a release and back on the tree of its own."""
    node = disk.node
    shutil.rmtree(node.path(".reprov"))
    add(node, "leaver", 1002, "$y$leaver")
    node.write("etc/own.key", "key one\n", mode=0o600)
    node.write("etc/own.d/authorized_keys", "ann's\nleaver's\n")
    before = untimed(look(disk))
    node.install(NEW)
    node.rollback()
    assert difference(before, untimed(look(disk))) == []
    return node


def change_credentials(node: Node) -> None:
    """What an operator does on the tree that is no release."""
    replace(node, SHADOW, lambda text: text.replace("$y$first", "$y$second"))
    for path in (PASSWD, GROUP, SHADOW, GSHADOW):
        replace(node, path, lambda text: "".join(line for line in text.splitlines(keepends=True) if not line.startswith("leaver:")))
    add(node, "late", 1003, "$y$late")
    replace(node, "etc/own.key", lambda _: "key two\n")
    replace(node, "etc/own.d/authorized_keys", lambda _: "ann's\n")
    replace(node, "etc/edited.conf", lambda _: "edited since\n")
    node.path("etc/app.conf").unlink()
    node.path("etc/clash.conf").chmod(0o600)
    node.path("etc/text.conf").chmod(0o640)


def assert_credentials_of_now(node: Node) -> None:
    assert_consistent(node)
    assert (fields(node, SHADOW, "ann") or ["", ""])[1] == "$y$second"
    assert [path for path in (PASSWD, GROUP, SHADOW, GSHADOW) if fields(node, path, "leaver")] == []
    assert fields(node, PASSWD, "late")
    assert node.path("etc/own.key").read_text() == "key two\n"
    assert node.path("etc/own.d/authorized_keys").read_text() == "ann's\n"
    assert node.path("etc/edited.conf").read_text() == "edited since\n"
    assert not node.path("etc/app.conf").exists()
    assert node.path("etc/clash.conf").read_text() == "the node's\n"
    assert [node.path(f"etc/{name}.conf").stat().st_mode & 0o777 for name in ("clash", "text")] == [0o600, 0o640]


def test_no_credential_comes_back_when_a_tree_that_is_no_release_is_left_again(adopted: Node) -> None:
    change_credentials(adopted)
    for way in range(2 * WAYS):
        replace(adopted, SHADOW, partial(re.sub, r"(?m)^late:[^:]*", f"late:$y${way}"))
        adopted.write("etc/same.conf", f"{way}\n")
        adopted.rollback()
        assert_credentials_of_now(adopted)
        assert (fields(adopted, SHADOW, "late") or ["", ""])[1] == f"$y${way}"
        assert adopted.path("etc/same.conf").read_text() == f"{way}\n"
        forward = way % 2 == 0
        assert fields(adopted, PASSWD, "new"), "the release's account is there, and stays: files may be its"
        assert adopted.path("usr/lib/app").read_text().startswith(NEW if forward else "1.0")
        assert not forward or adopted.run("verify").status == 0


def test_no_credential_comes_back_when_such_a_tree_is_upgraded_again(adopted: Node) -> None:
    change_credentials(adopted)
    adopted.install(NEW)
    adopted.path("etc/app.conf").unlink()  # what a node lacks that is no release, the release brings: nobody knows that it was there
    assert_credentials_of_now(adopted)


def test_what_nobody_has_touched_goes_with_its_tree(adopted: Node, disk: Disk) -> None:
    here = untimed(look(disk))
    adopted.rollback()
    there = untimed(look(disk))
    adopted.rollback()
    assert difference(here, untimed(look(disk))) == []
    adopted.rollback()
    assert difference(there, untimed(look(disk))) == []


def test_a_tree_whose_record_is_lost_keeps_everything_of_its_own(adopted: Node) -> None:
    """Nobody knows then what has been changed: it is taken for the node's."""
    change_credentials(adopted)
    adopted.write("etc/app.conf", "edited since\n")
    shutil.rmtree(adopted.path(".reprov/returned"))
    adopted.rollback()
    assert_consistent(adopted)
    assert (fields(adopted, SHADOW, "ann") or ["", ""])[1] == "$y$second"
    assert adopted.path("etc/own.d/authorized_keys").read_text() == "ann's\n"
    assert adopted.path("etc/app.conf").read_text() == "edited since\n"


def test_modes_owners_and_access_lists_come_along_by_themselves(disk: Disk) -> None:
    node = disk.node
    node.install(NEW)
    node.path("etc/app.conf").chmod(0o600)  # its content goes with its tree
    node.path("etc/text.conf").chmod(0o640)
    os.chown(node.path("etc/same.conf"), 0, 42)
    os.setxattr(node.path("etc/listed.conf"), "system.posix_acl_access", ACL)
    node.path("etc/closed.d").chmod(0o700)
    os.chown(node.path("etc/link"), 1000, 1000, follow_symlinks=False)
    for version in ("1.0", NEW, "1.0", NEW):
        node.rollback()
        assert node.path("etc/app.conf").read_text() == f"{version if version == NEW else '1.0'}\n"
        assert [node.path(f"etc/{name}").stat().st_mode & 0o777 for name in ("app.conf", "text.conf", "closed.d")] == [0o600, 0o640, 0o700]
        assert node.path("etc/same.conf").stat().st_gid == 42
        assert os.getxattr(node.path("etc/listed.conf"), "system.posix_acl_access") == ACL
        assert node.path("etc/link").lstat().st_uid == 1000
        assert node.run("verify", "--deep").status == 0


def test_what_is_closed_after_an_upgrade_as_the_release_has_it_stays_closed(disk: Disk) -> None:
    """It looks as if nobody had touched it."""
    node = disk.node
    node.path("etc/secret.conf").chmod(0o644)
    node.install(NEW)
    assert node.path("etc/secret.conf").stat().st_mode & 0o777 == 0o644
    node.path("etc/secret.conf").chmod(0o600)
    for _ in range(WAYS):
        node.rollback()
        assert node.path("etc/secret.conf").stat().st_mode & 0o777 == 0o600


def test_a_mode_that_the_release_changed_goes_with_its_tree(disk: Disk) -> None:
    node = disk.node
    modes = []
    for _ in range(WAYS):
        node.install(NEW)
        modes.append(node.path("etc/tightened.conf").stat().st_mode & 0o777)
        node.rollback()
        modes.append(node.path("etc/tightened.conf").stat().st_mode & 0o777)
    assert modes == [0o600, 0o644] * WAYS


@pytest.fixture
def moving(node: Node, store: Store, tmp_path: Path) -> Node:
    """A node with the first of two releases between which accounts move, and a merged /etc."""
    make_library(store.library, exclude=EXCLUDE, add_only="- /var/lib/dpkg/\n/var/\n")
    (store.library / "excludes/base.merge").write_text("/etc/**\n")
    for version in ("1.0", "1.1"):
        a, group = (A, GID) if version == "1.0" else (B, NEW_GROUP)
        tree = release(tmp_path / version, version).file("etc/plain.conf", "same\n")
        store.publish(tree.file("etc/a.conf", "same\n", owner=a, group=group).file("etc/listed.conf", "same\n"), version)
    node.install("1.0")
    node.path("etc/a.conf").chmod(0o600)
    os.chown(node.path("etc/plain.conf"), A, GID)
    os.setxattr(node.path("etc/listed.conf"), "system.posix_acl_access", ACL.replace((1000).to_bytes(4, "little"), A.to_bytes(4, "little")))
    return node


def test_a_merged_file_follows_the_account_that_owns_it(moving: Node) -> None:
    before = moving.snapshot()
    for _ in range(WAYS):
        moving.install("1.1", "--apply-chown")
        for path, mode in (("etc/a.conf", 0o600), ("etc/plain.conf", 0o644)):
            status = moving.path(path).stat()
            assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (B, NEW_GROUP, mode), path
        assert B.to_bytes(4, "little") in os.getxattr(moving.path("etc/listed.conf"), "system.posix_acl_access")
        assert moving.run("conflicts").status == 0
        assert moving.run("verify").status == 0
        moving.rollback()
        assert moving.changed_since(before, directory_times=False) == []


def test_a_mode_comes_along_to_a_file_whose_owner_moves(moving: Node) -> None:
    moving.install("1.1", "--apply-chown")
    moving.path("etc/plain.conf").chmod(0o400)
    moving.rollback()
    status = moving.path("etc/plain.conf").stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (A, GID, 0o400)


def test_ids_that_move_are_seen_when_a_tree_that_is_no_release_is_left(moving: Node) -> None:
    shutil.rmtree(moving.path(".reprov"))
    moving.write("var/lib/a/state", "state")
    os.chown(moving.path("var/lib/a/state"), A, GID)
    moving.install("1.1", "--apply-chown")
    for _ in range(WAYS):
        moving.rollback()
        assert moving.path("var/lib/a/state").stat().st_uid == A
        moving.write("var/lib/a/later", "state")
        os.chown(moving.path("var/lib/a/later"), A, GID)
        moving.rollback()
        for name in ("state", "later"):
            status = moving.path(f"var/lib/a/{name}").stat()
            assert (status.st_uid, status.st_gid) == (B, NEW_GROUP)
        assert moving.path("etc/plain.conf").stat().st_uid == B


def test_the_way_back_to_a_tree_of_no_release_may_die_at_any_instant(lab: Lab) -> None:
    """Whatever comes of it: what is changed from then on is there in the other tree."""
    with lab.node() as disk:
        shutil.rmtree(disk.node.path(".reprov"))
        disk.node.install(NEW)
        disk.node.path("etc/text.conf").chmod(0o600)
        with opened_directory(disk.node.root) as fd:
            kernel.syncfs(fd)
        before = lab.clone(disk.image)
    instant, status, found = 0, -signal.SIGKILL, set()
    while status == -signal.SIGKILL:
        instant += 1 + instant // 20
        image = lab.clone(before)
        with lab.mounted(image) as disk:
            node = disk.node
            status = in_child(partial(dying_rollback, disk, instant))
            assert node.run("recover").status == 0
            found.add(node.run("status", "--json").stdout)
            if node.path("usr/lib/app").read_text().startswith(NEW):
                node.rollback()
            assert node.path("etc/text.conf").stat().st_mode & 0o777 == 0o600
            replace(node, SHADOW, lambda text: text.replace("$y$first", "$y$second"))
            node.path("etc/secret.conf").unlink()
            node.rollback()
            assert_consistent(node)
            assert (fields(node, SHADOW, "ann") or ["", ""])[1] == "$y$second", f"instant {instant}"
            assert fields(node, PASSWD, "new")
            assert not node.path("etc/secret.conf").exists(), f"instant {instant}"
            assert node.path("etc/app.conf").read_text() == "1.0\n", "a conflict: the node's stays"
        image.unlink()
    assert status == 0
    assert instant > 20
    assert len(found) > 1
