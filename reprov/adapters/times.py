"""Modification times of files that were written again with the content that they had."""

import os
import stat
from collections.abc import Iterable

from reprov.adapters import kernel
from reprov.adapters.files import digest_of
from reprov.domain.entry import Entry


def put_times_back(entries: Iterable[Entry], since_ns: int, *, root_fd: int) -> None:
    """Give files that were written since then, and are what their entries say, the times of these. What is gone is left alone."""
    for entry in entries:
        try:
            status = os.stat(entry.path, dir_fd=root_fd, follow_symlinks=False)
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode) and status.st_mtime_ns >= since_ns and status.st_size == entry.size:
            _put_back(entry, root_fd)


def _put_back(entry: Entry, root_fd: int) -> None:
    try:
        fd = kernel.open_beneath(entry.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=root_fd)
    except OSError:
        return
    try:
        before = os.fstat(fd)
        if digest_of(fd) == entry.digest:
            os.utime(fd, ns=(before.st_atime_ns, entry.mtime_ns))
    finally:
        os.close(fd)
