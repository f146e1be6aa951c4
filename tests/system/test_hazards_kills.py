"""The process dies, or is asked to stop: the next one finds the old tree or makes the new one whole, and can tell which (row 8).

`test_hazards_kill_points` has every point at which it may die.
"""

import importlib
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from reprov.adapters import kernel
from reprov.adapters.volumes import MARK
from tests.system.hazard_lab import (
    NEW,
    OLD,
    Disk,
    Lab,
    add_node_data,
    around_exchanges,
    assert_old_or_new,
    data_of,
    die,
    in_child,
    lab,
    look,
    make_release,
    once,
)
from tests.system.snapshot import Snapshot, difference

__all__ = ["lab"]
pytestmark = [
    pytest.mark.system,
    pytest.mark.commands,
    pytest.mark.needs("mkfs.ext4", "mkfs.xfs", "mkfs.btrfs", "mount", "rsync"),
]

SEED = 20261121
UNITS = ("usr", "boot", "extra", "legacy", "notes", "opt", "opt/app/data", "var/lib/dpkg", "etc")
"""What an upgrade exchanges here, in its order."""


def killed_at(disk: Disk, path: str, words: tuple[object, ...]) -> None:
    """Run a verb in a process that dies right after the exchange of a path."""

    def run() -> int:
        with pytest.MonkeyPatch.context() as patched:
            around_exchanges(patched, after=once(die, path=path))
            return disk.node.run(*map(str, words)).status

    assert in_child(run) == -signal.SIGKILL


def upgrade_words(disk: Disk) -> tuple[object, ...]:
    return tuple(disk.node.upgrade_words(NEW)[:-2])


def settled(disk: Disk, old: Snapshot, new: Snapshot, when: object) -> str:
    """Recover, and judge the whole tree."""
    ran = disk.node.run("recover")
    assert ran.status == 0, f"{when}: {ran.stderr}"
    found = look(disk)
    assert difference(data_of(old), data_of(found)) == [], when
    assert disk.node.run("recover").stdout == "nothing to do\n"
    return assert_old_or_new(found, old, new, when)


@pytest.fixture(scope="module")
def trees(lab: Lab) -> tuple[Snapshot, Snapshot]:
    """The old and the new tree."""
    with lab.node() as disk:
        old = look(disk)
        disk.node.install(NEW)
        return old, look(disk)


