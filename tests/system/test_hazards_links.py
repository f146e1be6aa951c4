"""Two names of one file: in /etc they stop cron, elsewhere whoever writes in place writes into the way back (rows 2, 3, 20, 21)."""

import os
import shutil
from pathlib import Path

import pytest

from reprov.adapters.mounts import MountWatch
from reprov.adapters.node_state import NodeState
from reprov.adapters.volumes import opened_volumes
from reprov.domain.units import Op, OpKind
from reprov.workflows.commit import Exchange, commit, find_done, undo
from tests.system.hazard_lab import NEW, OLD, Disk, Lab, lab, look
from tests.system.snapshot import difference, snapshot

__all__ = ["lab"]
pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs("mkfs.ext4", "mkfs.xfs", "mount", "rsync")]

EXT4_MAX_LINKS = 65_000


def files_in_etc_with_other_names(disk: Disk) -> list[str]:
    """Those that have a name that is not in the live tree."""
    found = snapshot(disk.node.root)
    names = [seen.same_as for seen in found.values() if seen.kind == "file"]
    in_etc = [path for path, seen in found.items() if path.startswith("etc/") and seen.kind == "file"]
    return [path for path in in_etc if disk.node.path(path).stat().st_nlink != names.count(found[path].same_as)]


@pytest.mark.parametrize("filesystem", ["ext4", "xfs"])
def test_no_file_in_etc_has_a_second_name_anywhere_after_a_commit(lab: Lab, filesystem: str) -> None:
    """Row 2, cron ignores a crontab with two links. The answer: image files of /etc are copied, the node's unlinked from the old side."""
    with lab.node(filesystem) as disk:
        assert files_in_etc_with_other_names(disk) == []
        assert disk.node.path("etc/twin-a").stat().st_nlink == 2, "what the image links stays linked"
        for step in ("install", "roll back", "roll forward"):
            if step == "install":
                disk.node.install(NEW)
            else:
                disk.node.rollback()
            assert files_in_etc_with_other_names(disk) == [], step
            assert disk.node.path("etc/crontab").stat().st_nlink == 1
            assert disk.node.path("etc/twin-a").stat().st_nlink == 2


@pytest.mark.parametrize("path", ["usr/bin/passwd", "usr/bin/ping", "usr/local/bin/tool", "etc/crontab"])
def test_what_is_written_in_place_is_not_the_same_file_in_both_trees(lab: Lab, path: str) -> None:
    """Row 3, dpkg makes a setuid file 0600 before it unlinks it. The answer: such files are copied even where others are linked."""
    with lab.node() as disk:
        before = look(disk)
        disk.node.install(NEW)
        live, previous = disk.node.path(path), disk.node.path(f".reprov/previous/{path}")
        assert disk.node.path("usr/bin/same").samefile(disk.node.path(".reprov/previous/usr/bin/same")), "nothing was linked at all"
        assert not live.samefile(previous)
        old = (previous.read_bytes(), previous.stat())
        live.chmod(0o600)
        write_through(live)
        assert (previous.read_bytes(), previous.stat()) == old
        disk.node.rollback()
        assert difference(before, look(disk)) == []


def write_through(path: Path) -> None:
    with path.open("r+") as file:
        file.write("WROTE")


def make_private(path: Path) -> None:
    path.chmod(0o600)


@pytest.mark.parametrize("damage", [write_through, make_private])
def test_a_file_that_was_written_through_is_the_old_one_again_after_a_rollback(lab: Lab, damage: object) -> None:
    """Row 3. The answer: the previous tree is compared with its record before it comes back; what differs is fetched again by digest."""
    assert callable(damage)
    with lab.node() as disk:
        before = look(disk)
        disk.node.install(NEW)
        damage(disk.node.path("usr/bin/same"))
        damage(disk.node.path("usr/bin/ash"))  # replaced by the upgrade: nothing of the old tree
        disk.node.rollback()
        assert difference(before, look(disk)) == []


def test_a_file_that_cannot_be_fetched_again_is_named_and_the_rollback_refused_until_it_is_accepted(lab: Lab) -> None:
    """Row 3. The answer: what differs from the record and cannot be had again is told, never silently taken."""
    with lab.node() as disk:
        before = look(disk)
        disk.node.install(NEW)
        write_through(disk.node.path("usr/bin/same"))
        now = look(disk)
        away = lab.store.folder.rename(lab.store.folder.with_name("away"))
        try:
            refused = disk.node.run("rollback")
            assert refused.status == 4
            assert refused.stderr.splitlines()[-2:] == [
                "reprov: 1 files of the previous tree are not what they were: /usr/bin/same",
                "hint: make the source reachable, so that they can be fetched again, or go back with --accept-changed",
            ]
            assert difference(now, look(disk)) == []
            accepted = disk.node.rollback("--accept-changed")
        finally:
            away.rename(lab.store.folder)
        assert "not what it was: /usr/bin/same" in accepted.stdout
        assert [line.partition(":")[0] for line in difference(before, look(disk))] == ["'usr/bin/same'"]
        assert disk.node.run("status").stdout.count(f"base {OLD}")


def test_a_file_with_as_many_names_as_the_filesystem_allows_is_copied(lab: Lab) -> None:
    """Row 20. The answer: on EMLINK a copy is made, and the upgrade goes on."""
    with lab.node() as disk:
        file, links = disk.node.path("usr/share/doc/readme"), disk.node.path("var/lib/node/links")
        before = look(disk)
        links.mkdir()
        for number in range(EXT4_MAX_LINKS - file.stat().st_nlink):
            os.link(file, links / str(number))
        with pytest.raises(OSError, match="Too many links"):
            os.link(file, links / "more")
        disk.node.install(NEW)
        assert file.read_text() == "always the same\n"
        assert not file.samefile(links / "0")
        disk.node.rollback()
        shutil.rmtree(links)
        assert difference(before, look(disk)) == []


def test_an_exchange_of_two_names_of_one_file_is_dropped(lab: Lab) -> None:
    """Row 21, such an exchange does nothing and nobody can tell whether it was done. The answer: it is not in the journal."""
    with lab.node() as disk:
        root = disk.node.root
        with opened_volumes(root, ("",)) as volumes, MountWatch(root) as watch:
            disk.node.path(".reprov/staged/boot").mkdir(parents=True)
            disk.node.path(".reprov/staged/notes").hardlink_to(disk.node.path("notes"))
            disk.node.write(".reprov/staged/boot/vmlinuz", "another kernel\n")
            before = look(disk)
            ops = tuple(Op(OpKind.SWAP, path, "") for path in ("notes", "boot/vmlinuz"))
            journal, _ = commit(
                NodeState(root), volumes, "t", Exchange(ops, (), (), (), ()), lambda path, is_dir: False, watch, lambda mixed_s: None
            )
            assert [entry.op.path for entry in journal.ops] == ["boot/vmlinuz"]
            assert find_done(volumes, journal) == [True]
            undo(NodeState(root), volumes, journal, lambda path, is_dir: False)
            assert find_done(volumes, journal) == [False]
            assert difference(before, look(disk)) == []
