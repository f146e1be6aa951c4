"""Laying and taking away single files of reprov's own among a node's, one atomic rename each, without a trace in their directory."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reprov.adapters import kernel
from reprov.adapters.files import opened_directory, read_at

_SUFFIX = ".reprov-new"


def read_laid(root: Path, path: str) -> bytes | None:
    """The content of a file below a root; None when there is none. Raises `OSError` for anything but a file."""
    with opened_directory(root) as root_fd:
        try:
            return read_at(path, dir_fd=root_fd)
        except (FileNotFoundError, NotADirectoryError):
            return None


def has_folder(root: Path, path: str) -> bool:
    """Whether the directory of a path is there, as a directory."""
    folder = (root / path).parent
    return folder.is_dir() and folder.resolve() == root.resolve() / Path(path).parent


def lay(root: Path, path: str, content: str, mode: int) -> None:
    """Write a file, the old or the new one after a power cut; the directory keeps its time."""
    folder, _, name = path.rpartition("/")
    with _held(root, folder) as folder_fd:
        temporary = f"{name}{_SUFFIX}"
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600, dir_fd=folder_fd)
        try:
            os.write(fd, content.encode())
            os.fchmod(fd, mode)
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(temporary, name, src_dir_fd=folder_fd, dst_dir_fd=folder_fd)


def take_away(root: Path, path: str) -> None:
    """Remove a file that was laid, and what a killed `lay` left of it; the directory keeps its time."""
    folder, _, name = path.rpartition("/")
    with _held(root, folder) as folder_fd:
        for gone in (name, f"{name}{_SUFFIX}"):
            try:
                os.unlink(gone, dir_fd=folder_fd)
            except FileNotFoundError:
                continue


@contextmanager
def _held(root: Path, folder: str) -> Iterator[int]:
    """A directory of the root, whose time is what it was when the block ends, and whose names are on the disk."""
    with opened_directory(root) as root_fd:
        fd = kernel.open_beneath(folder, os.O_RDONLY | os.O_DIRECTORY, dir_fd=root_fd)
    try:
        before = os.fstat(fd)
        yield fd
        os.utime(fd, ns=(before.st_atime_ns, before.st_mtime_ns))
        os.fsync(fd)
    finally:
        os.close(fd)
