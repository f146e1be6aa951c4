"""Files that follow accounts to other ids inside a commit: after every cut the whole node is the old or the new one, owners included."""

import importlib
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from reprov.adapters import kernel
from reprov.adapters.files import opened_directory
from reprov.adapters.kept import OwnedByNode
from reprov.adapters.mounts import MountWatch
from reprov.adapters.node_state import NodeState
from reprov.adapters.volumes import Volumes
from reprov.domain.account_ids import MovedId
from reprov.domain.journal import Journal
from reprov.errors import ReprovError
from reprov.events import Monitor
from reprov.workflows import commit as commits
from reprov.workflows.commit import Exchange
from tests.system.hazard_lab import FILESYSTEMS, NEW, Disk, Instants, Lab, assert_old_or_new, die, in_child, lab, look, unmount
from tests.system.owner_lab import BACK, MOVED, A, B, changes_in, fill
from tests.system.snapshot import Snapshot, difference

__all__ = ["lab"]
pytestmark = [
    pytest.mark.system,
    pytest.mark.commands,
    pytest.mark.needs("mkfs.ext4", "mkfs.xfs", "mkfs.btrfs", "mount", "rsync"),
]

TOPS = ("etc/node.d", "etc/ssh", "opt/app/data", "var/lib/node", "unknown")
"""What is the node's: rebuilt in /etc, carried in /opt, never moved in /var and /."""


