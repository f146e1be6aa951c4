"""Files that follow accounts to other ids: found wherever they are the node's, changed once, and back again from any instant."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from reprov.adapters import kernel
from reprov.adapters.chown import change_owners
from reprov.adapters.files import opened_directory
from reprov.adapters.owners import CAPABILITY
from reprov.domain.mounts import Mount
from reprov.domain.owner_change import Ids, OwnerChange, Unseen
from reprov.errors import ReprovError
from tests.system.filesystems import Filesystems
from tests.system.hazard_lab import die, in_child
from tests.system.owner_lab import ACL, BACK, EVIL, GROUP, NEW_GROUP, A, B, acl_naming, changes_in, fill, found_in
from tests.system.snapshot import Snapshot, difference, snapshot
from tests.system.trees import CAP_NET_RAW

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs("mkfs.ext4", "mkfs.xfs", "mkfs.btrfs", "mount")]
SEED = 20261121


@pytest.fixture(params=["ext4", "xfs", "btrfs"])
def root(request: pytest.FixtureRequest, tmp_path: Path, filesystems: Filesystems) -> Path:
    """A root with files of every kind below `srv`."""
    root = filesystems.make(request.param, tmp_path / "root")
    fill(root / "srv")
    return root


def move(root: Path, changes: tuple[OwnerChange, ...], *, forward: bool = True) -> tuple[str, ...]:
    with opened_directory(root) as root_fd:
        return change_owners(root_fd, changes, forward=forward)


def moved(before: Snapshot) -> Snapshot:
    """What the tree is to be, by the snapshot alone."""
    uids, gids = {A: B, B: A}, {GROUP: NEW_GROUP}
    acls = {acl_naming(A, GROUP): acl_naming(B, NEW_GROUP), acl_naming(B, 5): acl_naming(A, 5)}
    return {
        path: seen._replace(
            owner=(uids.get(seen.owner[0], seen.owner[0]), gids.get(seen.owner[1], seen.owner[1])),
            xattrs=tuple((name, acls.get(value, value)) for name, value in seen.xattrs),
        )
        for path, seen in before.items()
    }


def test_every_kind_of_file_follows_with_everything_else_as_it_was(root: Path) -> None:
    before = snapshot(root)
    changes = changes_in(root, "srv")
    assert move(root, changes) == ()
    after = snapshot(root)
    assert difference(moved(before), after) == []
    assert len(difference(before, after)) == len(changes) + 1  # a file of two names is one
    assert (root / "srv/setuid-and-setgid").stat().st_mode & 0o7777 == 0o6711
    assert os.getxattr(root / "srv/capability", CAPABILITY) == CAP_NET_RAW
    assert move(root, changes) == ()
    assert difference(after, snapshot(root)) == []
    assert move(root, changes, forward=False) == move(root, changes, forward=False) == ()
    assert difference(before, snapshot(root)) == []


def test_what_another_release_moves_back_is_found_and_goes_back(root: Path) -> None:
    """A rollback: a new search, in the other direction."""
    before = snapshot(root)
    move(root, changes_in(root, "srv"))
    move(root, changes_in(root, "srv", moved=BACK))
    assert difference(before, snapshot(root)) == []


def cut_off(root: Path, changes: tuple[OwnerChange, ...], instant: int, *, forward: bool) -> int:
    """Change owners in a process that dies at an instant: after a change of owner, mode or attribute."""

    def run() -> int:
        with pytest.MonkeyPatch.context() as patched:
            count = 0

            def counted(really: Callable[..., None]) -> Callable[..., None]:
                def wrapped(*arguments: object, **options: object) -> None:
                    nonlocal count
                    really(*arguments, **options)
                    count += 1
                    if count == instant:
                        die()

                return wrapped

            for module, name in ((kernel, "change_owner"), (os, "chmod"), (os, "setxattr")):
                patched.setattr(module, name, counted(getattr(module, name)))
            move(root, changes, forward=forward)
            return 0

    return in_child(run)


def test_from_every_instant_it_can_be_taken_back_and_be_finished(root: Path) -> None:
    """Between the change of an owner and what it has cleared, too; and a way back that is cut off by itself."""
    before, changes = snapshot(root), changes_in(root, "srv")
    after = moved(before)
    instant, status = 0, -signal.SIGKILL
    while status == -signal.SIGKILL:
        instant += 1
        status = cut_off(root, changes, instant, forward=True)
        if instant % 2:
            move(root, changes, forward=True)
            assert difference(after, snapshot(root)) == [], f"finished after instant {instant}"
        cut_off(root, changes, instant, forward=False)
        move(root, changes, forward=False)
        assert difference(before, snapshot(root)) == [], f"taken back after instant {instant}"
    assert instant > len(changes)


def test_killed_at_any_time_it_is_taken_back(root: Path) -> None:
    """The process is killed from outside, wherever it is, system calls included."""
    fill(root / "home", files=2000)
    before, changes = snapshot(root), changes_in(root, "srv", "home")
    started_at = time.monotonic()
    move(root, changes)
    lasts_s = time.monotonic() - started_at
    after = snapshot(root)
    move(root, changes, forward=False)
    chance, partly = random.Random(SEED), 0
    for number in range(25):
        child = os.fork()
        if not child:
            move(root, changes)
            os._exit(0)
        time.sleep(chance.uniform(0, 1.2) * lasts_s)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found = snapshot(root)
        partly += found not in (before, after)
        move(root, changes, forward=False)
        assert difference(before, snapshot(root)) == [], f"kill {number} (seed {SEED})"
    assert partly > 3


def test_a_file_that_somebody_else_has_given_away_is_left_alone_and_told(root: Path) -> None:
    changes = changes_in(root, "srv")
    os.chown(root / "srv/a", 7, 7)
    (root / "srv/b").unlink()
    assert move(root, changes) == ("srv/a",)
    assert (root / "srv/a").stat().st_uid == 7
    assert (root / "srv/setuid").stat().st_uid == B
    assert move(root, changes, forward=False) == ("srv/a",)


def test_what_is_replaced_by_a_link_is_not_followed_and_another_file_gets_no_privileges(root: Path) -> None:
    changes = changes_in(root, "srv")
    many = root / "srv/many"
    many.rename(root / "elsewhere")
    many.symlink_to(root / "elsewhere")
    (root / "srv/setuid").unlink()
    (root / "srv/setuid").write_text("another file")
    os.chown(root / "srv/setuid", A, 0)
    move(root, changes)
    assert {path.stat().st_uid for path in (root / "elsewhere").iterdir()} == {A, B}
    assert (root / "elsewhere/1").stat().st_uid == A
    replaced = (root / "srv/setuid").stat()
    assert (replaced.st_uid, replaced.st_mode & 0o7777) == (B, 0o644)


def test_what_cannot_be_changed_ends_it_and_does_not_keep_the_others_from_their_way_back(root: Path) -> None:
    before, changes = snapshot(root), changes_in(root, "srv")
    fd = os.open(root / "srv/many/3", os.O_RDONLY)
    kernel.set_inode_flags(fd, kernel.IMMUTABLE)
    try:
        with pytest.raises(ReprovError) as raised:
            move(root, changes)
        assert raised.value.message == f"/srv/many/3 cannot be given to {B}:0: Operation not permitted"
        move(root, changes, forward=False)
    finally:
        kernel.set_inode_flags(fd, 0)
        os.close(fd)
    assert difference(before, snapshot(root)) == []


FIXED = {kernel.IMMUTABLE: "is immutable", kernel.APPEND_ONLY: "is append-only"}


@pytest.mark.parametrize(("flag", "why"), FIXED.items(), ids=FIXED.values())
def test_what_cannot_be_changed_is_known_before(root: Path, flag: int, why: str) -> None:
    fd = os.open(root / "srv/a", os.O_RDONLY)
    kernel.set_inode_flags(fd, flag)
    try:
        assert {item.path: item.fixed for item in found_in(root, "srv").owned if item.fixed} == {"srv/a": why}
    finally:
        kernel.set_inode_flags(fd, 0)
        os.close(fd)


def test_what_is_the_releases_below_what_is_the_nodes_is_left_out(root: Path) -> None:
    paths = [item.path for item in found_in(root, "srv", left_out=("srv/many", "srv/a")).owned]
    assert "srv/b" in paths
    assert not [path for path in paths if path == "srv/a" or path.startswith("srv/many")]


def test_reprovs_own_directory_is_not_looked_into(root: Path) -> None:
    fill(root / "srv/.reprov")
    assert not [item.path for item in found_in(root, "srv").owned if ".reprov" in item.path]


def test_directories_deeper_than_any_path_are_looked_into(root: Path) -> None:
    """A user can make them one by one; no path of more than 4,095 bytes can be opened at once."""
    depth, name = 60, "d" * 200
    fd = os.open(root / "srv", os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=fd)
        os.chown(name, A, 0, dir_fd=fd)
        fd, holder = os.open(name, os.O_RDONLY, dir_fd=fd), fd
        os.close(holder)
    changes = [change for change in changes_in(root, "srv") if name in change.path]
    assert len(changes) == depth
    move(root, tuple(changes))
    assert os.fstat(fd).st_uid == B
    os.close(fd)


def test_mounts_are_looked_into_where_their_files_are_the_nodes(tmp_path: Path, filesystems: Filesystems) -> None:
    root = filesystems.make("ext4", tmp_path / "root")
    for name in ("srv", "home", "home/ram", "home/again", "home/layers", "home/sealed"):
        if name == "home":
            filesystems.make("xfs", root / "home")
        (root / name).mkdir(exist_ok=True)
    fill(root / "srv")
    fill(root / "home/user")
    filesystems.tmpfs(root / "home/ram")
    filesystems.bind(root / "srv", root / "home/again")
    filesystems.overlay(root / "srv", root / "home/layers")
    filesystems.make("ext4", root / "home/sealed")
    fill(root / "home/sealed/x")
    filesystems.remount(root / "home/sealed", "ro")
    fill(root / "home/ram/x")
    before = snapshot(root)
    found = found_in(root, "home", "srv")
    assert found.unseen == (Unseen("home/layers", "overlay: shows what lies elsewhere"),)
    assert {item.path.rpartition("/")[0] for item in found.owned if item.fixed} >= {"home/sealed/x", "home/sealed/x/many"}
    assert all(item.path.startswith("home/sealed/") == bool(item.fixed) for item in found.owned)
    assert len([item for item in found.owned if item.path.endswith("setuid-and-setgid")]) == 3
    changes = tuple(change for change in changes_in(root, "home", "srv") if not change.path.startswith("home/sealed"))
    move(root, changes)
    assert (root / "home/user/a").stat().st_uid == (root / "srv/a").stat().st_uid == B
    assert (root / "home/ram/x/a").stat().st_uid == A
    move(root, changes, forward=False)
    assert difference(before, snapshot(root)) == []


def test_shared_filesystems_are_named(root: Path) -> None:
    """By the mount table alone: no network is needed to see that."""
    found = found_in(root, "srv", mounts=(Mount("srv/many", "nfs4", "server:/x", False), Mount("srv/shared", "fuse.sshfs", "x", False)))
    assert found.unseen == (
        Unseen("srv/many", "nfs4: other machines may use it, too"),
        Unseen("srv/shared", "fuse.sshfs: a program makes up what is there"),
    )
    assert not [item for item in found.owned if item.path.startswith(("srv/many", "srv/shared"))]


def test_other_systems_and_containers_have_ids_of_their_own(root: Path) -> None:
    for name, marker in (("srv/debian", "etc/os-release"), ("srv/fedora", "usr/lib/os-release")):
        fill(root / name / "var")
        (root / name / marker).parent.mkdir(parents=True)
        (root / name / marker).write_text("ID=other\n")
    fill(root / "var/lib/docker/overlay2/x/diff")
    fill(root / "var/lib/other")
    found = found_in(root, "srv", "var")
    assert [item.path for item in found.unseen] == ["srv/debian", "srv/fedora", "var/lib/docker"]
    assert not [item for item in found.owned if item.path.startswith(("srv/debian/", "srv/fedora/", "var/lib/docker"))]
    assert [item for item in found.owned if item.path == "var/lib/other/a"]


def test_a_file_of_two_names_is_one_and_evil_names_are_names(root: Path) -> None:
    paths = [item.path for item in found_in(root, "srv").owned]
    assert len({"srv/twin", "srv/twins/one"} & set(paths)) == 1
    assert {f"srv/{EVIL}", f"srv/{EVIL}.d/{EVIL}"} <= set(paths)
    assert paths == sorted(set(paths))
    assert "srv/acl" in paths and "srv/acl-of-others" not in paths
    owned = {item.path: item for item in found_in(root, "srv").owned}
    assert owned["srv/acl"].acls == ((ACL, acl_naming(A, GROUP)),)
    assert owned["srv/a"].owner == Ids(A, GROUP)


def test_a_snapshot_that_cannot_be_changed_is_named(tmp_path: Path, filesystems: Filesystems) -> None:
    root = filesystems.make("btrfs", tmp_path / "root")
    subprocess.run(("btrfs", "subvolume", "create", root / "srv"), check=True, capture_output=True)
    fill(root / "srv")
    subprocess.run(("btrfs", "subvolume", "snapshot", "-r", root / "srv", root / "kept"), check=True, capture_output=True)
    (root / "data").mkdir()
    subprocess.run(("btrfs", "subvolume", "snapshot", "-r", root / "srv", root / "data/old"), check=True, capture_output=True)
    found = found_in(root, "data", "kept", "srv")
    assert found.unseen == (Unseen("data/old", "a read-only snapshot"), Unseen("kept", "a read-only snapshot"))
    assert {item.path.split("/")[0] for item in found.owned} == {"srv"}
