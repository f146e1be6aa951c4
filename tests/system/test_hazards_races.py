"""Those who mount and write while the trees are exchanged (rows 10 and 12)."""

import mmap
import os
import signal
import struct
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reprov.adapters import kept
from tests.system.hazard_lab import NEW, Disk, Lab, around_exchanges, data_of, lab, look, once
from tests.system.node import Hooks
from tests.system.snapshot import Snapshot, difference, without

__all__ = ["lab"]
pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs("mkfs.ext4", "mkfs.xfs", "mount", "rsync")]

POINT = "usr/share/doc"


def mount_on(path: Path) -> None:
    """What an automounter does."""
    subprocess.run(("mount", "-t", "tmpfs", "none", path), check=True)
    (path / "inside").write_text("of the mount\n")


def at_staging(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    Hooks(monkeypatch).at_start("stage", lambda: mount_on(disk.node.path(POINT)))


def at_commit(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    Hooks(monkeypatch).at_start("commit", lambda: mount_on(disk.node.path(POINT)))


def before_the_exchange(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    around_exchanges(monkeypatch, before=once(lambda: mount_on(disk.node.path(POINT)), path="usr"))


def after_the_exchange_elsewhere(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    around_exchanges(monkeypatch, after=once(lambda: mount_on(disk.node.path("opt/app")), path="usr"))


@pytest.mark.parametrize(
    "when, point",
    [
        pytest.param(at_staging, POINT, id="while it is being staged"),
        pytest.param(at_commit, POINT, id="when the commit begins"),
        pytest.param(before_the_exchange, POINT, id="right before the exchange of what holds it"),
        pytest.param(after_the_exchange_elsewhere, "opt/app", id="in a directory whose exchange is still to come"),
    ],
)
def test_a_mount_that_appears_in_what_is_exchanged_undoes_the_commit(
    lab: Lab, when: Callable[[Disk, pytest.MonkeyPatch], None], point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 10, an exchange takes a mount away with the old tree. The answer: the mount table is read again after the exchanges."""
    with lab.node() as disk:
        old = look(disk)
        when(disk, monkeypatch)
        ran = disk.node.upgrade(NEW)
        assert ran.status == 1, ran
        if when is before_the_exchange:
            assert "reprov: a filesystem was mounted or unmounted during the commit; it was undone\n" in ran.stderr
        assert disk.node.path(point).is_mount()
        assert (disk.node.path(point) / "inside").read_text() == "of the mount\n"
        assert difference(without(old, point), without(look(disk), point)) == []
        assert disk.node.leftovers() == []
        subprocess.run(("umount", disk.node.path(point)), check=True)
        assert difference(old, look(disk)) == []
        disk.node.install(NEW)


def test_a_mount_in_the_tree_that_has_just_come_is_not_lost_with_it(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 10. Whatever becomes of the commit, nothing is removed that the mount holds, and nobody says that all is well."""
    with lab.node() as disk:
        old = look(disk)
        around_exchanges(monkeypatch, after=once(lambda: mount_on(disk.node.path(POINT)), path="usr"))
        ran = disk.node.upgrade(NEW)
        mounts = [line.split(" ")[4] for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(disk.node.root) + "/" in line]
        assert len(mounts) == 1
        assert (Path(mounts[0]) / "inside").read_text() == "of the mount\n"
        assert ran.status in (1, 6)
        subprocess.run(("umount", mounts[0]), check=True)
        assert disk.node.run("recover").status == 0
        assert difference(old, look(disk)) == []
        assert disk.node.leftovers() in ([], ["leftover"])
        disk.node.install(NEW)


def replace(path: Path, text: str) -> None:
    """Replace a file as a careful program does."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text)
    temporary.rename(path)


def replace_kept_file(disk: Disk) -> None:
    replace(disk.node.path("etc/resolv.conf"), "nameserver 192.0.2.2\n")


def replace_in_kept_directory(disk: Disk) -> None:
    replace(disk.node.path("etc/ssh/host_key"), "rotated\n")


def replace_beside_image_files(disk: Disk) -> None:
    replace(disk.node.path("opt/app/log/app.log"), "rotated\n")


def write_in_place(disk: Disk) -> None:
    with disk.node.path("etc/hostname").open("a") as file:
        file.write("more\n")


def make_in_kept_directory(disk: Disk) -> None:
    disk.node.write("etc/node.d/made", "new\n")
    disk.node.write("etc/ssh/another/deep", "new\n")


def make_beside_image_files(disk: Disk) -> None:
    disk.node.write("opt/app/log/other.log", "new\n")


def remove_kept_file(disk: Disk) -> None:
    disk.node.path("etc/resolv.conf").unlink()


def remove_from_kept_directory(disk: Disk) -> None:
    disk.node.path("etc/node.d/a").unlink()


def change_carried_data(disk: Disk) -> None:
    replace(disk.node.path("opt/app/data/db"), "compacted\n")
    disk.node.write("opt/app/data/new/file", "new\n")


WRITES = [
    replace_kept_file,
    replace_in_kept_directory,
    replace_beside_image_files,
    write_in_place,
    make_in_kept_directory,
    make_beside_image_files,
    remove_kept_file,
    remove_from_kept_directory,
    change_carried_data,
]


def node_data(found: Snapshot) -> Snapshot:
    return {path: seen for path, seen in {**data_of(found), **_beside(found)}.items() if seen.kind != "directory"}


def _beside(found: Snapshot) -> Snapshot:
    return {path: seen for path, seen in found.items() if path.endswith(".log")}


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.__name__.replace("_", " "))
@pytest.mark.parametrize("verb", ["upgrade", "rollback"])
@pytest.mark.parametrize("instant", ["before the first exchange", "after the last exchange"])
def test_what_the_node_writes_around_the_exchange_is_there_afterwards(
    lab: Lab, verb: str, write: Callable[[Disk], None], instant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 12. The answer: after the exchanges the node's files are compared on both sides, and what is newer on the old one comes over."""
    with lab.node() as disk:
        if verb == "rollback":
            disk.node.install(NEW)
        seen: list[Snapshot] = []

        def act() -> None:
            write(disk)
            seen.append(node_data(look(disk)))

        if instant == "before the first exchange":
            around_exchanges(monkeypatch, before=once(act, path="usr"))
        else:
            around_exchanges(monkeypatch, after=once(act, path="etc"))
        ran = disk.node.upgrade(NEW) if verb == "upgrade" else disk.node.run("rollback")
        assert ran.status == 0, ran.stderr
        if instant == "before the first exchange" or write in (replace_kept_file, replace_in_kept_directory, write_in_place):
            assert difference(seen[0], node_data(look(disk))) == []


def test_what_the_node_writes_while_an_older_one_comes_over_stays(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 12. The answer: what comes over is exchanged with what it replaces, and back when that is not what it was to replace."""
    with lab.node() as disk:
        really, writes = kept._bring_over, []

        def be_faster(*arguments: Any, **options: Any) -> None:
            writes.append("nameserver 192.0.2.3\n")
            replace(disk.node.path("etc/resolv.conf"), writes[-1])
            really(*arguments, **options)

        monkeypatch.setattr(kept, "_bring_over", be_faster)
        around_exchanges(monkeypatch, before=once(lambda: replace_kept_file(disk), path="usr"))
        disk.node.install(NEW)
        assert writes, "nothing came over at all"
        assert disk.node.path("etc/resolv.conf").read_text() == writes[-1]
        assert not list(disk.node.path("etc").glob(".reprov*"))


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.__name__.replace("_", " "))
def test_what_the_node_writes_during_a_commit_that_is_undone_is_there_afterwards(
    lab: Lab, write: Callable[[Disk], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 12. The answer: an undo compares both sides as a commit does."""
    with lab.node() as disk:
        seen: list[Snapshot] = []

        def act() -> None:
            write(disk)
            seen.append(node_data(look(disk)))

        def fail(path: str) -> None:
            if path == "etc" and not seen:
                act()
                raise OSError(5, "Input/output error")

        around_exchanges(monkeypatch, after=fail)
        ran = disk.node.upgrade(NEW)
        assert ran.status == 1, ran
        assert difference(seen[0], node_data(look(disk))) == []


WRITTEN = (*(f"etc/node.d/{number}" for number in range(10)), *(f"opt/app/log/{number}.log" for number in range(10)))
FLIPS = 25
COARSE_CLOCK = 5  # CLOCK_REALTIME_COARSE of time.h: what files are stamped with
# Every file once in two ticks: what changes twice within one, nobody can put in order.
PAUSE_S = 2 * time.clock_getres(COARSE_CLOCK) / len(WRITTEN)


class Writer:
    """A process that changes files all the time, by rename and in place in turn, and remembers what it was told is done."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._shared = mmap.mmap(-1, 8 * (len(WRITTEN) + 3))
        for path in WRITTEN:
            (root / path).write_bytes(struct.pack("q", 0))
        self._child = os.fork()
        if not self._child:
            try:
                self._write_on()
            finally:
                os._exit(1)

    def pause(self) -> dict[str, int]:
        """What every file must hold by now, once the writer stands still."""
        self._set(0, 1)
        while not self._get(1):
            time.sleep(0.0005)
        return {path: self._get(3 + number) for number, path in enumerate(WRITTEN)}

    def go_on(self) -> None:
        self._set(0, 0)

    def end(self) -> int:
        """Stop it; returns how often a file that it wrote in place was not there."""
        os.kill(self._child, signal.SIGKILL)
        os.waitpid(self._child, 0)
        return self._get(2)

    def _write_on(self) -> None:
        step = 0
        while True:
            while self._get(0):
                self._set(1, 1)
                time.sleep(0.0005)
            self._set(1, 0)
            time.sleep(PAUSE_S)
            step += 1
            number = step % len(WRITTEN)
            path = self._root / WRITTEN[number]
            try:
                self._write(path, step, by_rename=step // len(WRITTEN) % 2 == 0)
            except FileNotFoundError:
                continue
            self._set(3 + number, step)

    def _write(self, path: Path, step: int, *, by_rename: bool) -> None:
        if by_rename:
            temporary = path.with_name("0writing.log")
            temporary.write_bytes(struct.pack("q", step))
            temporary.rename(path)  # may fail: the exchange came in between, and the writer is told so
            return
        try:
            fd = os.open(path, os.O_WRONLY)
        except FileNotFoundError:
            self._set(2, self._get(2) + 1)
            raise
        os.pwrite(fd, struct.pack("q", step), 0)
        os.close(fd)

    def _get(self, number: int) -> int:
        return int(struct.unpack_from("q", self._shared, 8 * number)[0])

    def _set(self, number: int, value: int) -> None:
        struct.pack_into("q", self._shared, 8 * number, value)


@pytest.mark.parametrize("filesystem", ["ext4", "xfs"])
def test_no_write_is_lost_and_no_file_is_missing_for_a_writer_that_never_rests(lab: Lab, filesystem: str) -> None:
    """Row 12. The answer: a link that fails because the file was just replaced is tried again; both sides have the file at any instant."""
    with lab.node(filesystem) as disk:
        writer = Writer(disk.node.root)
        try:
            disk.node.install(NEW)
            for flip in range(FLIPS):
                expected = writer.pause()
                found = {path: struct.unpack("q", disk.node.path(path).read_bytes())[0] for path in WRITTEN}
                assert found == expected, f"after {flip} rollbacks"
                assert min(expected.values()) > 0
                writer.go_on()
                disk.node.rollback()
        finally:
            missing = writer.end()
        assert missing == 0
