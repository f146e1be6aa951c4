"""What the processes of a live node hold of trees that are about to be exchanged. What ends while we look is left out."""

import os
import re
import stat
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from reprov.adapters.process_view import Process, process, processes
from reprov.domain.cgroups import Home, HomeKind
from reprov.domain.entry import ancestors_of
from reprov.domain.guards import Use, UseKind
from reprov.domain.mount_view import Mounted, MountView, Place

_DELETED = " (deleted)"
_SOCKET = "socket:["
# address perms offset device inode path: shared and writable
_SHARED = re.compile(rb"^\S+ .w.s \S+ \S+ [1-9]\d* +(/.*)$", re.MULTILINE)
_UNIX_FIELDS = 8


def uses_in(swapped: Collection[str]) -> Iterator[Use]:
    """Everything that a process but this one holds of these paths and of what is below them: `guards` judges it.

    A mount is given once for each unit that has processes in its namespace.
    """
    finder = _Finder(swapped)
    if finder.tops:
        yield from finder.find()


class _Finder:
    """One look at every process."""

    def __init__(self, swapped: Collection[str]) -> None:
        self._swapped = {path for path in swapped if path}
        self.tops = {path.partition("/")[0] for path in self._swapped}
        init = process(1)
        try:
            self._init, self._init_namespace = init.view(), init.link("ns/mnt")
        finally:
            os.close(init.fd)
        self._common = frozenset(self._init.mounts)
        self._views = {self._init_namespace: self._init}
        self._devices = {place[0] for path in self._swapped if (place := self._init.place_of(f"/{path}"))}
        self._told: set[tuple[str, Home]] = set()
        self._networks: dict[str, bytes] = {}
        self._sockets: dict[str, tuple[int, str]] = {}
        """Whose it is, and the mount namespace of that one, by inode."""

    def find(self) -> Iterator[Use]:
        yield from self._binds(self._init, frozenset(), 1, "PID 1", Home(HomeKind.INIT))
        for found in processes():
            if found.pid != os.getpid():
                with suppress(OSError):
                    yield from self._of_process(found)
        for table in self._networks.values():
            yield from self._of_sockets(table)

    def _of_process(self, found: Process) -> Iterator[Use]:
        namespace, network = found.link("ns/mnt"), found.link("ns/net")
        if network not in self._networks:
            self._networks[network] = found.read("net/unix")
        if namespace not in self._views:
            self._views[namespace] = found.view()
        if namespace != self._init_namespace:
            view, name, home = self._views[namespace], found.name, found.home
            if (namespace, home) not in self._told:
                self._told.add((namespace, home))
                yield from self._mounts(view, found.pid, name, home)
                yield from self._binds(view, self._common, found.pid, name, home)
        for number in found.names("fd"):
            try:
                target = found.link(f"fd/{number}")
            except OSError:
                continue  # it was closed while we looked
            if target.startswith(_SOCKET):
                self._sockets.setdefault(target[len(_SOCKET) : -1], (found.pid, namespace))
                continue
            for path in self._seen(target, namespace):
                if kind := _how_open(found, number):
                    yield Use(kind, path, found.pid, found.name, found.home)
        for match in {*_SHARED.findall(found.read("maps"))}:
            for path in self._seen(os.fsdecode(match), namespace):
                yield Use(UseKind.MAPS, path, found.pid, found.name, found.home)

    def _mounts(self, view: MountView, pid: int, name: str, home: Home) -> Iterator[Use]:
        """What a namespace that has the node's root for its own has mounted in these trees; a container's /usr is another one."""
        if view.place_of("") == self._init.place_of(""):
            for mount in view.mounts:
                if mount not in self._common and self._holds(mount.point[1:]):
                    yield Use(UseKind.MOUNT, mount.point[1:], pid, name, home, is_directory=True)

    def _binds(self, view: MountView, known: frozenset[Mounted], pid: int, name: str, home: Home) -> Iterator[Use]:
        """What of these trees a namespace has mounted elsewhere; on itself, as sandboxes do to make it read-only, is told as a mount."""
        for mount in view.mounts:
            if mount not in known:
                where = mount.point or "/"
                for path in self._node_paths((mount.device, mount.inside)):
                    if path != mount.point[1:]:
                        yield Use(UseKind.BIND, path, pid, name, home, Path("/", path).is_dir(), where)
                for layer in mount.layers:
                    if self._holds(layer[1:]):
                        yield Use(UseKind.BIND, layer[1:], pid, name, home, is_directory=True, where=where)

    def _of_sockets(self, table: bytes) -> Iterator[Use]:
        for line in table.split(b"\n")[1:]:
            fields = line.split(None, _UNIX_FIELDS - 1)
            if len(fields) == _UNIX_FIELDS and fields[-1].startswith(b"/"):
                pid, namespace = self._sockets.get(fields[-2].decode(), (0, self._init_namespace))
                for path in self._seen(os.fsdecode(fields[-1]), namespace):
                    with suppress(OSError):
                        if stat.S_ISSOCK(Path("/", path).lstat().st_mode):
                            yield Use(UseKind.SOCKET, path, pid, *_who(pid))

    def _seen(self, target: str, namespace: str) -> list[str]:
        """The paths in these trees that a process means by an absolute one."""
        if not target.startswith("/") or target.endswith(_DELETED):
            return []
        if namespace == self._init_namespace:
            return [target[1:]] if self._holds(target[1:]) else []
        place = self._views[namespace].place_of(target)
        return self._node_paths(place) if place else []

    def _node_paths(self, place: Place) -> list[str]:
        if place[0] not in self._devices:
            return []
        return [path[1:] for path in self._init.paths_of(place) if self._holds(path[1:])]

    def _holds(self, path: str) -> bool:
        if path.partition("/")[0] not in self.tops:
            return False
        return path in self._swapped or not self._swapped.isdisjoint(ancestors_of(path))


def _who(pid: int) -> tuple[str, Home]:
    if pid:
        with suppress(OSError):
            found = process(pid)
            try:
                return found.name, found.home
            finally:
                os.close(found.fd)
    return "nobody that can be seen", Home(HomeKind.OTHER)


def _how_open(found: Process, number: str) -> UseKind | None:
    """What speaks against a descriptor: that it is a FIFO, or that it can write into a file (proc(5): the link's own mode says so)."""
    try:
        can_write = os.lstat(f"fd/{number}", dir_fd=found.fd).st_mode & stat.S_IWUSR
        mode = os.stat(f"fd/{number}", dir_fd=found.fd).st_mode
    except OSError:
        return None  # it was closed while we looked
    if stat.S_ISFIFO(mode):
        return UseKind.FIFO
    return UseKind.WRITES if can_write and stat.S_ISREG(mode) else None
