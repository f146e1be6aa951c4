"""What a tree is, path by path, read without any of the code under test: two equal snapshots are byte for byte the same tree.

reprov's own directory is left out, and with it the times and the link counts of the directories that hold one.
"""

import fcntl
import hashlib
import os
import stat
import struct
from pathlib import Path
from typing import NamedTuple

OWN_DIRECTORY = ".reprov"
_FS_IOC_GETFLAGS = 0x80086601
_IMMUTABLE_AND_APPEND_ONLY = 0x30
_MARK = "trusted.reprov.op"
# Labels are the kernel's, XFS shows each access list a second time under a name of its own, and reprov's mark is
# on the tops of a commit until it is finished: `marked` finds those.
_NO_CONTENT = ("security.selinux", "trusted.SGI_ACL_", _MARK)


class Seen(NamedTuple):
    """Everything of one path that an operator could notice."""

    kind: str
    mode: int
    owner: tuple[int, int]
    size: int
    mtime_ns: int
    content: str
    """sha256 of a file, target of a symlink, numbers of a device."""
    xattrs: tuple[tuple[str, bytes], ...]
    flags: int
    """Of chattr: immutable and append-only."""
    same_as: str
    """The first path, in path order, of those that share the inode."""


Snapshot = dict[str, Seen]


def snapshot(root: Path) -> Snapshot:
    """Every path below a root, other filesystems that are mounted in it included; "" is the root itself."""
    found: Snapshot = {}
    first_names: dict[tuple[int, int], str] = {}
    _visit(root, "", found, first_names)
    return found


def difference(before: Snapshot, after: Snapshot) -> list[str]:
    """What differs, one line a path; empty for equal trees. Made to be compared with [] in an assertion."""
    lines = [f"{path!r} is gone" for path in sorted(before.keys() - after.keys())]
    lines += [f"{path!r} is new" for path in sorted(after.keys() - before.keys())]
    for path in sorted(before.keys() & after.keys()):
        old, new = before[path], after[path]
        if 0 in (old.mtime_ns, new.mtime_ns):  # left out on one side, as where reprov has just made its directory
            old, new = old._replace(mtime_ns=0), new._replace(mtime_ns=0)
        if old != new:
            fields = zip(Seen._fields, old, new, strict=True)
            lines.append(f"{path!r}: " + ", ".join(f"{name} {was!r} became {is_now!r}" for name, was, is_now in fields if was != is_now))
    return lines


def timeless(found: Snapshot) -> Snapshot:
    """The snapshot without the times of directories, which move when the node's files in them are linked and unlinked."""
    return {path: seen._replace(mtime_ns=0) if seen.kind == "directory" else seen for path, seen in found.items()}


def without(found: Snapshot, *directories: str) -> Snapshot:
    """The snapshot without these paths, what is below them, and the times of the directories that hold them."""
    left = {path: seen for path, seen in found.items() if not any(_is_below(path, directory) for directory in directories)}
    for directory in directories:
        holder = directory.rpartition("/")[0]
        if holder in left:
            left[holder] = left[holder]._replace(mtime_ns=0)
    return left


def marked(root: Path) -> list[str]:
    """The paths, reprov's own included, that still have the mark of a commit."""
    return [str(path.relative_to(root)) for path in (root, *root.rglob("*")) if _MARK in os.listxattr(path, follow_symlinks=False)]


def _is_below(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory + "/")


def _visit(place: Path, path: str, found: Snapshot, first_names: dict[tuple[int, int], str]) -> None:
    found[path] = _look(place, path, first_names)
    if found[path].kind != "directory":
        return
    names = sorted(os.listdir(place))
    if OWN_DIRECTORY in names:
        names.remove(OWN_DIRECTORY)
        found[path] = found[path]._replace(mtime_ns=0)
    for name in names:
        _visit(place / name, f"{path}/{name}" if path else name, found, first_names)


def _look(place: Path, path: str, first_names: dict[tuple[int, int], str]) -> Seen:
    status = place.lstat()
    kind, content, size, same_as = _KINDS[stat.S_IFMT(status.st_mode)], "", 0, path
    if kind == "file":
        content, size = hashlib.sha256(place.read_bytes()).hexdigest(), status.st_size
        same_as = first_names.setdefault((status.st_dev, status.st_ino), path)
    elif kind == "symlink":
        content = os.readlink(place)  # noqa: PTH115 - a Path would tidy up "a//b"
    elif kind in ("character device", "block device"):
        content = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    return Seen(
        kind,
        stat.S_IMODE(status.st_mode),
        (status.st_uid, status.st_gid),
        size,
        status.st_mtime_ns,
        content,
        _xattrs(place),
        _flags(place) if kind in ("file", "directory") else 0,
        same_as,
    )


def _xattrs(place: Path) -> tuple[tuple[str, bytes], ...]:
    names = sorted(name for name in os.listxattr(place, follow_symlinks=False) if not name.startswith(_NO_CONTENT))
    return tuple((name, os.getxattr(place, name, follow_symlinks=False)) for name in names)


def _flags(place: Path) -> int:
    fd = os.open(place, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        return int(struct.unpack("l", fcntl.ioctl(fd, _FS_IOC_GETFLAGS, struct.pack("l", 0)))[0]) & _IMMUTABLE_AND_APPEND_ONLY
    except OSError:
        return 0  # tmpfs and others have no such flags
    finally:
        os.close(fd)


_KINDS = {
    stat.S_IFDIR: "directory",
    stat.S_IFREG: "file",
    stat.S_IFLNK: "symlink",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
}
