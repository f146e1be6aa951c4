"""The pool of a store: every different file of all trees once more under the name of its content and metadata.

The pool is what makes deduplication over the whole store cheap and its index impossible to be stale: the index *is*
the hard links. An object that only the pool has (one link) is garbage, and `sweep` takes it.
"""

import errno
import os
from contextlib import suppress
from pathlib import Path

from reprov.adapters import kernel
from reprov.adapters.files import opened_directory, read_entry
from reprov.domain.dedup import object_key
from reprov.domain.entry import Entry, Kind
from reprov.domain.store_layout import POOL, TEMPORARY_PREFIX, object_path

_CANNOT_LINK = (errno.ENOENT, errno.EMLINK, errno.EXDEV, errno.EPERM)  # EPERM: chattr +i, or a filesystem without hard links


class Pool:
    """The pool of the store whose directory is open at `store_fd`."""

    def __init__(self, store_fd: int) -> None:
        self._store_fd = store_fd
        self._can_clone = True
        self._named: dict[str, dict[str, str]] = {}

    def give(self, key: str, entry: Entry, *, dir_fd: int) -> bool:
        """Link the object to the entry's path below `dir_fd`; False when there is none, it is full (EMLINK) or was altered.

        Only lstat and attributes are compared: an altered file shows there, a rotten disk in `releases --check`.
        """
        name = object_path(key)
        try:
            status = os.stat(name, dir_fd=self._store_fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        found = read_entry(entry.path, status, name, dir_fd=self._store_fd, digest=entry.digest)
        if found.kind is not Kind.FILE or object_key(found) != key:
            return False
        return link(name, entry.path, from_fd=self._store_fd, to_fd=dir_fd)

    def object_to_clone(self, digest: str) -> str | None:
        """Some object of that content, whatever its metadata; None when there is none or the filesystem cannot share blocks."""
        if not self._can_clone:
            return None
        folder, rest = object_path(digest).rsplit("/", 1)
        if folder not in self._named:
            self._named[folder] = {}
            with suppress(FileNotFoundError), opened_directory(folder, dir_fd=self._store_fd) as fd:
                self._named[folder] = {name.partition(".")[0]: f"{folder}/{name}" for name in os.listdir(fd)}
        return self._named[folder].get(rest)

    def clone(self, name: str, write_fd: int) -> bool:
        """Make an empty file share the blocks of an object, of which the caller checks the content; False when that is impossible."""
        read_fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=self._store_fd)
        try:
            kernel.clone(read_fd, write_fd)
        except OSError:  # a filesystem without shared blocks: not asked again
            self._can_clone = False
        finally:
            os.close(read_fd)
        return self._can_clone

    def take(self, key: str, path: str, *, dir_fd: int) -> None:
        """Make the file at `path` below `dir_fd` the object of that key, instead of one that was full or altered."""
        name = object_path(key)
        with suppress(FileExistsError):
            os.mkdir(f"{POOL}/{key[:2]}", 0o700, dir_fd=self._store_fd)
        temporary = f"{POOL}/{TEMPORARY_PREFIX}object"
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=self._store_fd)
        if link(path, temporary, from_fd=dir_fd, to_fd=self._store_fd):
            os.rename(temporary, name, src_dir_fd=self._store_fd, dst_dir_fd=self._store_fd)


def link(source: str, target: str, *, from_fd: int, to_fd: int) -> bool:
    """One more name for a file; False when the source is missing or the filesystem cannot."""
    try:
        os.link(source, target, src_dir_fd=from_fd, dst_dir_fd=to_fd, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _CANNOT_LINK:
            raise
        return False
    return True


def sweep(store: Path) -> int:
    """Remove the objects that no tree has any more; returns the bytes freed. The caller holds the store's lock."""
    freed_bytes = 0
    with opened_directory(store / POOL) as pool_fd, os.scandir(pool_fd) as folders:
        for folder in folders:
            if not folder.is_dir(follow_symlinks=False):
                continue
            with opened_directory(folder.name, dir_fd=pool_fd) as folder_fd, os.scandir(folder_fd) as found:
                for item in found:
                    status = os.stat(item.name, dir_fd=folder_fd, follow_symlinks=False)
                    if status.st_nlink == 1:
                        os.unlink(item.name, dir_fd=folder_fd)
                        freed_bytes += status.st_blocks * 512
    return freed_bytes
