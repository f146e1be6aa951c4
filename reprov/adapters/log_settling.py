"""Getting what was written to /boot out of the log of an XFS, which boot loaders do not read.

GRUB reads XFS without replaying its log: after syncfs, even after sync, it still finds the tree of before. A freeze empties the log
(as OSTree does). A frozen filesystem blocks whoever writes to it, so that a program of its own sees to it that it thaws.
"""

import os
from pathlib import Path

from reprov.adapters import kernel
from reprov.adapters.mounts import filesystem_of
from reprov.adapters.run import spawn

THAW_AFTER_S = 10.0


def settle(folder: Path) -> None:
    """Write everything of the filesystem that a directory lies on to where a boot loader finds it. Raises `OSError`."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        kernel.syncfs(fd)
        if filesystem_of(folder).filesystem == "xfs":
            _freeze_and_thaw(folder, fd)
    finally:
        os.close(fd)


def _freeze_and_thaw(folder: Path, fd: int) -> None:
    read_fd, write_fd = os.pipe()
    # It waits until this process is done, gone, or stuck, and thaws what is still frozen.
    watcher = ("sh", "-c", 'timeout "$1" cat; exec fsfreeze --unfreeze "$2"', "sh", str(THAW_AFTER_S), os.fspath(folder))
    with (
        os.fdopen(read_fd, "rb") as lifeline,
        Path(os.devnull).open("wb") as silence,
        spawn(watcher, stdin=lifeline, stderr=silence) as process,
    ):
        try:
            kernel.freeze(fd)
            kernel.thaw(fd)
        finally:
            os.close(write_fd)
            process.wait()
