"""Carrying out settlements: what is taken over is made in reprov's own directory first, then put in its place by one rename.

A power cut leaves a path as it was, or with the release's content and the `.reprov-new` still beside it, or settled.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from reprov.adapters import kernel
from reprov.adapters.discard import discard
from reprov.adapters.files import apply_metadata, copy_content, digest_of, opened_directory
from reprov.adapters.volumes import Volumes, opened_volumes
from reprov.domain.conflicts import Settlement
from reprov.domain.entry import Entry, Kind, ancestors_of, parent_of, show
from reprov.errors import Refused, ReprovError

SETTLING: Final = "settling"
"""In `.reprov` of a volume: what is about to be put in its place. What a killed run left there, the next one removes."""
_LABEL = "security.selinux"


class Settling:
    """Settlements that are being carried out: `make` may fail and changes nothing, `place` needs no space any more."""

    def __init__(self, settlements: Sequence[Settlement], volume_of: Mapping[str, str], volumes: Volumes) -> None:
        """`volume_of` is the volume of every path that a settlement makes."""
        self._volumes = volumes
        self._made = [
            (settlement.entry, settlement.remove, volumes.own_fds[volume_of[settlement.entry.path]], f"{SETTLING}/{number}")
            for number, settlement in enumerate(settlements)
            if settlement.entry
        ]
        self._removed = [settlement.remove for settlement in settlements]

    def make(self) -> None:
        """Make everything that is taken over, with its metadata, on its filesystem's disk.

        Raises `ReprovError` when it is no longer what was decided about.
        """
        for entry, new, own_fd, staged in self._made:
            with self._opened_holder(new) as source_fd, self._opened_holder(entry.path) as holder_fd:
                place, source = _Place(_name_of(entry.path), holder_fd), _Place(_name_of(new), source_fd)
                _make(entry, source, place, staged, own_fd)

    def place(self) -> None:
        """Put what was made in the place of the node's, then remove the `.reprov-new` files."""
        for entry, _, own_fd, staged in self._made:
            with self._opened_holder(entry.path) as holder_fd:
                os.rename(staged, _name_of(entry.path), src_dir_fd=own_fd, dst_dir_fd=holder_fd)
                os.fsync(holder_fd)
        for new in self._removed:
            with self._opened_holder(new) as holder_fd:
                os.unlink(_name_of(new), dir_fd=holder_fd)
                os.fsync(holder_fd)

    @contextmanager
    def _opened_holder(self, path: str) -> Iterator[int]:
        try:
            holder_fd = self._volumes.holder_of(path)
        except OSError as error:
            raise Refused(f"{show(parent_of(path))} cannot be entered: {error.strerror}", hint="make it, or take ours") from None
        try:
            yield holder_fd
        finally:
            os.close(holder_fd)


@contextmanager
def settling(root: Path, settlements: Sequence[Settlement]) -> Iterator[Settling]:
    """The settlements of a node, ready to be carried out; what was made and not placed is removed at the end."""
    with opened_directory(root) as root_fd:
        paths = [settlement.entry.path if settlement.entry else settlement.remove for settlement in settlements]
        volume_of = {path: _volume_holding(path, root_fd) for path in paths}
    with opened_volumes(root, set(volume_of.values())) as volumes:
        own_fds = volumes.own_fds.values()
        for own_fd in own_fds:
            discard(SETTLING, dir_fd=own_fd)
            os.mkdir(SETTLING, 0o700, dir_fd=own_fd)
        try:
            yield Settling(settlements, volume_of, volumes)
        finally:
            for own_fd in own_fds:
                discard(SETTLING, dir_fd=own_fd)


def _volume_holding(path: str, root_fd: int) -> str:
    """The directory at the top of the filesystem that holds a path; subvolumes of btrfs, which nobody need have mounted, are one each."""
    volume, device = "", os.fstat(root_fd).st_dev
    for directory in ancestors_of(path)[1:]:
        with suppress(FileNotFoundError, NotADirectoryError):  # whoever puts something into it finds out
            found = os.stat(directory, dir_fd=root_fd, follow_symlinks=False).st_dev
            if found != device:
                volume, device = directory, found
    return volume


class _Place(NamedTuple):
    name: str
    dir_fd: int


def _make(entry: Entry, source: _Place, place: _Place, staged: str, own_fd: int) -> None:
    """Make the entry that is to be at `place` out of the `.reprov-new` that is `source`."""
    if entry.kind is Kind.LINK:
        os.symlink(entry.target, staged, dir_fd=own_fd)
        _dress(entry, source, place, staged, own_fd)
        return
    read_fd = kernel.open_beneath(source.name, os.O_RDONLY, dir_fd=source.dir_fd)
    try:
        write_fd = os.open(staged, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=own_fd)
        try:
            copy_content(read_fd, write_fd)
            os.lseek(write_fd, 0, os.SEEK_SET)
            if digest_of(write_fd) != entry.digest:
                raise ReprovError(f"the release's {show(entry.path)} changed while it was taken", hint="run it again")
            _dress(entry, source, place, staged, own_fd)
            os.fsync(write_fd)
        finally:
            os.close(write_fd)
    finally:
        os.close(read_fd)


def _dress(entry: Entry, source: _Place, place: _Place, staged: str, own_fd: int) -> None:
    """Give what was made its metadata, and the SELinux label that its place has: that of the node's, or of the `.reprov-new` beside it."""
    apply_metadata(entry, staged, dir_fd=own_fd)
    for name, holder_fd in (place, source):
        with suppress(OSError):  # there is no such path, no label or no SELinux
            label = os.getxattr(f"/proc/self/fd/{holder_fd}/{name}", _LABEL, follow_symlinks=False)
            os.setxattr(f"/proc/self/fd/{own_fd}/{staged}", _LABEL, label, follow_symlinks=False)
            return


def _name_of(path: str) -> str:
    return path.rpartition("/")[2]
