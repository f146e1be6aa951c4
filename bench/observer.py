"""Watches a live tree as any program on the node sees it, and tells how long it was neither the old nor the new one.

`python -m bench.observer ROOT`: paths on stdin as a line of JSON; says "ready" after the first look, goes on until stdin is
closed, and prints a `Window` as JSON. It knows nothing of who changes the tree or how.
"""

import json
import os
import select
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

_PAUSE_S = 0.005
_BUSY_S = 0.2  # after the first change: a window of milliseconds is timed without pauses, one of seconds needs no such thing

Identity = tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Window:
    """What was seen of the change."""

    mixed_s: float
    """From the last look at which nothing had changed to the end of the one that saw the last change: never too short."""
    resolution_s: float
    """The longest time between two looks in the window."""
    changed: int
    """How many of the paths changed."""
    cpu_s: float
    """What watching cost, which competes with what is watched."""


def identity(path: str, root_fd: int) -> Identity:
    """What is at a path now: inode, size, time and mode, None for nothing. Not ctime, which a new link to an old file moves."""
    try:
        status = os.stat(path, dir_fd=root_fd, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_mode)


class Watch:
    """The state of one observation."""

    def __init__(self, paths: Sequence[str], root_fd: int) -> None:
        self._paths = paths
        self._root_fd = root_fd
        self._before = self._look()
        self._seen = self._before
        self._began_at: float | None = None
        self._ended_at = 0.0
        self._last_at = time.monotonic()
        self._longest_s = 0.0
        self._resolution_s = 0.0

    def look(self) -> None:
        """Look at every path once."""
        at = time.monotonic()
        found = self._look()
        self._longest_s = max(self._longest_s, at - self._last_at)
        if found != self._seen:
            if self._began_at is None:
                self._began_at = self._last_at
                self._longest_s = at - self._last_at
            self._ended_at = time.monotonic()
            self._resolution_s = self._longest_s
            self._seen = found
        self._last_at = at

    @property
    def is_busy(self) -> bool:
        """True for a short time after the first change."""
        return self._began_at is not None and self._last_at - self._began_at < _BUSY_S

    def window(self) -> Window:
        """What has been seen so far."""
        mixed_s = self._ended_at - self._began_at if self._began_at is not None else 0.0
        changed = sum(1 for before, after in zip(self._before, self._seen, strict=True) if before != after)
        return Window(mixed_s, self._resolution_s, changed, time.process_time())

    def _look(self) -> list[Identity]:
        return [identity(path, self._root_fd) for path in self._paths]


def main() -> None:
    """Watch until stdin ends."""
    paths = json.loads(sys.stdin.readline())
    watch = Watch(paths, os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY))
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], 0.0 if watch.is_busy else _PAUSE_S)[0]:
        watch.look()
    watch.look()
    print(json.dumps(asdict(watch.window())), flush=True)


if __name__ == "__main__":
    main()
