"""The files by which a node boots: read and replaced so that every instant leaves a set that boots.

On the ESP there is nothing else to go by than the order of writes: a file is written beside its place, synced, renamed.
"""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from reprov.adapters import kernel
from reprov.adapters.root_view import RootView

INCOMING = ".reprov-incoming"
"""What a file is called, before its own name, until it is complete; left by a run that was killed, and replaced by the next."""
_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Folder:
    """An open directory of a root, reached as a program in the root would reach it."""

    fd: int

    def read(self, name: str) -> bytes | None:
        """The content of a file; None where there is none."""
        return RootView(self.fd).read(name)

    def sizes(self) -> dict[str, int]:
        """The regular files in it, by name, with their sizes."""
        # Opened anew: btrfs lists for a descriptor only what was there when that was opened.
        fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=self.fd)
        try:
            with os.scandir(fd) as found:
                return {item.name: item.stat().st_size for item in found if item.is_file()}
        finally:
            os.close(fd)

    def beginning(self, name: str) -> bytes:
        """The first bytes of a file."""
        with self._opened(name) as fd:
            return os.read(fd, 16)

    def write(self, name: str, content: bytes) -> bool:
        """Give a file this content, its mode stays; False when it has it already."""
        if self.read(name) == content:
            return False
        fd = os.open(INCOMING + name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644, dir_fd=self.fd)
        with os.fdopen(fd, "wb") as out:
            with suppress(FileNotFoundError):
                os.fchmod(out.fileno(), stat.S_IMODE(os.stat(name, dir_fd=self.fd).st_mode))
            out.write(content)
        self.appear(name)
        return True

    def copy(self, name: str, source: "Folder", source_name: str) -> bool:
        """Make a file a copy of another; False when it is one already."""
        with source._opened(source_name) as source_fd, open(source_fd, "rb", closefd=False) as wanted:
            if self._equals(name, source_fd):
                return False
            fd = os.open(INCOMING + name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644, dir_fd=self.fd)
            with os.fdopen(fd, "wb") as out:
                shutil.copyfileobj(wanted, out, _READ_BYTES)
        self.appear(name)
        return True

    def appear(self, name: str) -> None:
        """Put what has been written as `INCOMING` and the name in its place, safe on the disk."""
        with self._opened(INCOMING + name) as fd:
            os.fsync(fd)
        os.rename(INCOMING + name, name, src_dir_fd=self.fd, dst_dir_fd=self.fd)
        os.fsync(self.fd)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self.fd)

    def tidy(self) -> None:
        """Remove what an interrupted run has left."""
        for name in self.sizes():
            if name.startswith(INCOMING):
                self.remove(name)

    def _equals(self, name: str, source_fd: int) -> bool:
        try:
            with self._opened(name) as fd:
                if os.fstat(fd).st_size != os.fstat(source_fd).st_size:
                    return False
                position = 0
                while block := os.pread(source_fd, _READ_BYTES, position):
                    if os.pread(fd, _READ_BYTES, position) != block:
                        return False
                    position += len(block)
        except FileNotFoundError:
            return False
        return True

    @contextmanager
    def _opened(self, name: str) -> Iterator[int]:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=self.fd)
        try:
            yield fd
        finally:
            os.close(fd)


@contextmanager
def opened_folder(root: Path, path: str, *, make: bool = False) -> Iterator[Folder]:
    """A directory of a root; links lead to where they would lead there. With `make`, the last part of the path is made if missing.

    Raises `OSError` for what is no directory.
    """
    root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if make:
            above, _, name = path.rpartition("/")
            above_fd = kernel.open_in_root(above or ".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=root_fd)
            try:
                with suppress(FileExistsError):
                    os.mkdir(name, 0o755, dir_fd=above_fd)
            finally:
                os.close(above_fd)
        fd = kernel.open_in_root(path, os.O_RDONLY | os.O_DIRECTORY, dir_fd=root_fd)
        try:
            yield Folder(fd)
        finally:
            os.close(fd)
    finally:
        os.close(root_fd)


@contextmanager
def viewed(root: Path) -> Iterator[RootView]:
    """The files of a root as the system in it sees them."""
    root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield RootView(root_fd)
    finally:
        os.close(root_fd)
