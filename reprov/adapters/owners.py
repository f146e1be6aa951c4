"""Looking for the files of some ids in what is the node's, which may be millions, and anybody's: users write there meanwhile."""

import errno
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final

from reprov.adapters import kernel
from reprov.adapters.survey import OWN_DIRECTORY
from reprov.domain.acl import ACL_NAMES
from reprov.domain.entry import Xattrs, parent_of
from reprov.domain.filesystems import has_lasting_owners, why_not_ours
from reprov.domain.mounts import Mount
from reprov.domain.owner_change import FoundFiles, Ids, Owned, Privileges, Unseen, WantedIds
from reprov.domain.staying import Staying
from reprov.events import Progress

CAPABILITY: Final = "security.capability"
_SET_IDS = stat.S_ISUID | stat.S_ISGID
# Their files carry the ids of the accounts inside; a layer of an image does not look like a root by itself.
_CONTAINERS = frozenset(f"var/lib/{name}" for name in ("containerd", "containers", "docker", "incus", "kubelet", "lxd"))
_OS_RELEASE = {"etc": "etc/os-release", "usr": "usr/lib/os-release"}
_LONGEST_PATH_BYTES = 4000


def find_owned(root_fd: int, staying: Staying, mounts: Iterable[Mount], wanted: WantedIds, progress: Progress | None = None) -> FoundFiles:
    """Every file of these ids in what stays, and every one whose access lists name them; a hard-linked file once.

    Mounts below are looked into, but those of the kernel and of the boot; those that others share or that show what lies
    elsewhere, roots of other systems and containers are named in the answer. Symlinks are files; none is followed.
    """
    search = _Search(root_fd, staying, mounts, wanted, progress)
    for path in staying.tops:
        search.top(path)
    search.run()
    return FoundFiles(tuple(sorted(search.owned)), tuple(sorted(search.unseen)))


class _Search:
    """The state of one search: a stack of directories, because users may nest them deeper than Python can recurse."""

    def __init__(self, root_fd: int, staying: Staying, mounts: Iterable[Mount], wanted: WantedIds, progress: Progress | None) -> None:
        self.root_fd = root_fd
        self.wanted = wanted
        self.progress = progress
        self.owned: list[Owned] = []
        self.unseen: list[Unseen] = []
        self._mounts: dict[str, dict[str, Mount]] = {}
        for mount in mounts:
            if mount.path:
                self._mounts.setdefault(parent_of(mount.path), {})[_name_of(mount.path)] = mount
        self._left_out: dict[str, set[str]] = {}
        for path in staying.left_out:
            self._left_out.setdefault(parent_of(path), set()).add(_name_of(path))
        self._seen: set[tuple[int, int]] = set()
        self._directories: list[str] = []
        self._read_only: list[str] = []  # last, because what is mounted here read-only may be writable elsewhere

    def top(self, path: str) -> None:
        """Look at one path, and remember to look into it."""
        with suppress(FileNotFoundError), opened_far(parent_of(path), os.O_RDONLY | os.O_DIRECTORY, self.root_fd) as dir_fd:
            name = _name_of(path) or "."
            place = _Place(parent_of(path), dir_fd, os.fstat(dir_fd).st_dev, self._mounts.get(parent_of(path), {}), read_only=False)
            self._look(place, path, name, os.stat(name, dir_fd=dir_fd, follow_symlinks=False))

    def run(self) -> None:
        """Look into every directory that is remembered, and into those in them."""
        while self._directories or self._read_only:
            read_only = not self._directories
            path = (self._directories or self._read_only).pop()
            # Gone, or a link by now: as if it had been so before.
            with suppress(FileNotFoundError), opened_far(path, os.O_RDONLY | os.O_DIRECTORY, self.root_fd) as dir_fd:
                self._look_into(_Place(path, dir_fd, os.fstat(dir_fd).st_dev, self._mounts.get(path, {}), read_only=read_only))

    def _look_into(self, place: "_Place") -> None:
        with os.scandir(place.dir_fd) as found:
            items = {item.name: item for item in found}
        if self.progress:
            self.progress.advance(files=len(items))
        if place.path and any(name in items and _exists(file, place.dir_fd) for name, file in _OS_RELEASE.items()):
            self.unseen.append(Unseen(place.path, "the root of another system, with accounts of its own"))
            return
        prefix = place.path + "/" if place.path else ""
        left_out = self._left_out.get(place.path, ())
        for name, item in items.items():
            if name in left_out or name == OWN_DIRECTORY:
                continue
            with suppress(FileNotFoundError):
                self._look(place, prefix + name, name, item.stat(follow_symlinks=False))

    def _look(self, place: "_Place", path: str, name: str, status: os.stat_result) -> None:
        """Look at one path whose lstat is at hand. Runs for every file of a node: kept flat for speed."""
        read_only = place.read_only
        is_dir = stat.S_ISDIR(status.st_mode)
        if is_dir or name in place.mounts:
            mount = place.mounts.get(name)
            if why := self._why_not(place, path, name, status, mount):
                self.unseen.append(Unseen(path, why))
                return
            if mount:
                if not has_lasting_owners(mount.filesystem):
                    return
                read_only = mount.read_only
        if is_dir or status.st_nlink > 1:
            inode = (status.st_dev, status.st_ino)
            if inode in self._seen:
                return
            self._seen.add(inode)
        acls = () if stat.S_ISLNK(status.st_mode) else self._acls(place.proc_path + name)
        if acls or status.st_uid in self.wanted.uids or status.st_gid in self.wanted.gids:
            fixed = "is on a filesystem that is mounted read-only" if read_only else _why_fixed(name, place.dir_fd)
            privileges = _privileges(status, place.proc_path + name)
            self.owned.append(Owned(path, Ids(status.st_uid, status.st_gid), privileges, acls, fixed))
        if is_dir:
            (self._read_only if read_only else self._directories).append(path)

    @staticmethod
    def _why_not(place: "_Place", path: str, name: str, status: os.stat_result, mount: Mount | None) -> str:
        """Why a directory or a mount is not looked into although files there may last; empty when it is."""
        if path in _CONTAINERS:
            return "containers, with accounts of their own"
        if mount:
            return why_not_ours(mount.filesystem)
        if status.st_dev != place.device and not os.access(name, os.W_OK, dir_fd=place.dir_fd):
            return "a read-only snapshot"
        return ""

    def _acls(self, proc_path: str) -> Xattrs:
        try:
            names = os.listxattr(proc_path, follow_symlinks=False)
            if not names:
                return ()
            values = [(acl, os.getxattr(proc_path, acl, follow_symlinks=False)) for acl in ACL_NAMES if acl in names]
        except OSError as error:
            if error.errno in (errno.ENOTSUP, errno.ENODATA, errno.ENOENT):
                return ()
            raise
        return tuple((acl, value) for acl, value in values if self.wanted.are_in(value))


