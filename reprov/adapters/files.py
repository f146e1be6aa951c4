"""Reading trees: one entry, a whole tree, content digests; and writing an entry's metadata.

Everything is opened relative to a directory descriptor without following symlinks, because parts of a live tree
belong to users who could swap a directory for a link at any instant.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from reprov.adapters import kernel
from reprov.domain.entry import Entry, Kind, Xattrs
from reprov.domain.labels import LABEL, label_in, settled, with_label
from reprov.domain.manifest import Manifest
from reprov.errors import ReprovError
from reprov.events import Progress

Found = TypeVar("Found")

_READ_BYTES = 1 << 20
HOLE_BYTES: Final = 1 << 20
_ZEROS = bytes(HOLE_BYTES)
_SEND_BYTES = 1 << 30
_HASH_BATCH = 64
_HASH_THREADS = 2  # sha256 releases the interpreter lock; more threads than this only compete for it

_KINDS = {
    stat.S_IFDIR: Kind.DIR,
    stat.S_IFREG: Kind.FILE,
    stat.S_IFLNK: Kind.LINK,
    stat.S_IFCHR: Kind.CHAR,
    stat.S_IFBLK: Kind.BLOCK,
    stat.S_IFIFO: Kind.FIFO,
    stat.S_IFSOCK: Kind.SOCKET,
}
# Labels come from the policy of the tree, not from the file, and are looked at only by who asks; the others are marks of
# overlayfs and of reprov itself, and the second name under which XFS shows every POSIX ACL.
_IGNORED_XATTRS = (LABEL, "trusted.overlay.", "trusted.reprov.", "trusted.SGI_ACL_")
_NO_XATTRS = (errno.ENOTSUP, errno.EOPNOTSUPP)


@contextmanager
def opened_directory(path: str | Path, *, dir_fd: int | None = None) -> Iterator[int]:
    """A descriptor of a directory, closed at the end; a symlink in its place is an error."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=dir_fd)
    try:
        yield fd
    finally:
        os.close(fd)


def kind_of(status: os.stat_result) -> Kind:
    """The kind of what was stat'ed."""
    return _KINDS[stat.S_IFMT(status.st_mode)]


def read_entry(path: str, status: os.stat_result, name: str, *, dir_fd: int, digest: str = "", labels: bool = False) -> Entry:
    """The entry of a path whose lstat is at hand; `name` leads to it from `dir_fd`. A file's digest is the caller's to give.

    Its SELinux label is among its attributes only with `labels`.
    """
    kind = kind_of(status)
    return Entry(
        path,
        kind,
        stat.S_IMODE(status.st_mode),
        status.st_uid,
        status.st_gid,
        status.st_mtime_ns,
        status.st_size if kind is Kind.FILE else 0,
        digest,
        os.readlink(name, dir_fd=dir_fd) if kind is Kind.LINK else "",
        (os.major(status.st_rdev), os.minor(status.st_rdev)) if kind in (Kind.CHAR, Kind.BLOCK) else (0, 0),
        0,
        _xattrs_at(_proc_path(name, dir_fd), labels=labels),
    )


def read_label(place: int | str) -> bytes | None:
    """The SELinux label of an open file, or of a name, which is not followed; None where there is none."""
    try:
        return settled(os.getxattr(place, LABEL, follow_symlinks=isinstance(place, int)))
    except OSError as error:
        if error.errno in (*_NO_XATTRS, errno.ENODATA):
            return None
        raise


def _xattrs_at(place: int | str, *, labels: bool = False) -> Xattrs:
    """Of an open file, or of a name, which is not followed when it is a symlink."""
    itself = isinstance(place, int)  # the calls refuse not to follow a descriptor
    try:
        names = os.listxattr(place, follow_symlinks=itself)
        if not names:
            return ()
        wanted = sorted(found for found in names if not found.startswith(_IGNORED_XATTRS))
        xattrs = tuple((found, os.getxattr(place, found, follow_symlinks=itself)) for found in wanted)
        return with_label(xattrs, read_label(place)) if labels and LABEL in names else xattrs
    except OSError as error:
        if error.errno in _NO_XATTRS:
            return ()
        raise


def read_at(path: str, *, dir_fd: int) -> bytes:
    """The content of a file below a directory, reached through no symbolic link."""
    with os.fdopen(kernel.open_beneath(path, os.O_RDONLY, dir_fd=dir_fd), "rb") as file:
        return file.read()


def digest_of(fd: int) -> str:
    """sha256 in hex of an open file's content, from its beginning."""
    content = hashlib.sha256()
    while block := os.read(fd, _READ_BYTES):
        content.update(block)
    return content.hexdigest()


