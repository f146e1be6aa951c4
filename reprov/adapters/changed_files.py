"""Which files are not what their package brought: the only part of learning that reads content."""

import hashlib
import os
import stat
from collections.abc import Iterable

from reprov.adapters import kernel
from reprov.domain.installed_files import Changed, Recorded
from reprov.events import Progress

_READ_BYTES = 1 << 20
_ALGORITHMS = {32: "md5", 64: "sha256"}


def find_changed(
    root_fd: int, recorded: Iterable[Recorded], *, are_conffiles: bool, unreadable: list[str], progress: Progress
) -> list[Changed]:
    """The files whose content differs, that are gone, or that are no files any more; adds to `unreadable` what may not be read.

    Package files other than configuration that are gone are left out: excluding documentation is how images are made small.
    """
    found: list[Changed] = []
    for item in recorded:
        try:
            status = os.stat(item.path, dir_fd=root_fd, follow_symlinks=False)
            same = stat.S_ISREG(status.st_mode) and _digest(item, root_fd) == item.digest
        except (FileNotFoundError, NotADirectoryError):
            if are_conffiles:
                found.append(Changed(item.path, item.package, are_conffiles, True, 0, 0))
            continue
        except OSError:  # no permission, or a link on the way: the file itself was not seen
            unreadable.append(item.path)
            continue
        if not same:
            found.append(Changed(item.path, item.package, are_conffiles, False, status.st_size, status.st_mtime_ns))
        progress.advance(files=1, size_bytes=status.st_size)
    return found


def _digest(item: Recorded, root_fd: int) -> str:
    content = hashlib.new(_ALGORITHMS.get(len(item.digest), "sha256"), usedforsecurity=False)
    fd = kernel.open_beneath(item.path, os.O_RDONLY | os.O_NONBLOCK, dir_fd=root_fd)
    try:
        while block := os.read(fd, _READ_BYTES):
            content.update(block)
    finally:
        os.close(fd)
    return content.hexdigest()
