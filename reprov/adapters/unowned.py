"""Walking a live root for what no package owns; nothing is read but names and lstat."""

import os
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress

from reprov.adapters import kernel
from reprov.adapters.files import opened_directory
from reprov.domain.entry import parent_of
from reprov.domain.learn import Extent, Found, Managed, is_classed
from reprov.domain.made_by_packages import made_by_packages
from reprov.domain.ownership import Owner, Ownership
from reprov.events import Progress

NOT_ENTERED = frozenset(("proc", "sys", "dev", "run", "tmp", "lost+found", ".reprov"))
"""At the top of a root: the running system's and reprov's own."""

_FRAME = frozenset(("boot", "etc", "home", "media", "mnt", "opt", "root", "srv", "usr", "usr/local", "var", "var/lib", "var/log"))
"""Directories that every root has, in a package or not: looked into, never proposed as a whole."""

_CONTENT = (stat.S_IFREG, stat.S_IFLNK)


class Walker:
    """Walks one root and remembers what it found, what it did not enter and what it could not read."""

    def __init__(
        self,
        root_fd: int,
        held: Collection[str],
        lists: Ownership,
        *,
        fences: Collection[str],
        volumes: Collection[str],
        measure_classed: bool,
        progress: Progress,
    ) -> None:
        """`held` are the paths of packages, `fences` the mount points that are not entered, `volumes` those that are."""
        self._root_fd = root_fd
        self._held = held
        self._lists = lists
        self._fences = fences
        self._volumes = volumes
        self._measure_classed = measure_classed
        self._progress = progress
        self._counted: set[tuple[int, int]] = set()
        self.found: list[Found] = []
        self.subvolumes: list[str] = []
        """Directories on another filesystem without a mount of their own; not entered."""
        self.unreadable: list[str] = []

    def walk(self) -> None:
        """Fill `found` with the highest paths that no package owns."""
        self._visit(self._root_fd, "", os.fstat(self._root_fd).st_dev)

    def look(self, path: str) -> Managed | None:
        """What is at one path, whoever owns it; None when it is not there, behind a link, or not content."""
        try:
            status = os.stat(path, dir_fd=self._root_fd, follow_symlinks=False)
            is_dir = stat.S_ISDIR(status.st_mode)
            if not is_dir and stat.S_IFMT(status.st_mode) not in _CONTENT:
                return None
            extent = Extent()
            if self._measure_classed or not is_classed(self._lists.of(path, is_dir=is_dir)):
                with _beneath(parent_of(path), self._root_fd) as fd:
                    extent = self._extent(fd, path.rpartition("/")[2], path, status, status.st_dev, everything=True)
        except OSError:
            return None
        return Managed(path, is_dir, extent)

    def _visit(self, dir_fd: int, prefix: str, device: int) -> None:
        """Look at a directory that packages own: what they own in it is entered, the rest is found."""
        deeper: list[tuple[str, str]] = []
        for item in self._list(dir_fd, prefix):
            path = prefix + item.name
            if path in self._fences or (not prefix and item.name in NOT_ENTERED):
                continue
            if path in self._held or path in _FRAME:
                # Everything of a package is skipped without a system call, which is nearly all of a node.
                if item.is_dir(follow_symlinks=False) and self._lists.of(path, is_dir=True).owner is not Owner.KEEP:
                    deeper.append((item.name, path))
                continue
            with suppress(FileNotFoundError):
                self._judge(dir_fd, item, path, device)
        for name, path in deeper:
            try:
                with opened_directory(name, dir_fd=dir_fd) as fd:
                    own_device = os.fstat(fd).st_dev
                    if own_device != device and path not in self._volumes:
                        self.subvolumes.append(path)
                    else:
                        self._visit(fd, path + "/", own_device)
            except PermissionError:
                self.unreadable.append(path)
            except (FileNotFoundError, NotADirectoryError):
                continue  # gone, or another thing, since it was listed

    def _judge(self, dir_fd: int, item: "os.DirEntry[str]", path: str, device: int) -> None:
        status = item.stat(follow_symlinks=False)
        is_dir = stat.S_ISDIR(status.st_mode)
        if not is_dir and stat.S_IFMT(status.st_mode) not in _CONTENT:
            return  # devices and sockets are the node's without a rule
        if is_dir and status.st_dev != device and path not in self._volumes:
            self.subvolumes.append(path)
            return
        verdict = self._lists.of(path, is_dir=is_dir)
        target = os.readlink(item.name, dir_fd=dir_fd) if stat.S_ISLNK(status.st_mode) else ""
        classed = is_classed(verdict)
        made = None if classed else made_by_packages(path, is_dir=is_dir, target=target)
        extent, seen = Extent(), len(self.unreadable)
        if not classed or self._measure_classed:
            extent = self._extent(dir_fd, item.name, path, status, status.st_dev, everything=classed or made is not None)
        hidden = len(self.unreadable) > seen  # what is in it is not known to be nothing
        if classed or made or extent.files or hidden:
            self.found.append(Found(path, is_dir, extent, verdict, made))

    def _extent(self, dir_fd: int, name: str, path: str, status: os.stat_result, device: int, *, everything: bool) -> Extent:
        """The sum of what is at a path; without `everything`, of what no list names and packages did not make."""
        if not stat.S_ISDIR(status.st_mode):
            if status.st_nlink > 1:
                if (status.st_dev, status.st_ino) in self._counted:
                    return Extent(1, 0, status.st_mtime_ns)
                self._counted.add((status.st_dev, status.st_ino))
            return Extent(1, status.st_size, status.st_mtime_ns)
        extent = Extent()
        try:
            with opened_directory(name, dir_fd=dir_fd) as fd:
                for item in self._list(fd, path + "/"):
                    inner = f"{path}/{item.name}"
                    with suppress(FileNotFoundError):
                        inner_status = item.stat(follow_symlinks=False)
                        if inner in self._fences or inner_status.st_dev != device:
                            continue
                        if not everything and self._is_known(inner, inner_status):
                            continue
                        extent = extent.plus(self._extent(fd, item.name, inner, inner_status, device, everything=everything))
        except PermissionError:
            self.unreadable.append(path)
        except (FileNotFoundError, NotADirectoryError):
            return extent
        return extent

    def _is_known(self, path: str, status: os.stat_result) -> bool:
        is_dir = stat.S_ISDIR(status.st_mode)
        return is_classed(self._lists.of(path, is_dir=is_dir)) or made_by_packages(path, is_dir=is_dir, target="") is not None

    def _list(self, dir_fd: int, prefix: str) -> "list[os.DirEntry[str]]":
        with os.scandir(dir_fd) as found:
            items = sorted(found, key=lambda item: item.name)
        self._progress.advance(files=len(items))
        return items


@contextmanager
def _beneath(path: str, root_fd: int) -> Iterator[int]:
    fd = kernel.open_beneath(path, os.O_RDONLY | os.O_DIRECTORY, dir_fd=root_fd)
    try:
        yield fd
    finally:
        os.close(fd)
