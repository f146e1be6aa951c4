"""Whoever has a file open, ended: for a process that holds a node and does nothing any more."""

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")


def end_holders(lock: Path) -> tuple[int, ...]:
    """Kill every other process that has the file open; gives their ids. What they held is free once they are gone."""
    ended = []
    for process in _PROC.iterdir():
        if process.name.isdigit() and (pid := int(process.name)) != os.getpid():
            with suppress(OSError):  # it ended while we looked
                pidfd = os.pidfd_open(pid)
                try:
                    if holds(pid, lock):
                        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                        ended.append(pid)
                finally:
                    os.close(pidfd)
    return tuple(sorted(ended))


def holds(pid: int, lock: Path) -> bool:
    """True when a process has the file open."""
    with suppress(OSError):
        wanted = lock.stat()
        return any(os.path.samestat(wanted, link.stat()) for link in (_PROC / str(pid) / "fd").iterdir() if _is_file(link))
    return False


def _is_file(link: Path) -> bool:
    """To ask anything else could hang, as a file of a network filesystem does; our file is named /.reprov/lock wherever it is open."""
    return str(link.readlink()).endswith("/.reprov/lock")
