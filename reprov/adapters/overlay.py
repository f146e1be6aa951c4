"""Making a tree of its own out of a parent tree and the upper directory of an overlay.

What the parent has and the overlay did not touch becomes a hard link, so a derived tree costs its own files only. Nothing
is ever opened for writing in the parent: files of the upper directory are moved, directories are made anew.
"""

import errno
import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

from reprov.adapters.files import digest_at, kind_of, opened_directory, read_entry
from reprov.domain.entry import Kind
from reprov.domain.overlay import OPAQUE_XATTR, OVERLAY_XATTR, Step, Upper, may_be_renewed, step_for
from reprov.events import Progress


class Materialiser:
    """One run of `materialise`: remembers which inodes of the parent the new tree has already."""

    def __init__(self, tree_fd: int, link_groups: Mapping[str, int] | None, progress: Progress) -> None:
        self._tree_fd = tree_fd
        self._link_groups = link_groups
        self._progress = progress
        self._taken: set[int] = set()
        self._made: dict[tuple[int, int | str], str] = {}

    def merge(self, path: str, lower_fd: int | None, upper_fd: int | None, tree_fd: int) -> None:
        """Fill the empty directory `tree_fd` with what the two others hold together; `path` is "" or ends in a slash."""
        lower, upper = _names(lower_fd), _names(upper_fd)
        for name in sorted(lower | upper):
            lower_status = os.stat(name, dir_fd=lower_fd, follow_symlinks=False) if name in lower else None
            found = _upper_at(name, upper_fd) if name in upper else None
            step = step_for(kind_of(lower_status) if lower_status else None, found)
            if (
                step is Step.UPPER
                and lower_fd is not None
                and upper_fd is not None
                and lower_status
                and _is_renewed(name, lower_fd, upper_fd)
            ):
                step = Step.LOWER
            if step is Step.NOTHING:
                continue
            self._progress.advance(files=1)
            is_lower = step is Step.LOWER and lower_status is not None
            is_directory = stat.S_ISDIR(lower_status.st_mode) if is_lower and lower_status else bool(found and found.kind is Kind.DIR)
            if is_directory:
                self._make_directory(path + name, name, lower_fd if step is not Step.UPPER else None, upper_fd if found else None, tree_fd)
            elif is_lower and lower_status and lower_fd is not None:
                self._take_lower(path + name, name, lower_status, lower_fd, tree_fd)
            else:
                os.rename(name, name, src_dir_fd=upper_fd, dst_dir_fd=tree_fd)
                _strip_marks(name, tree_fd)

    def _make_directory(self, path: str, name: str, lower_fd: int | None, upper_fd: int | None, tree_fd: int) -> None:
        os.mkdir(name, 0o700, dir_fd=tree_fd)
        below = _open_or_none(name, lower_fd)
        above = _open_or_none(name, upper_fd)
        model = above if above is not None else below
        if model is None:
            raise ValueError(f"{path} is a directory of neither tree")
        try:
            status = os.fstat(model)  # now: moving files out of the upper directory changes its time
            with opened_directory(name, dir_fd=tree_fd) as fd:
                self.merge(path + "/", below, above, fd)
                copy_directory_metadata(model, status, fd)
        finally:
            for opened in (below, above):
                if opened is not None:
                    os.close(opened)

    def _take_lower(self, path: str, name: str, status: os.stat_result, lower_fd: int, tree_fd: int) -> None:
        if self._link_groups is None or not stat.S_ISREG(status.st_mode) or status.st_nlink == 1:
            _link_or_copy(name, status, lower_fd, tree_fd)
            return
        # A published tree shares inodes between files that only happen to be equal: here they must be two again, or a program
        # that writes to the one would change the other.
        known = (status.st_ino, self._link_groups.get(path, 0) or path)
        if known in self._made:
            os.link(self._made[known], name, src_dir_fd=self._tree_fd, dst_dir_fd=tree_fd)
        elif status.st_ino in self._taken:
            _copy(name, status, lower_fd, tree_fd)
        else:
            _link_or_copy(name, status, lower_fd, tree_fd)
        self._taken.add(status.st_ino)
        self._made.setdefault(known, path)


