"""Has anybody written into what release and node share, after the last look at it? Asked around the exchanges of a commit."""

import os
import stat
from collections.abc import Callable, Iterable
from typing import NamedTuple

from reprov.adapters.exchange import staged_name
from reprov.adapters.volumes import Volumes
from reprov.domain.account_files import ACCOUNT_PATHS
from reprov.domain.entry import Entry, Kind, ancestors_of, show
from reprov.domain.ownership import Owner, Ownership
from reprov.domain.scan import Scan
from reprov.domain.units import Op, OpKind
from reprov.errors import ReprovError


class _Known(NamedTuple):
    """A shared path of the tree that leaves, as it was when it was last looked at."""

    volume: str
    entry: Entry
    inode: int


class EditCheck:
    """Knows the shared paths below what is to be exchanged. What is the node's alone is brought over, and needs no such question."""

    def __init__(self, volumes: Volumes, scan: Scan, ownership: Ownership, ops: Iterable[Op]) -> None:
        leaving = {op.path for op in ops if op.kind in (OpKind.SWAP, OpKind.REMOVE)}
        self._volumes = volumes
        self._known = [
            _Known(scan.volume_of(path), entry, scan.signatures[path].inode)
            for path, entry in scan.entries.items()
            if entry.kind is not Kind.DIR
            and path not in scan.verdicts
            and path not in scan.fenced
            and (ownership.of(path, is_dir=False).owner is Owner.MERGE or path in ACCOUNT_PATHS)
            and not leaving.isdisjoint((path, *ancestors_of(path)))
        ]

    def before(self) -> None:
        """Raise `ReprovError` for a live path that is not what it was."""
        for item in self._known:
            if not _is_same(item, item.entry.path, self._volumes.root_fd):
                raise ReprovError(
                    f"{show(item.entry.path)} changed since the plan was made", hint="something else is changing this node; run it again"
                )

    def after(self) -> None:
        """Raise `ReprovError` for a path of the tree that has left that is not what it was: the exchanges are then undone."""
        for item in self._known:
            path = item.entry.path
            if not _is_same(item, staged_name(self._volumes, item.volume, path), self._volumes.own_fds[item.volume]):
                raise ReprovError(f"{show(path)} was changed during the commit; it was undone", hint="run it again")


def both(first: Callable[[], None], second: Callable[[], None]) -> Callable[[], None]:
    """One check after the other."""

    def check() -> None:
        first()
        second()

    return check


def _is_same(known: _Known, name: str, dir_fd: int) -> bool:
    """Not by its ctime: an exchange moves that of what is exchanged, and a second name that of a file."""
    try:
        status = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    entry = known.entry
    of_file = entry.kind is not Kind.FILE or (status.st_size, status.st_mtime_ns) == (entry.size, entry.mtime_ns)
    looks = entry.kind is Kind.LINK or (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (entry.mode, entry.uid, entry.gid)
    return status.st_ino == known.inode and of_file and looks
