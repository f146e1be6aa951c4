"""Removing trees that are reprov's own: staged, previous, incoming. Never through a symlink, never into anything mounted there."""

import errno
import os
import stat
from typing import Protocol

from reprov.adapters import kernel
from reprov.errors import NeedsAttention

_FLAGS = kernel.IMMUTABLE | kernel.APPEND_ONLY


class _Remove(Protocol):
    def __call__(self, path: str, *, dir_fd: int) -> None: ...


def discard(name: str, *, dir_fd: int) -> None:
    """Remove a file or a whole tree below one of reprov's directories; what is not there is fine.

    Raises `NeedsAttention` when something is mounted inside: then it is not only ours.
    """
    try:
        status = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(status.st_mode):
        _without_flags(os.unlink, name, dir_fd)
        return
    fd = _opened(name, dir_fd)
    try:
        if os.fstat(fd).st_dev != os.fstat(dir_fd).st_dev:  # a subvolume of btrfs
            raise _not_only_ours(name)
        for inner in os.listdir(fd):
            discard(inner, dir_fd=fd)
    finally:
        os.close(fd)
    _without_flags(os.rmdir, name, dir_fd)


def _opened(name: str, dir_fd: int) -> int:
    try:
        return kernel.open_beneath(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=dir_fd, same_mount=True)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        raise _not_only_ours(name) from None


def _not_only_ours(name: str) -> NeedsAttention:
    return NeedsAttention(f"something is mounted on {name} below /.reprov", hint="unmount it, then run the command again")


def _without_flags(remove: _Remove, name: str, dir_fd: int) -> None:
    """Remove a name; an immutable or append-only flag that it or its directory still carries is taken off first."""
    try:
        remove(name, dir_fd=dir_fd)
    except OSError as error:
        if error.errno == errno.EBUSY:  # a mount point, or the place of a bind-mounted file
            raise _not_only_ours(name) from None
        if error.errno != errno.EPERM:
            raise
        _take_off_flags(dir_fd)
        if not stat.S_ISLNK(os.stat(name, dir_fd=dir_fd, follow_symlinks=False).st_mode):  # symlinks have none
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=dir_fd)
            try:
                _take_off_flags(fd)
            finally:
                os.close(fd)
        remove(name, dir_fd=dir_fd)


def _take_off_flags(fd: int) -> None:
    flags = kernel.inode_flags(fd)
    if flags & _FLAGS:
        kernel.set_inode_flags(fd, flags & ~_FLAGS)
