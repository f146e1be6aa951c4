"""Power cuts without a machine: each write and flush of a node's disks is logged, and every instant of the log is a disk again.

The disks are served by qemu-storage-daemon: an image, above it `blklogwrites`, above that a file in FUSE that is mounted as a
loop device. The kernel's own ext4, xfs and btrfs write to it, and the log is in the format of Linux' dm-log-writes. A cut is the
requests up to one instant, played onto a copy of the image. A disk with a cache may lose any part of what was written since
the last flush: such a cut leaves out some of those blocks, whatever their order was.
"""

import os
import random
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pytest

from reprov import events
from reprov.adapters import kernel
from reprov.adapters.files import opened_directory
from reprov.cli import monitors
from tests.system.hazard_lab import Disk, Instants, Lab

MOUNTED_AT = ("", "usr")
"""Where the disks of a node are mounted: the first of them, or both."""

_SECTOR_BYTES = 512
_BLOCK_BYTES = 4096
"""What a disk writes as a whole or not at all."""
_FLUSH, _DISCARD = 1, 4  # of a request: Documentation/admin-guide/device-mapper/log-writes.rst
_REQUEST = struct.Struct("<QQQQ")
_DAEMON_WITHIN_S = 30
_SHARES_KEPT = (0.0, 0.25, 0.5, 0.75, 0.9)

_KEEPER = """
folder=$1; shift
qemu-storage-daemon "$@" &
if ! read -r _; then
    while grep -q " $folder/[^ ]*[.]root" /proc/self/mountinfo; do
        umount --recursive "$folder"/*.root
        sleep 0.2
    done
    sleep 1
fi
kill $!
wait
"""
"""Runs the daemon, and ends it: when it is told to, or when the tests were killed. Then the filesystems must be unmounted first: the
last process of a mount namespace does that when it ends, and a daemon would wait for itself, and the machine for both."""

At = tuple[int, ...]
"""An instant: how many requests have been made to each disk."""


class Request(NamedTuple):
    """What the kernel asked of a disk: to write, to give blocks back, or to flush its cache."""

    position: int
    """On the disk, in bytes."""
    size_bytes: int
    """0 for a flush."""
    flags: int
    data: int
    """Where its bytes are in the log."""


