"""The two sides of an op on disk: who is where, the mark on new tops, placeholders, and the exchange itself."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from reprov.adapters import kernel
from reprov.adapters.discard import discard
from reprov.adapters.node_state import STAGED
from reprov.adapters.volumes import MARK, Volumes
from reprov.domain.entry import ancestors_of
from reprov.domain.journal import Identity, Side
from reprov.domain.units import Op

_PLACEHOLDER = "placeholder"


@contextmanager
def live_side(volumes: Volumes, op: Op) -> Iterator[tuple[int, str]]:
    """The live directory that holds an op's path, and the name in it."""
    fd = volumes.holder_of(op.path)
    try:
        yield fd, op.path.rpartition("/")[2]
    finally:
        os.close(fd)


def staged_name(volumes: Volumes, volume: str, path: str) -> str:
    """The staged path, relative to the volume's `.reprov`."""
    return f"{STAGED}/{volumes.inside(volume, path)}"


def look(volumes: Volumes, op: Op) -> tuple[Side | None, Side | None]:
    """What is at the live and at the staged path of an op; None for nothing."""
    with live_side(volumes, op) as (fd, name):
        live = _side(name, fd)
    return live, _side(staged_name(volumes, op.volume, op.path), volumes.own_fds[op.volume])


def exchange(volumes: Volumes, op: Op) -> None:
    """Swap the live and the staged path of an op."""
    with live_side(volumes, op) as (fd, name):
        staged = staged_name(volumes, op.volume, op.path)
        kernel.exchange(staged, name, first_dir_fd=volumes.own_fds[op.volume], second_dir_fd=fd)


def set_mark(volumes: Volumes, op: Op, mark: str) -> None:
    """Mark the staged side of an op as the one that becomes live."""
    staged = staged_name(volumes, op.volume, op.path)
    os.setxattr(f"/proc/self/fd/{volumes.own_fds[op.volume]}/{staged}", MARK, mark.encode(), follow_symlinks=False)


def clear_marks(volumes: Volumes, op: Op) -> None:
    """Take the mark off whichever side of an op has it."""
    with live_side(volumes, op) as (fd, name):
        for place in (
            f"/proc/self/fd/{fd}/{name}",
            f"/proc/self/fd/{volumes.own_fds[op.volume]}/{staged_name(volumes, op.volume, op.path)}",
        ):
            try:
                os.removexattr(place, MARK, follow_symlinks=False)
            except OSError as error:
                if error.errno not in (errno.ENODATA, errno.ENOENT, errno.ENOTSUP):
                    raise


def new_placeholder(volumes: Volumes, volume: str) -> None:
    """Make the volume's placeholder: one empty file that stands, linked, wherever an op lacks a side."""
    own_fd = volumes.own_fds[volume]
    discard(_PLACEHOLDER, dir_fd=own_fd)
    os.close(os.open(_PLACEHOLDER, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0, dir_fd=own_fd))


def placeholder_identity(volumes: Volumes, volume: str) -> Identity:
    """Which inode the volume's placeholder is."""
    return _identity(_PLACEHOLDER, volumes.own_fds[volume])


def make_staged(volumes: Volumes, volume: str) -> None:
    """Make the volume's staging directory, so that the end of a commit finds one everywhere."""
    with suppress(FileExistsError):
        os.mkdir(STAGED, 0o700, dir_fd=volumes.own_fds[volume])


def prepared_at_ns(volumes: Volumes, volume: str) -> int:
    """When the volume's placeholder was made, by the kernel's clock: what is staged is older, what a commit meets is younger."""
    return os.stat(_PLACEHOLDER, dir_fd=volumes.own_fds[volume], follow_symlinks=False).st_mtime_ns


def place_staged(volumes: Volumes, op: Op) -> None:
    """Put the placeholder at the staged path, making the directories above it."""
    own_fd = volumes.own_fds[op.volume]
    for directory in ancestors_of(op.path):
        if len(directory) >= len(op.volume):
            inside = volumes.inside(op.volume, directory) if directory != op.volume else ""
            with suppress(FileExistsError):
                os.mkdir(f"{STAGED}/{inside}".rstrip("/"), 0o700, dir_fd=own_fd)
    staged = staged_name(volumes, op.volume, op.path)
    with suppress(FileNotFoundError):
        os.unlink(staged, dir_fd=own_fd)  # of an earlier commit: a placeholder, never a directory
    os.link(_PLACEHOLDER, staged, src_dir_fd=own_fd, dst_dir_fd=own_fd, follow_symlinks=False)


def place_live(volumes: Volumes, op: Op) -> None:
    """Put the placeholder at the live path; one that is there already is fine."""
    with live_side(volumes, op) as (fd, name):
        try:
            os.link(_PLACEHOLDER, name, src_dir_fd=volumes.own_fds[op.volume], dst_dir_fd=fd, follow_symlinks=False)
        except FileExistsError:
            if _identity(name, fd) != placeholder_identity(volumes, op.volume):
                raise


def clear_live_placeholder(volumes: Volumes, op: Op) -> None:
    """Remove the placeholder from the live path, and nothing else that may be there."""
    with live_side(volumes, op) as (fd, name):
        try:
            if _identity(name, fd) == placeholder_identity(volumes, op.volume):
                os.unlink(name, dir_fd=fd)
        except FileNotFoundError:
            pass


def _side(name: str, dir_fd: int) -> Side | None:
    try:
        identity = _identity(name, dir_fd)
    except FileNotFoundError:
        return None
    try:
        mark = os.getxattr(f"/proc/self/fd/{dir_fd}/{name}", MARK, follow_symlinks=False).decode(errors="replace")
    except OSError:
        mark = ""
    return Side(identity, mark)


def _identity(name: str, dir_fd: int) -> Identity:
    status = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    return Identity(status.st_ino, kernel.birth_time_ns(name, dir_fd=dir_fd))
