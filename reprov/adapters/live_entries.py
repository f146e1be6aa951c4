"""A live tree as a mapping of entries, each of which is looked up when somebody asks."""

import os
import stat
from collections.abc import Iterator, Mapping

from reprov.adapters.files import kind_of, walk
from reprov.domain.entry import Entry, Kind


class LiveEntries(Mapping[str, Entry]):
    """The entries of the tree that is open at `root_fd`, as lstat gives them: without digests and extended attributes.

    For questions about a few places of a large tree. What cannot be looked at is not there. Directories and links are
    remembered, since they lie on the way to everything else.
    """

    def __init__(self, root_fd: int) -> None:
        self._root_fd = root_fd
        self._known: dict[str, Entry | None] = {}

    def __getitem__(self, path: str) -> Entry:
        """The entry of a path whose directory is reached through no link."""
        if path in self._known:
            entry = self._known[path]
        else:
            entry = self._look(path)
            if entry is None or entry.kind in (Kind.DIR, Kind.LINK):
                self._known[path] = entry
        if entry is None:
            raise KeyError(path)
        return entry

    def __iter__(self) -> Iterator[str]:
        """Every path; walks the whole tree."""
        return (path for path, _, _, _ in walk(self._root_fd))

    def __len__(self) -> int:
        """How many paths there are; walks the whole tree."""
        return sum(1 for _ in self)

    def _look(self, path: str) -> Entry | None:
        try:
            status = os.stat(path or ".", dir_fd=self._root_fd, follow_symlinks=False)
            kind = kind_of(status)
            target = os.readlink(path, dir_fd=self._root_fd) if kind is Kind.LINK else ""
        except OSError:
            return None
        size = status.st_size if kind is Kind.FILE else 0
        return Entry(path, kind, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, status.st_mtime_ns, size, target=target)
