"""The power goes: whatever instant it is, what comes up again is the old tree or the new one, and the node's data.

The answers (rows 5 and 6 of the hazards): staged content is on the disk before the first exchange, and the exchanges are
before the state says so.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from reprov.adapters import kernel
from reprov.adapters.files import opened_directory
from tests.system.hazard_lab import (
    FILESYSTEMS,
    NEW,
    OLD,
    Disk,
    Instants,
    Lab,
    assert_old_or_new,
    data_of,
    lab,
    look,
    make_release,
)
from tests.system.snapshot import Snapshot, difference

__all__ = ["lab"]
pytestmark = [
    pytest.mark.system,
    pytest.mark.commands,
    pytest.mark.needs("mkfs.ext4", "mkfs.xfs", "mkfs.btrfs", "mount", "rsync"),
]


def cut_everywhere(lab: Lab, disk: Disk, verb: Callable[[Disk], object], *, noisy: bool) -> list[Path]:
    """Run a verb and cut the power at every instant; the images, in their order.

    `noisy`: somebody else syncs the filesystem all the time, which puts on the disk whatever was done so far.
    """
    cuts = []
    with pytest.MonkeyPatch.context() as patched, opened_directory(disk.node.root) as root_fd:
        really = kernel.syncfs

        def cut(number: int) -> None:
            if noisy:
                really(root_fd)
            cuts.append(lab.clone(disk.image))

        Instants(patched, cut)
        verb(disk)
        cut(0)
    return cuts


def upgrade(disk: Disk) -> None:
    disk.node.install(NEW)


def roll_back(disk: Disk) -> None:
    disk.node.rollback()


@pytest.mark.parametrize("noisy", [False, True], ids=["nobody else syncs", "somebody syncs all the time"])
@pytest.mark.parametrize("filesystem", FILESYSTEMS)
@pytest.mark.parametrize("verb", [upgrade, roll_back])
def test_after_a_power_cut_at_any_instant_the_tree_is_the_old_or_the_new_one(
    lab: Lab, filesystem: str, verb: Callable[[Disk], None], noisy: bool
) -> None:
    """Without the sync before the first exchange files are empty; without the one before the last state it says COMMITTED too early."""
    with lab.node(filesystem) as disk:
        if verb is roll_back:
            disk.node.install(NEW)
        old = look(disk)
        cuts = cut_everywhere(lab, disk, verb, noisy=noisy)
        new = look(disk)
    found = [recovered(lab, image, old, new, f"cut {number} of {len(cuts)}") for number, image in enumerate(cuts, 1)]
    assert set(found) == {"old", "new"}
    assert found == sorted(found, reverse=True), "a later cut went back further than an earlier one"


def recovered(lab: Lab, image: Path, old: Snapshot, new: Snapshot, when: str) -> str:
    """Bring a node up after the cut; whether it is the old or the new one."""
    with lab.mounted(image) as disk:
        ran = disk.node.run("recover")
        assert ran.status == 0, f"{when}: {ran.stderr}"
        found = look(disk)
        assert difference(data_of(old), data_of(found)) == [], when
        which = assert_old_or_new(found, old, new, when)
        assert set(disk.node.leftovers()) <= {"incoming", "leftover", "candidate"}, when
        assert disk.node.run("status").status == 0, when
    image.unlink()
    return which


@pytest.mark.parametrize("filesystem", FILESYSTEMS)
def test_right_after_an_upgrade_the_way_back_is_known_as_it_was(lab: Lab, filesystem: str) -> None:
    """The answer: the record of the previous tree is on the disk before the journal of the commit goes."""
    with lab.node(filesystem) as disk:
        disk.node.install(NEW)
        cut = lab.clone(disk.image)
    with lab.mounted(cut) as disk:
        with disk.node.path(".reprov/previous/usr/bin/same").open("r+") as file:
            file.write("WROTE")
        away = lab.store.folder.rename(lab.store.folder.with_name("away"))
        try:
            ran = disk.node.run("rollback")
        finally:
            away.rename(lab.store.folder)
        assert ran.status == 4
        assert "1 files of the previous tree are not what they were: /usr/bin/same" in ran.stderr


@pytest.mark.parametrize("filesystem", FILESYSTEMS)
def test_a_release_that_changes_nothing_is_known_after_a_power_cut(lab: Lab, filesystem: str, tmp_path: Path) -> None:
    """The answer: the release's own files are on the disk before the state names it."""
    if not lab.store.release("1.0.1").exists():
        lab.store.publish(make_release(tmp_path / "again", OLD), "1.0.1")
    with lab.node(filesystem) as disk:
        cuts = cut_everywhere(lab, disk, lambda disk: disk.node.install("1.0.1"), noisy=False)
    for number, cut in enumerate(cuts):
        with lab.mounted(cut) as disk:
            ran = disk.node.run("verify")
            assert ran.status == 0, f"cut {number}: {ran.stderr}"
            disk.node.install("1.0.1")
        cut.unlink()