def materialise(parent: Path, upper: Path, tree: Path, *, link_groups: Mapping[str, int] | None, progress: Progress) -> None:
    """Make the directory `tree` the sum of a parent tree and an overlay's upper directory, which is emptied by it.

    All three lie on one filesystem. `link_groups` names the true hard links of the parent (as its manifest does) when files of
    it may share inodes for other reasons; None: every shared inode is meant.
    """
    tree.mkdir(mode=0o700)
    with opened_directory(parent) as lower_fd, opened_directory(upper) as upper_fd, opened_directory(tree) as tree_fd:
        status = os.fstat(upper_fd)
        Materialiser(tree_fd, link_groups, progress).merge("", lower_fd, upper_fd, tree_fd)
        copy_directory_metadata(upper_fd, status, tree_fd)


def copy_directory_metadata(source_fd: int, status: os.stat_result, fd: int) -> None:
    """Give a directory the owner, mode and times of a status and the attributes (ACLs among them) of a directory, less overlayfs's."""
    os.fchown(fd, status.st_uid, status.st_gid)
    os.fchmod(fd, stat.S_IMODE(status.st_mode))
    for name in os.listxattr(source_fd):
        if not name.startswith(OVERLAY_XATTR):
            os.setxattr(fd, name, os.getxattr(source_fd, name))
    os.utime(fd, ns=(status.st_atime_ns, status.st_mtime_ns))


def _link_or_copy(name: str, status: os.stat_result, from_fd: int, to_fd: int) -> None:
    try:
        os.link(name, name, src_dir_fd=from_fd, dst_dir_fd=to_fd, follow_symlinks=False)
    except OSError as error:
        if error.errno != errno.EMLINK or not stat.S_ISREG(status.st_mode):
            raise
        _copy(name, status, from_fd, to_fd)


def _copy(name: str, status: os.stat_result, from_fd: int, to_fd: int) -> None:
    source, destination = f"/proc/self/fd/{from_fd}/{name}", f"/proc/self/fd/{to_fd}/{name}"
    shutil.copyfile(source, destination, follow_symlinks=False)
    os.chown(destination, status.st_uid, status.st_gid)
    shutil.copystat(source, destination)  # with extended attributes, after chown, which drops capabilities


def _names(fd: int | None) -> set[str]:
    if fd is None:
        return set()
    with os.scandir(fd) as found:
        return {item.name for item in found}


def _upper_at(name: str, upper_fd: int | None) -> Upper:
    status = os.stat(name, dir_fd=upper_fd, follow_symlinks=False)
    kind = kind_of(status)
    is_opaque = False
    if kind is Kind.DIR:
        marks = f"/proc/self/fd/{upper_fd}/{name}"
        is_opaque = OPAQUE_XATTR in os.listxattr(marks, follow_symlinks=False) and os.getxattr(marks, OPAQUE_XATTR) == b"y"
    return Upper(kind, (os.major(status.st_rdev), os.minor(status.st_rdev)), is_opaque)


def _is_renewed(name: str, lower_fd: int, upper_fd: int) -> bool:
    lower, upper = (read_entry(name, os.stat(name, dir_fd=fd, follow_symlinks=False), name, dir_fd=fd) for fd in (lower_fd, upper_fd))
    if not may_be_renewed(lower, upper):
        return False
    if upper.kind is Kind.LINK:
        return True
    # A file that got a second name in the upper directory must keep it.
    is_single = os.stat(name, dir_fd=upper_fd, follow_symlinks=False).st_nlink == 1
    return is_single and digest_at(name, dir_fd=lower_fd) == digest_at(name, dir_fd=upper_fd)


def _strip_marks(name: str, dir_fd: int) -> None:
    marked = f"/proc/self/fd/{dir_fd}/{name}"
    for attribute in os.listxattr(marked, follow_symlinks=False):
        if attribute.startswith(OVERLAY_XATTR):
            os.removexattr(marked, attribute, follow_symlinks=False)


def _open_or_none(name: str, dir_fd: int | None) -> int | None:
    if dir_fd is None:
        return None
    try:
        return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=dir_fd)
    except (FileNotFoundError, NotADirectoryError):
        return None