@contextmanager
def moving_owners(disk: Disk, moved: list[MovedId] = MOVED, *, check: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Commits of this node make the owners follow, as a plan with these accounts would have them."""
    really = commits.commit

    def with_owners(
        state: NodeState,
        volumes: Volumes,
        transaction: str,
        todo: Exchange,
        owned: OwnedByNode,
        watch: MountWatch,
        seal: Callable[[float], None],
        usual_check: Callable[[], None],
        *monitor: Monitor,
    ) -> tuple[Journal, float]:
        owners = changes_in(disk.node.root, *TOPS, moved=moved)

        def both_checks() -> None:
            usual_check()
            check()

        return really(state, volumes, transaction, replace(todo, owners=owners), owned, watch, seal, both_checks, *monitor)

    with pytest.MonkeyPatch.context() as patched:
        for verb in ("hop_commit", "rollback"):
            patched.setattr(importlib.import_module(f"reprov.workflows.{verb}"), "commit", with_owners)
        yield


@contextmanager
def a_node(lab: Lab, filesystem: str = "ext4") -> Iterator[Disk]:
    """A node whose own files are partly of accounts that move."""
    with lab.node(filesystem) as disk:
        for top in TOPS:
            fill(disk.node.path(top), files=4)
            os.chown(disk.node.path(top), A, 0)
        with opened_directory(disk.node.root) as root_fd:
            kernel.syncfs(root_fd)
        yield disk


def upgraded(disk: Disk) -> int:
    with moving_owners(disk):
        return disk.node.upgrade(NEW).status


@pytest.fixture(scope="module")
def trees(lab: Lab) -> tuple[Snapshot, Snapshot]:
    """The node before and after an upgrade with its owners."""
    with a_node(lab) as disk:
        old = look(disk)
        assert upgraded(disk) == 0
        return old, look(disk)


def test_a_commit_takes_the_owners_along(lab: Lab, trees: tuple[Snapshot, Snapshot]) -> None:
    old, new = trees
    for top in TOPS:
        assert (old[top].owner, new[top].owner) == ((A, 0), (B, 0))
        assert (old[f"{top}/setuid"].owner[0], new[f"{top}/setuid"].owner[0], new[f"{top}/setuid"].mode) == (A, B, 0o4755)
    with a_node(lab) as disk:
        before = {path: seen.owner for path, seen in look(disk).items()}
        disk.node.install(NEW)
        assert {path: seen.owner for path, seen in look(disk).items() if path in before} != {
            path: new[path].owner for path in before if path in new
        }


def test_a_rollback_with_the_way_back_of_the_owners_is_the_old_tree(lab: Lab, trees: tuple[Snapshot, Snapshot]) -> None:
    """Three times in a row; a rollback searches anew, for the accounts as they move then."""
    old, new = trees
    with a_node(lab) as disk:
        for _ in range(3):
            assert upgraded(disk) == 0
            assert difference(new, look(disk)) == []
            with moving_owners(disk, BACK):
                assert disk.node.run("rollback").status == 0
            assert difference(old, look(disk)) == []


def add_owner_changes(patched: pytest.MonkeyPatch, instants: Instants) -> None:
    """Count the steps of changing owners among the instants of a commit."""
    for module, name in ((kernel, "change_owner"), (os, "chmod"), (os, "setxattr")):
        instants.add(patched, module, name)


def dying(disk: Disk, instant: int) -> int:
    """Upgrade in a process that dies at an instant: an exchange, a state write, a change of owner, mode or attribute."""

    def run() -> int:
        with pytest.MonkeyPatch.context() as patched:
            instants = Instants(patched, lambda number: die() if number == instant else None)
            add_owner_changes(patched, instants)
            return upgraded(disk)

    return in_child(run)


@pytest.mark.parametrize("noisy", [False, True], ids=["nobody else syncs", "somebody syncs all the time"])
@pytest.mark.parametrize("filesystem", FILESYSTEMS)
def test_after_a_power_cut_among_the_changes_the_node_is_the_old_or_the_new_one(lab: Lab, filesystem: str, noisy: bool) -> None:
    """Every eleventh instant, and the end."""
    cuts = []
    with a_node(lab, filesystem) as disk:
        old = look(disk)
        with pytest.MonkeyPatch.context() as patched, opened_directory(disk.node.root) as root_fd:
            sync = kernel.syncfs

            def cut(number: int) -> None:
                if number % 11 == 0:
                    if noisy:
                        sync(root_fd)
                    cuts.append(lab.clone(disk.image))

            add_owner_changes(patched, Instants(patched, cut))
            assert upgraded(disk) == 0
            cut(0)
        new = look(disk)
    found = []
    for number, image in enumerate(cuts):
        with lab.mounted(image) as disk:
            ran = disk.node.run("recover")
            assert ran.status == 0, f"cut {number}: {ran.stderr}"
            found.append(assert_old_or_new(look(disk), old, new, f"cut {number} of {len(cuts)}"))
        image.unlink()
    assert len(found) > 10
    assert set(found) == {"old", "new"}
    assert found == sorted(found, reverse=True), "a later cut went back further than an earlier one"


def test_a_check_that_fails_after_the_owners_have_changed_takes_everything_back(lab: Lab, trees: tuple[Snapshot, Snapshot]) -> None:
    def refuse() -> None:
        raise ReprovError("the new tree is no good")

    with a_node(lab) as disk:
        with moving_owners(disk, check=refuse):
            ran = disk.node.upgrade(NEW)
        assert ran.status == 1, ran
        assert "the new tree is no good" in ran.stderr
        assert difference(trees[0], look(disk)) == []
        assert disk.node.leftovers() in ([], ["leftover"])
        assert upgraded(disk) == 0
        assert difference(trees[1], look(disk)) == []


def test_a_file_that_cannot_be_changed_takes_everything_back(lab: Lab, trees: tuple[Snapshot, Snapshot]) -> None:
    with a_node(lab) as disk:
        fd = os.open(disk.node.path("var/lib/node/many/3"), os.O_RDONLY)
        try:
            kernel.set_inode_flags(fd, kernel.IMMUTABLE)
            with moving_owners(disk):
                ran = disk.node.upgrade(NEW)
        finally:
            kernel.set_inode_flags(fd, 0)
            os.close(fd)
        assert ran.status == 1, ran
        assert "/var/lib/node/many/3 cannot be given to " in ran.stderr
        assert difference(trees[0], look(disk)) == []


def test_a_cut_of_a_disk_that_is_not_the_roots_is_taken_back_or_finished_there_too(lab: Lab) -> None:
    """The node's other disk holds files that move; the process dies when that disk has them already and the root has not."""
    with lab.node() as disk:
        image = lab.blank("xfs")
        with lab.mounted(image) as other:
            home = disk.node.path("var/lib/node/home")
            home.mkdir()
            subprocess.run(("mount", "--bind", other.node.root, home), check=True)
            try:
                fill(home / "x", files=4)
                before = look(disk)
                for instant in (1, 40, 60, 80):
                    status = dying(disk, instant)
                    assert disk.node.run("recover").status == 0
                    if status == 0 or difference(before, look(disk)):
                        with moving_owners(disk, BACK):
                            assert disk.node.run("rollback").status == 0
                    assert difference(before, look(disk)) == [], instant
            finally:
                unmount(home)
