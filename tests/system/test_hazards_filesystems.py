"""Filesystems that are full, cut into subvolumes, quotas and flags, or not meant to be changed (rows 7, 9, 18, 19)."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.system.filesystems import Filesystems
from tests.system.hazard_lab import FILESYSTEMS, NEW, OLD, Disk, Lab, add_node_data, around_exchanges, data_of, lab, look, once
from tests.system.node import Hooks, run_here
from tests.system.snapshot import difference

__all__ = ["lab"]
pytestmark = [
    pytest.mark.system,
    pytest.mark.commands,
    pytest.mark.needs("mkfs.ext4", "mkfs.xfs", "mkfs.btrfs", "btrfs", "chattr", "mount", "rsync"),
]

FEW_INODES = 400
Prepare = Callable[[pytest.MonkeyPatch, Callable[[], None]], None]


def fill_bytes(root: Path) -> None:
    """Use every byte of a filesystem."""
    folder = root / "var/lib/full"
    folder.mkdir()
    with (folder / "one").open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                os.fsync(file.fileno())


def fill_inodes(root: Path) -> None:
    """Use every inode of a filesystem."""
    folder = root / "var/lib/full"
    folder.mkdir()
    with pytest.raises(OSError, match="No space left"):
        for number in range(10 * FEW_INODES):
            (folder / str(number)).touch()


def full_at_commit(monkeypatch: pytest.MonkeyPatch, fill: Callable[[], None]) -> None:
    Hooks(monkeypatch).at_start("commit", fill)


def full_at_exchange(path: str) -> Prepare:
    def prepare(monkeypatch: pytest.MonkeyPatch, fill: Callable[[], None]) -> None:
        around_exchanges(monkeypatch, before=once(fill, path=path))

    return prepare


@contextmanager
def node_to_be_filled(lab: Lab, filesystem: str) -> Iterator[Disk]:
    """A node on a small filesystem, to be filled soon."""
    with lab.mounted(lab.blank(filesystem, size_bytes=320 << 20)) as disk:
        disk.node.install(OLD)
        add_node_data(disk.node)
        yield disk


FULL_WHEN = [
    pytest.param(full_at_commit, id="when the commit begins"),
    pytest.param(full_at_exchange("usr"), id="before the first exchange"),
    pytest.param(full_at_exchange("etc"), id="before the last exchange"),
]


@pytest.mark.parametrize("prepare", FULL_WHEN)
@pytest.mark.parametrize("filesystem", FILESYSTEMS)
def test_a_filesystem_without_a_free_byte_is_exchanged_or_left_as_it_was(
    lab: Lab, filesystem: str, prepare: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 7. The answer: every op exchanges two names that are there, and ballast is freed for the journal and the state."""
    with node_to_be_filled(lab, filesystem) as disk:
        check_full(disk, lambda: fill_bytes(disk.node.root), prepare, monkeypatch)