def digest_at(path: str, *, dir_fd: int) -> str:
    """sha256 in hex of a file below a directory."""
    fd = kernel.open_beneath(path, os.O_RDONLY, dir_fd=dir_fd)
    try:
        return digest_of(fd)
    finally:
        os.close(fd)


def digests_at(paths: list[str], *, dir_fd: int, progress: Progress | None = None) -> dict[str, str]:
    """sha256 in hex of many files below a directory, by path."""
    return _in_batches(lambda some: [digest_at(path, dir_fd=dir_fd) for path in some], paths, progress)


class ReadBack(NamedTuple):
    """What the disk has of a file."""

    digest: str
    zeros: tuple[int, ...]
    """Where it is nothing but zeros for `HOLE_BYTES`, and could have a hole."""


def read_back(paths: list[str], *, dir_fd: int, from_disk: bool, progress: Progress | None = None) -> dict[str, ReadBack]:
    """Read many files below a directory; `from_disk` drops their cached pages first (those that are not yet written stay)."""

    def read_some(some: list[str]) -> list[ReadBack]:
        block = bytearray(HOLE_BYTES)
        return [_read_back(path, block, dir_fd, from_disk) for path in some]

    return _in_batches(read_some, paths, progress)


def _read_back(path: str, block: bytearray, dir_fd: int, from_disk: bool) -> ReadBack:
    fd = kernel.open_beneath(path, os.O_RDONLY, dir_fd=dir_fd)
    try:
        if from_disk:
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        content, zeros, position = hashlib.sha256(), [], 0
        while size := os.readv(fd, (block,)):
            content.update(memoryview(block)[:size])
            if size == HOLE_BYTES and block == _ZEROS:
                zeros.append(position)
            position += size
        return ReadBack(content.hexdigest(), tuple(zeros))
    finally:
        os.close(fd)


def dig_holes(path: str, zeros: Iterable[int], *, dir_fd: int) -> None:
    """Make the zeros that `read_back` found in a file into holes; where the filesystem has none, they stay."""
    fd = kernel.open_beneath(path, os.O_WRONLY, dir_fd=dir_fd)
    try:
        for position in zeros:
            kernel.punch_hole(fd, position, HOLE_BYTES)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.ENOSYS):
            raise
    finally:
        os.close(fd)


def _in_batches(read: Callable[[list[str]], list[Found]], paths: list[str], progress: Progress | None) -> dict[str, Found]:
    """Apply a function that mostly computes without the interpreter lock to many paths, some at a time."""
    batches = [paths[start : start + _HASH_BATCH] for start in range(0, len(paths), _HASH_BATCH)]
    found: dict[str, Found] = {}
    with ThreadPoolExecutor(_HASH_THREADS) as pool:
        for batch, results in zip(batches, pool.map(read, batches), strict=True):
            found.update(zip(batch, results, strict=True))
            if progress:
                progress.advance(files=len(batch))
    return found


def scan_tree(root: Path, *, progress: Progress | None = None) -> Manifest:
    """The manifest of a tree at rest: every path, every file hashed, hard-link groups numbered in path order.

    Raises `ReprovError` when a file cannot be read or a directory lies on another filesystem (something is mounted in it).
    """
    with opened_directory(root) as root_fd:
        top = os.fstat(root_fd)
        entries = [read_entry("", top, ".", dir_fd=root_fd)]
        inodes: dict[str, tuple[int, int]] = {}
        for path, status, name, dir_fd in walk(root_fd):
            if status.st_dev != top.st_dev:
                raise ReprovError(f"{root}/{path}: something is mounted here", hint="unmount it first")
            entries.append(read_entry(path, status, name, dir_fd=dir_fd))
            if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
                inodes[path] = (status.st_dev, status.st_ino)
        digests = digests_at([entry.path for entry in entries if entry.kind is Kind.FILE], dir_fd=root_fd, progress=progress)
    groups = link_groups(inodes)
    return Manifest.of(
        entry._replace(digest=digests[entry.path], link_group=groups.get(entry.path, 0)) if entry.kind is Kind.FILE else entry
        for entry in entries
    )


def walk(root_fd: int, prefix: str = "") -> Iterator[tuple[str, os.stat_result, str, int]]:
    """Every path below a directory with its lstat, its name and the descriptor of the directory that holds it.

    The descriptor is valid until the next step. Directories come before what they hold.
    """
    with os.scandir(root_fd) as found:
        names = sorted(item.name for item in found)
    for name in names:
        status = os.stat(name, dir_fd=root_fd, follow_symlinks=False)
        path = prefix + name
        yield path, status, name, root_fd
        if stat.S_ISDIR(status.st_mode):
            with opened_directory(name, dir_fd=root_fd) as fd:
                yield from walk(fd, path + "/")


