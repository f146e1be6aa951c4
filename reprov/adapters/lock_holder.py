"""Whoever has a file open, ended: for a process that holds a node and does nothing any more."""

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")


def end_holders(lock: Path) -> tuple[int, ...]:
    """Kill every other process that has the file open; gives their ids. What they held is free once they are gone."""
    wanted, ended = lock.stat(), []
    for process in _PROC.iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            with suppress(OSError):  # it ended while we looked
                pidfd = os.pidfd_open(int(process.name))
                try:
                    if any(os.path.samestat(wanted, link.stat()) for link in (process / "fd").iterdir() if _is_file(link)):
                        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                        ended.append(int(process.name))
                finally:
                    os.close(pidfd)
    return tuple(sorted(ended))


def _is_file(link: Path) -> bool:
    """To ask anything else could hang, as a file of a network filesystem does; our file is named /.reprov/lock wherever it is open."""
    return str(link.readlink()).endswith("/.reprov/lock")