class _Place:
    """A directory that is being looked into."""

    def __init__(self, path: str, dir_fd: int, device: int, mounts: Mapping[str, Mount], *, read_only: bool) -> None:
        self.path = path
        self.dir_fd = dir_fd
        self.device = device
        self.mounts = mounts
        """In it, by name."""
        self.read_only = read_only
        self.proc_path = f"/proc/self/fd/{dir_fd}/"
        """For the calls on attributes, which know no directory descriptors; follows nothing but itself."""


@contextmanager
def opened_far(path: str, flags: int, root_fd: int) -> Iterator[int]:
    """A descriptor of a path of any length below the root, reached without a symlink, closed at the end.

    Raises `FileNotFoundError` also where something else than a directory is on the way by now.
    """
    fd = os.dup(root_fd)
    try:
        for part, is_last in _parts(path):
            try:
                next_fd = kernel.open_beneath(part, flags if is_last else os.O_PATH | os.O_DIRECTORY, dir_fd=fd)
            except OSError as error:
                if error.errno in (errno.ELOOP, errno.ENOTDIR):
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from None
                raise
            os.close(fd)
            fd = next_fd
        yield fd
    finally:
        os.close(fd)


def _parts(path: str) -> list[tuple[str, bool]]:
    """A path in pieces that the kernel takes (PATH_MAX is 4096 bytes), each with whether it is the last."""
    pieces: list[str] = []
    while len(os.fsencode(path)) > _LONGEST_PATH_BYTES:
        cut = path.rindex("/", 0, _LONGEST_PATH_BYTES // 4)  # a character has at most four bytes
        pieces.append(path[:cut])
        path = path[cut + 1 :]
    return [*((piece, False) for piece in pieces), (path, True)]


def _privileges(status: os.stat_result, proc_path: str) -> Privileges | None:
    if not stat.S_ISREG(status.st_mode):
        return None  # the kernel takes none from a directory, and nothing else has any
    try:
        capability = os.getxattr(proc_path, CAPABILITY, follow_symlinks=False)
    except OSError:
        capability = b""
    if not capability and not status.st_mode & _SET_IDS:
        return None
    return Privileges(status.st_ino, stat.S_IMODE(status.st_mode), capability)


def _why_fixed(name: str, dir_fd: int) -> str:
    flags = kernel.fixed_flags(name, dir_fd=dir_fd)
    if flags & kernel.IMMUTABLE:
        return "is immutable"
    return "is append-only" if flags & kernel.APPEND_ONLY else ""


def _exists(name: str, dir_fd: int) -> bool:
    try:
        os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    except OSError:
        return False
    return True


def _name_of(path: str) -> str:
    return path.rpartition("/")[2]