@pytest.mark.parametrize("prepare", FULL_WHEN)
def test_a_filesystem_without_a_free_inode_is_exchanged_or_left_as_it_was(
    lab: Lab, prepare: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 7. The answer: placeholders are names of one inode, and the ballast's inode is there for the state file."""
    with lab.mounted(lab.blank("ext4", "-N", str(FEW_INODES))) as disk:
        disk.node.install(OLD)
        add_node_data(disk.node)
        check_full(disk, lambda: fill_inodes(disk.node.root), prepare, monkeypatch)


def check_full(disk: Disk, fill: Callable[[], None], prepare: Prepare, monkeypatch: pytest.MonkeyPatch) -> None:
    filled = disk.node.path("var/lib/full")
    old = look(disk)
    prepare(monkeypatch, fill)
    ran = disk.node.upgrade(NEW)
    assert filled.exists()
    shutil.rmtree(filled)
    # Full before there is any ballast: nothing is begun. Full after that: the ballast is what the final state is written with.
    assert ran.status == (1 if prepare is full_at_commit else 0), ran.stderr
    if ran.status:
        assert difference(old, look(disk)) == [], ran.stderr
    recovered = disk.node.run("recover")
    assert ran.status or recovered.stdout == "nothing to do\n", recovered
    assert disk.node.leftovers() in ([], ["leftover"])
    disk.node.install(NEW)
    assert disk.node.run("verify").status == 0
    disk.node.rollback()
    assert difference(old, look(disk)) == []


def make_subvolume(path: Path) -> None:
    subprocess.run(("btrfs", "-q", "subvolume", "create", path), check=True)


def test_a_subvolume_with_content_of_the_release_swaps_within_itself_and_any_other_is_left_alone(lab: Lab) -> None:
    """Row 9, nothing can be moved across, and mountinfo knows no subvolumes. The answer: units are cut where the device changes."""
    with lab.mounted(lab.blank("btrfs")) as disk:
        node = disk.node
        make_subvolume(node.path("opt"))
        node.install(OLD)
        add_node_data(node)
        make_subvolume(node.path("usr/lib/vm"))
        node.write("usr/lib/vm/disk", "a guest's\n")
        make_subvolume(node.path("unknown/volume"))
        node.write("unknown/volume/file", "an operator's\n")
        subvolumes = [node.path(name) for name in ("opt", "usr/lib/vm", "unknown/volume")]
        assert {path.stat().st_ino for path in subvolumes} == {256}, "their inode numbers tell them apart"
        devices = [path.stat().st_dev for path in subvolumes]
        old = look(disk)
        node.install(NEW)
        assert node.path("opt/app/bin/app").read_text().startswith(f"app {NEW}\n")
        assert node.path("opt/.reprov/previous/app/bin/app").read_text().startswith(f"app {OLD}\n")
        assert node.run("verify").status == 0
        new = look(disk)
        assert [new[path] for path in new if path.startswith(("usr/lib/vm", "unknown"))] == [
            old[path] for path in old if path.startswith(("usr/lib/vm", "unknown"))
        ]
        assert [path.stat().st_dev for path in subvolumes] == devices
        node.rollback()
        assert difference(old, look(disk)) == []
        assert [path.stat().st_dev for path in subvolumes] == devices
        assert not node.path("usr/lib/vm/.reprov").exists()


def change_flags(flags: str, path: Path) -> None:
    subprocess.run(("chattr", flags, path), check=True)


KEPT_WITH_FLAGS = [
    pytest.param("+i", "etc/resolv.conf", id="immutable file of the node in etc"),
    pytest.param("+a", "opt/app/log/app.log", id="append-only log of the node"),
    pytest.param("+i", "etc/ssh/host_key", id="immutable file in a kept directory of etc"),
    pytest.param("+i", "etc/node.d", id="immutable kept directory of etc"),
    pytest.param("+i", "opt/app/data/db", id="immutable file in a kept directory"),
    pytest.param("+i", "opt/app/data", id="immutable kept directory"),
]


@pytest.mark.parametrize("filesystem", ["ext4", "xfs"])
@pytest.mark.parametrize("flags, path", KEPT_WITH_FLAGS)
def test_what_is_the_nodes_may_be_immutable(lab: Lab, filesystem: str, flags: str, path: str) -> None:
    """Row 18, such a file can be neither linked nor moved. The answer: the directories that hold it fall apart into smaller units."""
    with lab.node(filesystem) as disk:
        change_flags(flags, disk.node.path(path))
        inode = disk.node.path(path).stat().st_ino
        old = look(disk)
        assert old[path].flags
        disk.node.install(NEW)
        assert difference(data_of(old), data_of(look(disk))) == []
        assert disk.node.run("verify").status == 0
        assert disk.node.path(path).stat().st_ino == inode
        disk.node.rollback()
        assert difference(old, look(disk)) == []


REFUSED_FLAGS = [
    ("+i", "usr", "/usr is immutable (chattr) and would have to be exchanged", "chattr -i /usr, or keep it by a list"),
    ("+a", "", "/ is append-only (chattr) and would have to be exchanged", "chattr -a /, or keep it by a list"),
    ("+i", "notes", "/notes is immutable (chattr) and would have to be exchanged", "chattr -i /notes, or keep it by a list"),
]


@pytest.mark.parametrize("flags, path, message, hint", REFUSED_FLAGS)
def test_an_immutable_path_that_would_have_to_be_exchanged_is_named(lab: Lab, flags: str, path: str, message: str, hint: str) -> None:
    """Row 18. The answer: the flags of every path to be exchanged, and of the directories that hold them, are read beforehand."""
    with lab.node() as disk:
        old = look(disk)
        change_flags(flags, disk.node.path(path))
        ran = disk.node.upgrade(NEW)
        change_flags(flags.replace("+", "-"), disk.node.path(path))
        assert ran.status == 4
        assert f"reprov: {message}\nhint: {hint}\n" in ran.stderr
        assert difference(old, look(disk)) == []


@pytest.mark.parametrize("path", ["usr/bin/same", "usr/local/bin", "etc/crontab"])
def test_an_old_tree_with_immutable_paths_in_it_goes_when_its_time_has_come(lab: Lab, path: str) -> None:
    """Row 18. The answer: the flag does not stop the exchange of the directory above, and is taken off when the old tree is removed."""
    with lab.node() as disk:
        change_flags("+i", disk.node.path(path))
        old = look(disk)
        disk.node.install(NEW)
        assert disk.node.run("verify").status == 0
        disk.node.rollback()
        assert difference(old, look(disk)) == []
        disk.node.install(NEW)
        disk.node.install(OLD)
        assert disk.node.run("verify").status == 0


@pytest.mark.parametrize("path", ["", "var/lib"])
def test_a_directory_of_another_project_quota_is_named(lab: Lab, path: str) -> None:
    """Row 19, link and exchange fail with EXDEV there (XFS needs no quota for that). The answer: both are tried in every real parent."""
    with lab.node("xfs") as disk:
        old = look(disk)
        subprocess.run(("chattr", "-p", "5", "+P", disk.node.path(path)), check=True)
        with pytest.raises(OSError, match="Invalid cross-device link"):
            (disk.node.path(path) / "probe").hardlink_to(disk.node.path("notes"))
        ran = disk.node.upgrade(NEW)
        assert ran.status == 4
        problem = "nothing can be moved in or out (another subvolume, project quota or encryption policy)"
        assert f"reprov: /{path} {problem}" in ran.stderr
        subprocess.run(("chattr", "-p", "0", "-P", disk.node.path(path)), check=True)
        assert difference(old, look(disk)) == []
        assert disk.node.leftovers() == []


def test_a_root_with_a_project_quota_of_its_own_is_upgraded(lab: Lab) -> None:
    """Row 19. The answer: reprov's directory inherits the project of the root that it is made in."""
    with lab.mounted(lab.blank("xfs")) as disk:
        subprocess.run(("chattr", "-p", "5", "+P", disk.node.root), check=True)
        disk.node.install(OLD)
        add_node_data(disk.node)
        old = look(disk)
        disk.node.install(NEW)
        assert disk.node.run("verify").status == 0
        disk.node.rollback()
        assert difference(old, look(disk)) == []


def test_a_root_that_is_an_overlay_is_refused(lab: Lab, filesystems: Filesystems, tmp_path: Path) -> None:
    """What is exchanged in an overlay goes when its upper directory does."""
    with lab.node() as disk:
        root = filesystems.overlay(disk.node.root, tmp_path / "overlay")
        old = look(disk)
        for verb in (("upgrade", "base", NEW, "--from", lab.store.folder), ("rollback",), ("recover",)):
            ran = run_here(*verb, "--root", root)
            assert ran.status == 4
            assert f"reprov: {root} is an overlay: what is exchanged there would be lost\n" in ran.stderr
        filesystems.unmount(root)
        assert difference(old, look(disk)) == []


def test_a_root_that_is_mounted_read_only_is_refused(lab: Lab) -> None:
    """Nothing is begun that would end at the first write."""
    with lab.node() as disk:
        old = look(disk)
        subprocess.run(("mount", "-o", "remount,ro", disk.node.root), check=True)
        for verb in (("upgrade", "base", NEW, "--from", lab.store.folder), ("rollback",), ("recover",)):
            ran = run_here(*verb, "--root", disk.node.root)
            assert ran.status == 4
            assert ran.stderr.endswith(f"reprov: {disk.node.root} is mounted read-only\nhint: mount -o remount,rw {disk.node.root}\n")
        assert difference(old, look(disk)) == []
