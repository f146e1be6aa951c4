"""The last touches to a tree that was built, and the facts that its lint judges."""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reprov.adapters.chroot import BUILDER_RESOLV_CONF
from reprov.adapters.files import kind_of, opened_directory, walk
from reprov.adapters.kernel import syncfs
from reprov.adapters.mounts import read_mounts
from reprov.domain.entry import Kind
from reprov.domain.pristine import (
    EMPTY_DIRECTORIES,
    INITIATOR_NAME,
    MACHINE_ID,
    UNNAMED_INITIATOR,
    Cleaning,
    cleaning_of,
    settled_mtime_ns,
)
from reprov.domain.treelint import READ_PATHS, Seen, TreeFacts


def clean(root: Path, *, started_ns: int, epoch_s: int) -> None:
    """Remove from the tree at `root` what belongs to one machine or to the build, and settle the times of what the build made."""
    with opened_directory(root) as root_fd:
        for path in EMPTY_DIRECTORIES:
            _empty_directory(root / path)
        found = [(path, status) for path, status, _, _ in walk(root_fd)]
        for path, status in reversed(found):
            _clean_one(path, status, root_fd)
        if not (root / MACHINE_ID).exists() and (root / "etc").is_dir():
            (root / MACHINE_ID).touch(0o444)
        if (root / INITIATOR_NAME).is_file():
            _rewrite(INITIATOR_NAME, UNNAMED_INITIATOR, root_fd)
        _settle(root_fd, started_ns, epoch_s)


def collect_facts(root: Path) -> TreeFacts:
    """The facts about the tree at `root` that its lint judges."""
    with opened_directory(root) as root_fd:
        top = os.fstat(root_fd)
        seen = [Seen("", Kind.DIR, stat.S_IMODE(top.st_mode), top.st_uid, top.st_gid)]
        content: dict[str, bytes] = {}
        for path, status, name, dir_fd in walk(root_fd):
            kind = kind_of(status)
            target = os.readlink(name, dir_fd=dir_fd) if kind is Kind.LINK else ""
            seen.append(Seen(path, kind, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, target))
            if path in READ_PATHS and kind is Kind.FILE:
                content[path] = (root / path).read_bytes()
    return TreeFacts(
        tuple(seen),
        content,
        tuple(mount.path for mount in read_mounts(root)),
        builder_resolv_conf=BUILDER_RESOLV_CONF.read_bytes() if BUILDER_RESOLV_CONF.is_file() else b"",
    )


def write_to_disk(root: Path) -> None:
    """Return when everything of the filesystem that the directory lies on is on its disk."""
    with opened_directory(root) as root_fd:
        syncfs(root_fd)


@contextmanager
def default_umask() -> Iterator[None]:
    """What is made in the block is readable by all: a tree must not depend on the umask of the shell that the build was started from."""
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)


def _empty_directory(folder: Path) -> None:
    if folder.is_symlink() or not folder.is_dir():
        return
    for item in folder.iterdir():
        if item.is_dir() and not item.is_symlink():
            shutil.rmtree(item)
        else:
            item.unlink()


def _clean_one(path: str, status: os.stat_result, root_fd: int) -> None:
    todo = cleaning_of(path)
    if todo is Cleaning.KEEP:
        return
    if stat.S_ISDIR(status.st_mode):
        os.rmdir(path, dir_fd=root_fd)
        return
    os.unlink(path, dir_fd=root_fd)
    if todo is Cleaning.EMPTY:
        _create(path, b"", status, root_fd)


def _rewrite(path: str, content: bytes, root_fd: int) -> None:
    status = os.stat(path, dir_fd=root_fd, follow_symlinks=False)
    os.unlink(path, dir_fd=root_fd)
    _create(path, content, status, root_fd)


def _create(path: str, content: bytes, like: os.stat_result, root_fd: int) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=root_fd)
    try:
        os.write(fd, content)
        os.fchown(fd, like.st_uid, like.st_gid)
        os.fchmod(fd, stat.S_IMODE(like.st_mode))
    finally:
        os.close(fd)


def _settle(root_fd: int, started_ns: int, epoch_s: int) -> None:
    _settle_one(".", os.fstat(root_fd), root_fd, started_ns, epoch_s)
    for _, status, name, dir_fd in walk(root_fd):
        _settle_one(name, status, dir_fd, started_ns, epoch_s)


def _settle_one(name: str, status: os.stat_result, dir_fd: int, started_ns: int, epoch_s: int) -> None:
    settled_ns = settled_mtime_ns(status.st_mtime_ns, started_ns, epoch_s)
    if settled_ns != status.st_mtime_ns:
        os.utime(name, ns=(settled_ns, settled_ns), dir_fd=dir_fd, follow_symlinks=False)
