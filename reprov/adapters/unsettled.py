"""Finding what upgrades laid beside the node's own: nothing is entered but what leads to merged paths, nothing else is read."""

import errno
import os
import stat
from collections.abc import Collection, Mapping

from reprov.adapters import kernel
from reprov.adapters.files import digest_at, opened_directory, read_entry
from reprov.domain.account_files import ACCOUNT_PATHS
from reprov.domain.beside import original_of
from reprov.domain.entry import Entry, Kind, ancestors_of, parent_of
from reprov.domain.ownership import Owner, Ownership


def read_unsettled(root_fd: int, installed: Mapping[str, Entry], ownership: Ownership, fences: Collection[str]) -> dict[str, Entry]:
    """Every `.reprov-new` beside a merged path and what is at that path, both with digests.

    `installed` are the paths of the installed release and `ownership` its lists; what is mounted at `fences` is not entered.
    """
    walk = _Walk(root_fd, _holders_of_merged(installed, ownership), ownership, fences)
    walk.visit(root_fd, "")
    return walk.found


def read_content(entry: Entry, limit_bytes: int, *, root_fd: int) -> bytes | None:
    """The content of a file of the tree; None for one that is longer than the limit."""
    fd = kernel.open_beneath(entry.path, os.O_RDONLY, dir_fd=root_fd)
    with os.fdopen(fd, "rb") as opened:
        content = opened.read(limit_bytes + 1)
    return content if len(content) <= limit_bytes else None


def _holders_of_merged(installed: Mapping[str, Entry], ownership: Ownership) -> frozenset[str]:
    """The directories of a release on the way to a merged path of it."""
    parents = {
        parent_of(path) for path, entry in installed.items() if ownership.of(path, is_dir=entry.kind is Kind.DIR).owner is Owner.MERGE
    }
    return frozenset(parents | {above for parent in parents for above in ancestors_of(parent)})


class _Walk:
    """What one look at a tree has found."""

    def __init__(self, root_fd: int, holders: Collection[str], ownership: Ownership, fences: Collection[str]) -> None:
        self._root_fd = root_fd
        self._holders = holders
        self._ownership = ownership
        self._fences = fences
        self.found: dict[str, Entry] = {}

    def visit(self, dir_fd: int, prefix: str) -> None:
        with os.scandir(dir_fd) as found:
            items = [(item.name, item.is_dir(follow_symlinks=False)) for item in found]
        for name, is_dir in items:
            path = prefix + name
            if is_dir:
                if path not in self._fences and self._leads_on(path):
                    with opened_directory(name, dir_fd=dir_fd) as fd:
                        self.visit(fd, path + "/")
            elif (original := original_of(path)) and self._is_merged(original):
                self._read(path)
                self._read(original)

    def _leads_on(self, directory: str) -> bool:
        return directory in self._holders or self._ownership.of(directory, is_dir=True).owner is Owner.MERGE

    def _is_merged(self, path: str) -> bool:
        # A rule for directories also holds for what lies in the place of one, as in a merge.
        merged = any(self._ownership.of(path, is_dir=is_dir).owner is Owner.MERGE for is_dir in (False, True))
        return merged and path not in ACCOUNT_PATHS and not any(above in self._fences for above in ancestors_of(path))

    def _read(self, path: str) -> None:
        name = path.rpartition("/")[2]
        try:
            holder_fd = kernel.open_beneath(parent_of(path), os.O_RDONLY | os.O_DIRECTORY, dir_fd=self._root_fd)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return  # no such directory any more, so no original
            raise
        try:
            status = os.stat(name, dir_fd=holder_fd, follow_symlinks=False)
            digest = digest_at(name, dir_fd=holder_fd) if stat.S_ISREG(status.st_mode) else ""
            self.found[path] = read_entry(path, status, name, dir_fd=holder_fd, digest=digest)
        except FileNotFoundError:
            pass  # the original may be gone, and either may go while we look
        finally:
            os.close(holder_fd)