def timed(disk: Disk, words: list[str], delay_s: float, number: int) -> "subprocess.CompletedProcess[str]":
    """Run a command line in a process of its own and send it a signal after a while."""
    process = subprocess.Popen(
        [sys.executable, "-m", "reprov", *words, "--root", str(disk.node.root)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    time.sleep(delay_s)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(words, process.returncode, out, err)


def duration_of(disk: Disk, words: list[str]) -> float:
    """How long a command line takes that nobody disturbs, in seconds."""
    started_at = time.monotonic()
    subprocess.run([sys.executable, "-m", "reprov", *words, "--root", str(disk.node.root)], check=True, capture_output=True)
    return time.monotonic() - started_at


@pytest.mark.parametrize("verb, times", [("upgrade", 20), ("rollback", 10)])
def test_after_sigkill_at_any_time_the_tree_is_the_old_or_the_new_one(
    lab: Lab, trees: tuple[Snapshot, Snapshot], verb: str, times: int
) -> None:
    """Nothing that is needed afterwards is only in the memory of the process."""
    chance = random.Random(SEED)
    old, new = trees if verb == "upgrade" else (trees[1], trees[0])
    with lab.node() as disk:
        words = [*map(str, upgrade_words(disk))] if verb == "upgrade" else ["rollback"]
        if verb == "rollback":
            disk.node.install(NEW)
        lasts_s = duration_of(disk, words)
        disk.node.rollback()  # back to the tree that the verb begins with
        found = []
        for number in range(times):
            ran = timed(disk, words, chance.uniform(0.3, 1) * lasts_s, signal.SIGKILL)
            which = settled(disk, old, new, f"kill {number} (seed {SEED}): {ran}")
            assert which == "new" or ran.returncode == -signal.SIGKILL
            found.append(which)
            if which == "new":
                disk.node.rollback()
                assert difference(old, look(disk)) == []
        assert "old" in found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("verb", ["upgrade", "rollback"])
def test_whoever_asks_it_to_stop_is_told_what_the_node_is(
    lab: Lab, trees: tuple[Snapshot, Snapshot], verb: str, number: signal.Signals
) -> None:
    """Such a request is honoured before and after the exchanges, which take milliseconds. Without that it would end between two of them."""
    chance = random.Random(SEED)
    old, new = trees if verb == "upgrade" else (trees[1], trees[0])
    with lab.node() as disk:
        words = [*map(str, upgrade_words(disk))] if verb == "upgrade" else ["rollback"]
        if verb == "rollback":
            disk.node.install(NEW)
        lasts_s = duration_of(disk, words)
        disk.node.rollback()
        for attempt in range(5):
            ran = timed(disk, words, chance.uniform(0.5, 1) * lasts_s, number)
            assert ran.returncode in (0, 128 + number, -number), ran
            which = assert_old_or_new(look(disk), old, new, f"attempt {attempt} (seed {SEED}): {ran}")
            assert (ran.returncode == 0, bool(ran.stdout)) == (which == "new",) * 2, ran
            if which == "new":
                disk.node.rollback()


def ask_to_stop() -> None:
    """As `kill` does, but to the thread that listens: a test runner has others."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)


@pytest.mark.parametrize("path", UNITS)
def test_a_request_to_stop_during_the_exchanges_comes_too_late(
    lab: Lab, trees: tuple[Snapshot, Snapshot], path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer: signals are held from the first exchange until the node has its final state."""
    with lab.node() as disk:
        around_exchanges(
            monkeypatch, after=once(lambda: signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM), path=path)
        )
        ran = disk.node.upgrade(NEW)
        assert ran.status == 0, ran
        assert difference(trees[1], look(disk)) == []
        disk.node.rollback()
        assert difference(trees[0], look(disk)) == []


@pytest.mark.parametrize("verb", ["upgrade", "rollback"])
def test_a_request_to_stop_between_the_commit_and_the_answer_comes_too_late(
    lab: Lab, trees: tuple[Snapshot, Snapshot], verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer: whoever has held signals for a commit keeps them from being heard until the verb has said what it did."""
    module = importlib.import_module(f"reprov.workflows.{verb}")
    workflow = getattr(module, verb)

    def then_ask(*arguments: object, **options: object) -> object:
        done = workflow(*arguments, **options)
        ask_to_stop()
        return done

    with lab.node() as disk:
        if verb == "rollback":
            disk.node.install(NEW)
        monkeypatch.setattr(module, verb, then_ask)
        ran = disk.node.upgrade(NEW) if verb == "upgrade" else disk.node.run("rollback")
        assert (ran.status, "interrupted" in ran.stderr) == (0, False), ran
        assert ran.stdout
        assert difference(trees[1] if verb == "upgrade" else trees[0], look(disk)) == []


def move_to_another_disk(lab: Lab, disk: Disk, target: Disk) -> None:
    """Copy a node file by file, as a backup does that comes back: every inode is another one."""
    subprocess.run(("rsync", "-aHAX", "--numeric-ids", f"{disk.node.root}/", f"{target.node.root}/"), check=True)


@pytest.mark.parametrize("path", ["usr", "boot", "etc"])
def test_marks_tell_what_was_exchanged_when_inode_numbers_do_not(lab: Lab, path: str, tmp_path: Path) -> None:
    """Row 8. The answer: the side that becomes live is marked before the first exchange, and the mark decides before the inode does."""
    with lab.mounted(lab.blank("ext4")) as disk, lab.mounted(lab.blank("xfs")) as other:
        if not lab.store.release("1.0.1").exists():
            later = make_release(tmp_path / "later", OLD)
            for name in ("usr/bin/same", "boot/vmlinuz", "etc/crontab"):
                (later / name).write_text("changed in 1.0.1\n")
            lab.store.publish(later, "1.0.1")
        disk.node.install(OLD)
        add_node_data(disk.node)
        shutil.rmtree(disk.node.path("opt/app/data"))
        old = look(disk)
        words = ("upgrade", "base", "1.0.1", "--from", lab.store.folder)
        killed_at(disk, path, words)
        move_to_another_disk(lab, disk, other)
        ran = other.node.run("recover")
        assert ran.status == 0, ran.stderr
        assert difference(old, look(other)) == []


@pytest.mark.parametrize("path", UNITS)
def test_inodes_tell_what_was_exchanged_when_the_marks_are_gone(lab: Lab, trees: tuple[Snapshot, Snapshot], path: str) -> None:
    """Row 8. The answer: without a mark, inode number and birth time of both sides decide, and they must both fit."""
    with lab.node() as disk:
        killed_at(disk, path, upgrade_words(disk))
        removed = 0
        for top in (disk.node.root, disk.node.path(".reprov/staged")):
            for unit in UNITS:
                place = top / unit
                if place.exists() and MARK in os.listxattr(place):
                    os.removexattr(place, MARK)
                    removed += 1
        assert removed >= 6
        assert settled(disk, *trees, path) == "old"


def test_what_neither_mark_nor_inode_can_tell_is_left_alone(lab: Lab) -> None:
    """Row 8. The answer: recovery stops, with everything as it is, when a path is neither its old nor its new self."""
    with lab.node() as disk:
        killed_at(disk, "boot", upgrade_words(disk))
        os.removexattr(disk.node.path("boot"), MARK)
        other = disk.node.path("boot").rename(disk.node.path("boot.moved"))
        disk.node.path("boot").mkdir()
        now = look(disk)
        ran = disk.node.run("recover")
        assert ran.status == 6
        assert "/boot is neither what it was nor what it should become" in ran.stderr
        assert difference(now, look(disk)) == []
        disk.node.path("boot").rmdir()
        other.rename(disk.node.path("boot"))
        assert disk.node.run("recover").status == 0


@pytest.mark.parametrize("path", UNITS)
def test_where_no_birth_times_are_known_the_marks_are_enough(
    lab: Lab, trees: tuple[Snapshot, Snapshot], path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 8, some filesystems know no birth time and use an inode number again at once. The answer: the marks."""
    monkeypatch.setattr(kernel, "birth_time_ns", lambda path, *, dir_fd: 0)
    with lab.node() as disk:
        killed_at(disk, path, upgrade_words(disk))
        assert settled(disk, *trees, path) == "old"