def link_groups(inodes: dict[str, tuple[int, int]]) -> dict[str, int]:
    """Group numbers, from 1 in path order, of the paths that share an inode with another one of these."""
    members: dict[tuple[int, int], list[str]] = {}
    for path in sorted(inodes):
        members.setdefault(inodes[path], []).append(path)
    groups: dict[str, int] = {}
    shared: Iterable[list[str]] = (paths for paths in members.values() if len(paths) > 1)
    for number, paths in enumerate(shared, start=1):
        groups.update(dict.fromkeys(paths, number))
    return groups


def copy_content(source_fd: int, destination_fd: int) -> bool:
    """Give an empty file the content of another: by sharing blocks where the filesystem can, else by its data ranges, holes kept.

    Returns True when the blocks are shared, so that nothing was copied that could be wrong. A source that is cut off
    meanwhile gives a shorter file; the caller's digest, or its look at the source, tells.
    """
    try:
        kernel.clone(source_fd, destination_fd)
        return True
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            raise
    size = os.fstat(source_fd).st_size
    for start, end in _data_ranges(source_fd, size):
        os.lseek(destination_fd, start, os.SEEK_SET)
        while start < end and (sent := os.sendfile(destination_fd, source_fd, start, min(end - start, _SEND_BYTES))):
            start += sent
    os.ftruncate(destination_fd, size)
    return False


def _data_ranges(fd: int, size: int) -> Iterator[tuple[int, int]]:
    end = 0
    while end < size:
        try:
            start = os.lseek(fd, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole up to the end
                return
            raise
        end = os.lseek(fd, start, os.SEEK_HOLE)
        yield start, end


def apply_metadata(entry: Entry, name: str, *, dir_fd: int) -> os.stat_result:
    """Give a path in a root-only directory the entry's owner, mode, extended attributes and time, in the order that keeps them.

    chown clears setuid bits and capabilities, so mode and attributes follow it; attributes that the entry lacks are removed.
    Returns what lstat says of the path afterwards.
    """
    if entry.kind in (Kind.FILE, Kind.DIR):
        # Calls by name would each look the whole name up again: for a release's directories twice the cost.
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=dir_fd)
        try:
            return _apply_to_open(entry, fd)
        finally:
            os.close(fd)
    status = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    moves = (status.st_uid, status.st_gid) != (entry.uid, entry.gid)
    if moves:
        os.chown(name, entry.uid, entry.gid, dir_fd=dir_fd, follow_symlinks=False)
    if entry.kind is not Kind.LINK and (moves or stat.S_IMODE(status.st_mode) != entry.mode):
        os.chmod(name, entry.mode, dir_fd=dir_fd)
    _write_xattrs(entry.xattrs, _proc_path(name, dir_fd))
    os.utime(name, ns=(entry.mtime_ns, entry.mtime_ns), dir_fd=dir_fd, follow_symlinks=False)
    return os.stat(name, dir_fd=dir_fd, follow_symlinks=False)


def _apply_to_open(entry: Entry, fd: int) -> os.stat_result:
    status = os.fstat(fd)
    moves = (status.st_uid, status.st_gid) != (entry.uid, entry.gid)
    if moves:
        os.fchown(fd, entry.uid, entry.gid)
    if moves or stat.S_IMODE(status.st_mode) != entry.mode:
        os.fchmod(fd, entry.mode)
    _write_xattrs(entry.xattrs, fd)
    os.utime(fd, ns=(entry.mtime_ns, entry.mtime_ns))
    return os.fstat(fd)


def _write_xattrs(wanted: Xattrs, place: int | str) -> None:
    """Make the extended attributes of a path these and no others; marks of tools are left alone, and a label unless there is one to set."""
    present = _xattrs_at(place, labels=bool(wanted) and label_in(wanted) is not None)
    if present == wanted:
        return
    itself = isinstance(place, int)
    if present:
        for attribute in dict(present).keys() - dict(wanted).keys():
            os.removexattr(place, attribute, follow_symlinks=itself)
    for attribute, value in wanted:
        os.setxattr(place, attribute, value, follow_symlinks=itself)


def _proc_path(name: str, dir_fd: int) -> str:
    # The xattr calls know no directory descriptors; this path is resolved from ours and follows nothing but itself.
    return f"/proc/self/fd/{dir_fd}/{name}"
