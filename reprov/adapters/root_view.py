"""The files of a root as the system in it sees them: links lead to where they would lead there, and never out of it."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reprov.adapters import kernel
from reprov.domain.fstab import MountEntry, parse_fstab

_MISSING = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
_LARGEST_BYTES = 16 << 20  # whatever is larger is none of the files that a system reads at its start


@dataclass(frozen=True, slots=True)
class RootView:
    """An open root directory. What is missing, or of another type, is simply not there; other errors of the disk are raised."""

    root_fd: int

    def read(self, path: str) -> bytes | None:
        """The content of a regular file."""
        with self._opened(path) as fd:
            if fd is None or not stat.S_ISREG(os.fstat(fd).st_mode):
                return None
            with Path(f"/proc/self/fd/{fd}").open("rb") as file:
                return file.read(_LARGEST_BYTES)

    def text(self, path: str) -> str | None:
        """The same as text, whatever its bytes."""
        content = self.read(path)
        return None if content is None else content.decode("utf-8", "surrogateescape")

    def fstab(self) -> tuple[MountEntry, ...]:
        """What the system is told to mount; nothing where there is no such file."""
        return parse_fstab(self.read("etc/fstab") or b"")

    def status(self, path: str) -> os.stat_result | None:
        """The status of whatever the path leads to."""
        with self._opened(path) as fd:
            return None if fd is None else os.fstat(fd)

    def is_directory(self, path: str) -> bool:
        """True when the path leads to a directory."""
        status = self.status(path)
        return status is not None and stat.S_ISDIR(status.st_mode)

    def is_program(self, path: str) -> bool:
        """True when the path leads to a file that root can execute."""
        status = self.status(path)
        return status is not None and stat.S_ISREG(status.st_mode) and bool(status.st_mode & 0o111)

    def names(self, directory: str) -> list[str]:
        """The names in a directory, sorted."""
        with self._opened(directory) as fd:
            if fd is None or not stat.S_ISDIR(os.fstat(fd).st_mode):
                return []
            with os.scandir(f"/proc/self/fd/{fd}") as found:
                return sorted(item.name for item in found)

    @contextmanager
    def _opened(self, path: str) -> Iterator[int | None]:
        """Open without touching what is there: a device or a FIFO would notice."""
        try:
            fd = kernel.open_in_root(path, os.O_PATH, dir_fd=self.root_fd)
        except OSError as error:
            if error.errno not in _MISSING:
                raise
            yield None
            return
        try:
            yield fd
        finally:
            os.close(fd)