class Log:
    """The requests to one disk, which may be read while they are written."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.requests: list[Request] = []
        self._next = _SECTOR_BYTES

    def read(self) -> int:
        """Take in what was added; how many requests there are by now."""
        with self.file.open("rb") as log:
            while True:
                log.seek(self._next)
                head = log.read(_SECTOR_BYTES).ljust(_SECTOR_BYTES, b"\0")
                sector, sectors, flags, _ = _REQUEST.unpack_from(head)
                if not (sectors or flags):
                    return len(self.requests)
                data = self._next + _SECTOR_BYTES
                self.requests.append(Request(sector * _SECTOR_BYTES, sectors * _SECTOR_BYTES, flags, data))
                self._next = data + (0 if flags & _DISCARD else sectors * _SECTOR_BYTES)

    def flushed(self, count: int) -> int:
        """How many of the first requests are on the disk for sure: those up to the last flush."""
        return next((number for number in range(count, 0, -1) if self.requests[number - 1].flags & _FLUSH), 0)

    def at_risk(self, count: int) -> int:
        """How many of the first requests a cache may lose."""
        return sum(request.size_bytes > 0 for request in self.requests[self.flushed(count) : count])

    def replay(self, image: Path, count: int, kept: float, chance: random.Random) -> None:
        """Do to an image what the first requests did to the disk, a lost cache included."""
        safe = self.flushed(count) if kept < 1 else count
        with image.open("r+b") as disk, self.file.open("rb") as log:
            for number, request in enumerate(self.requests[:count]):
                end = request.position + request.size_bytes
                for begin in (request.position,) if number < safe else range(request.position, end, _BLOCK_BYTES):
                    if number < safe or chance.random() < kept:
                        size_bytes = end - begin if number < safe else min(_BLOCK_BYTES, end - begin)
                        _do(request, begin, size_bytes, log.fileno(), disk.fileno())


def _do(request: Request, position: int, size_bytes: int, log_fd: int, disk_fd: int) -> None:
    """Write a part of a request to a disk."""
    if request.flags & _DISCARD:
        kernel.punch_hole(disk_fd, position, size_bytes)
    else:
        os.pwrite(disk_fd, os.pread(log_fd, size_bytes, request.data + position - request.position), position)


class Cut(NamedTuple):
    """The power goes."""

    at: At
    kept: float = 1.0
    """How likely a block that was written since the last flush is on the disk. 1.0: there is no cache; 0.0: it is lost as a whole."""
    seed: int = 0
    """Which blocks those are."""


class Mark(NamedTuple):
    """An instant that was noted down."""

    stage: str
    """The verb that ran, and the last phase that it had begun: `upgrade`, `upgrade: scan`, and so on."""
    at: At


@dataclass(frozen=True)
class Recording:
    """What verbs did to the disks of a node."""

    bases: tuple[Path, ...]
    """The disks as they were before."""
    logs: tuple[Log, ...]
    marks: list[Mark] = field(default_factory=list)

    def mark(self, stage: str) -> None:
        """Note down this instant."""
        while (at := self.read()) != self.read():
            pass  # of two disks, the one that was read first has moved on meanwhile
        self.marks.append(Mark(stage, at))

    def instants(self, stage: str) -> list[list[At]]:
        """Every instant of a stage at which something was written, in groups: each between two marks.

        Where both disks were written to between two marks nobody knows the order; then it is the second mark alone.
        """
        groups = []
        for (stage_before, before), (_, after) in zip(self.marks, self.marks[1:], strict=False):
            moved = [disk for disk, count in enumerate(after) if count != before[disk]]
            if f"{stage_before}:".startswith(f"{stage}:") and moved:
                disk = moved[0]
                counts = range(before[disk] + 1, after[disk] + 1) if len(moved) == 1 else (after[disk],)
                groups.append([(*after[:disk], count, *after[disk + 1 :]) for count in counts])
        return groups

    def every(self, stage: str) -> list[Cut]:
        """Cuts at every mark of a stage that found something new: without a cache, and with all of it lost."""
        return [Cut(group[-1], kept) for group in self.instants(stage) for kept in (1.0, 0.0)]

    def choose(self, stage: str, wanted: int, chance: random.Random) -> list[Cut]:
        """Cuts in a stage, every other one with a cache lost. Marks count, and not how much was written between them."""
        groups = self.instants(stage)
        with_risk = [at_risk for group in groups if (at_risk := [at for at in group if self.at_risk(at)])]
        cuts = []
        for number in range(wanted):
            if number % 2 and with_risk:
                at, kept = chance.choice(chance.choice(with_risk)), chance.choice(_SHARES_KEPT)
                cuts.append(Cut(at, kept, chance.randrange(1 << 32)))
            else:
                cuts.append(Cut(chance.choice(chance.choice(groups))))
        return cuts

    def at_risk(self, at: At) -> int:
        """How many writes lost caches could take with them."""
        return sum(log.at_risk(count) for log, count in zip(self.logs, at, strict=True))

    @contextmanager
    def after(self, lab: Lab, cut: Cut) -> Iterator[tuple[Path, ...]]:
        """The disks after a cut, removed at the end."""
        chance = random.Random(cut.seed)
        with cloned(lab, self.bases) as images:
            for image, log, count in zip(images, self.logs, cut.at, strict=True):
                log.replay(image, count, cut.kept, chance)
            yield images

    def read(self) -> At:
        """How many requests there are by now."""
        return tuple(log.read() for log in self.logs)


@contextmanager
def cloned(lab: Lab, images: Sequence[Path]) -> Iterator[tuple[Path, ...]]:
    """Copies of disks, removed at the end."""
    copies = tuple(lab.clone(image) for image in images)
    try:
        yield copies
    finally:
        for copy in copies:
            copy.unlink()


@contextmanager
def mounted(lab: Lab, images: Sequence[Path]) -> Iterator[Disk]:
    """A node on one disk, or on two."""
    with lab.mounted(images[0]) as disk:
        for image, place in zip(images[1:], MOUNTED_AT[1:], strict=False):
            disk.node.path(place).mkdir(exist_ok=True)
            subprocess.run(("mount", "-o", "loop", image, disk.node.path(place)), check=True)
        yield disk


@contextmanager
def recorded(
    lab: Lab,
    bases: tuple[Path, ...],
    verbs: Mapping[str, Callable[[Disk], object]],
    *,
    noise: float = 0.0,
    seed: object = 0,
) -> Iterator[Recording]:
    """Run verbs on a node, and log what they do to its disks; the log goes at the end.

    `noise` is how likely somebody else syncs a filesystem after any step: that puts on its disk whatever was done so far.
    """
    chance = random.Random(str(seed))
    recording = Recording(bases, tuple(Log(lab.new_path(".log")) for _ in bases))
    try:
        with cloned(lab, bases) as images:
            with _served(lab, images, recording.logs) as exports, mounted(lab, exports) as disk:
                for verb, action in verbs.items():
                    _run(recording, disk, verb, action, lambda: chance.random() < noise)
            with recording.after(lab, Cut(recording.read())) as replayed:
                assert all(map(_is_same, images, replayed)), "the logs are not what has happened to the disks"
        yield recording
    finally:
        for log in recording.logs:
            log.file.unlink(missing_ok=True)


class _Stages:
    """A monitor that knows which phase a verb is in."""

    def __init__(self, verb: str) -> None:
        self._verb = verb
        self.now = verb

    def emit(self, event: events.Event) -> None:
        if isinstance(event, events.PhaseStarted):
            self.now = f"{self._verb}: {event.phase}"


def _run(recording: Recording, disk: Disk, verb: str, action: Callable[[Disk], object], is_noisy: Callable[[], bool]) -> None:
    really, one_at_a_time, stages = kernel.syncfs, threading.Lock(), _Stages(verb)
    with ExitStack() as stack:
        patched = stack.enter_context(pytest.MonkeyPatch.context())
        roots = [stack.enter_context(opened_directory(disk.node.path(place))) for place in MOUNTED_AT[: len(recording.bases)]]

        def note_down(_number: int) -> None:
            with one_at_a_time:  # what has arrived is synced in a thread
                recording.mark(stages.now)
                for root_fd in roots:
                    if is_noisy():
                        really(root_fd)
                        recording.mark(stages.now)

        instants = Instants(patched, note_down)
        instants.add(patched, kernel, "syncfs")
        instants.add(patched, os, "rename")
        patched.setattr(monitors, "_monitor_for_people", lambda stack: stages)
        recording.mark(verb)
        action(disk)
        recording.mark(stages.now)


def _is_same(*images: Path) -> bool:
    """Whether two images are byte for byte the same; holes are not read."""
    with images[0].open("rb") as first, images[1].open("rb") as second:
        return all(
            os.pread(first.fileno(), size_bytes, begin) == os.pread(second.fileno(), size_bytes, begin)
            for image in (first.fileno(), second.fileno())
            for begin, size_bytes in _extents(image)
        )


def _extents(fd: int) -> Iterator[tuple[int, int]]:
    """Where a file has data: (position, size), in bytes."""
    end, size_bytes = 0, os.fstat(fd).st_size
    while end < size_bytes:
        try:
            begin = os.lseek(fd, end, os.SEEK_DATA)
        except OSError:  # ENXIO: holes up to the end
            return
        end = os.lseek(fd, begin, os.SEEK_HOLE)
        yield begin, end - begin


@contextmanager
def _served(lab: Lab, images: Sequence[Path], logs: Sequence[Log]) -> Iterator[tuple[Path, ...]]:
    """Files that are the images, and whose every write is logged. The daemon ends with the block, or after this process."""
    exports: list[Path] = []
    words = ["sh", "-c", _KEEPER, "keeper", os.fspath(lab.folder)]
    for number, (image, log) in enumerate(zip(images, logs, strict=True)):
        exports.append(lab.new_path(".disk"))
        for file in (exports[-1], log.file):
            file.touch()
        # Without discard=unmap a request for zeros, which the loop device turns into a discard, would do nothing.
        words += ["--blockdev", f"driver=file,node-name=image{number},filename={image},discard=unmap,cache.no-flush=on"]
        words += ["--blockdev", f"driver=file,node-name=log{number},filename={log.file},cache.no-flush=on"]
        words += ["--blockdev", f"driver=blklogwrites,node-name=logged{number},file=image{number},log=log{number},discard=unmap"]
        words += ["--export", f"type=fuse,id=disk{number},node-name=logged{number},mountpoint={exports[-1]},writable=on"]
    # In a session of its own: Ctrl-C is for the tests, which unmount first.
    with subprocess.Popen(words, stdin=subprocess.PIPE, start_new_session=True) as keeper:
        try:
            deadline = time.monotonic() + _DAEMON_WITHIN_S
            while any(export.stat().st_size != image.stat().st_size for export, image in zip(exports, images, strict=True)):
                assert time.monotonic() < deadline, "qemu-storage-daemon does not begin to serve"
                time.sleep(0.01)
            yield tuple(exports)
        finally:
            keeper.communicate(b"done\n", timeout=_DAEMON_WITHIN_S)
            for export in exports:
                export.unlink()
