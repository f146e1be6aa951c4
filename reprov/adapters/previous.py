"""The previous tree before it comes back: which files somebody wrote through, and putting their content right."""

import errno
import hashlib
import os
from collections.abc import Callable
from contextlib import suppress

from reprov.adapters import kernel
from reprov.adapters.files import apply_metadata, copy_content, digest_at, opened_directory, read_at, read_entry
from reprov.adapters.node_state import PREVIOUS
from reprov.adapters.statcache import StatCache
from reprov.adapters.survey import signature_of
from reprov.adapters.volumes import Volumes
from reprov.domain.account_files import ACCOUNT_PATHS, AccountFiles
from reprov.domain.entry import Entry, Kind

_TEMPORARY = "restored"


def changed_files(volumes: Volumes, record: StatCache, volume_of: Callable[[str], str]) -> list[Entry]:
    """What is no longer what it was when it was put aside: the recorded entries, in path order.

    A stat call settles it for almost all; a file whose ctime moved (its other name went away) is read.
    """
    changed = []
    for path, entry in sorted(record.entries.items()):
        volume = volume_of(path)
        own_fd, name = volumes.own_fds[volume], f"{PREVIOUS}/{volumes.inside(volume, path)}"
        try:
            status = os.stat(name, dir_fd=own_fd, follow_symlinks=False)
        except FileNotFoundError:
            changed.append(entry)
            continue
        if signature_of(status) == record.signatures[path] or entry.kind is Kind.DIR:
            continue
        found = read_entry(path, status, name, dir_fd=own_fd, labels=record.labels)
        if found.kind is Kind.FILE:
            found = found._replace(digest=digest_at(name, dir_fd=own_fd))
        if not found.equals(entry):
            changed.append(entry)
    return changed


def read_accounts(volumes: Volumes, volume_of: Callable[[str], str]) -> AccountFiles:
    """The account files of the previous tree; None for those that were not exchanged."""
    contents = {}
    for path in ACCOUNT_PATHS:
        volume = volume_of(path)
        with suppress(FileNotFoundError):
            contents[path] = read_at(f"{PREVIOUS}/{volumes.inside(volume, path)}", dir_fd=volumes.own_fds[volume])
    return AccountFiles.of(contents)


def is_there(volumes: Volumes, volume: str, path: str) -> bool:
    """Whether the previous tree has the path, reached without a link. What was not exchanged it has not."""
    name = f"{PREVIOUS}/{volumes.inside(volume, path)}"
    try:
        os.close(kernel.open_beneath(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=volumes.own_fds[volume]))
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return False
        raise
    return True


def remove(volumes: Volumes, volume: str, path: str) -> None:
    """Take a path that is there out of the previous tree; a directory only when nothing is left in it. The times around it stay."""
    own_fd = volumes.own_fds[volume]
    holder, _, name = f"{PREVIOUS}/{volumes.inside(volume, path)}".rpartition("/")
    with opened_directory(holder, dir_fd=own_fd) as fd:
        before = os.fstat(fd)
        try:
            os.unlink(name, dir_fd=fd)
        except IsADirectoryError:
            try:
                os.rmdir(name, dir_fd=fd)
            except OSError as error:
                if error.errno != errno.ENOTEMPTY:
                    raise
        os.utime(fd, ns=(before.st_atime_ns, before.st_mtime_ns))


def find(volumes: Volumes, volume: str, path: str) -> Entry | None:
    """What the previous tree has at the path, its label included, a file without its digest; None where it has nothing."""
    if not is_there(volumes, volume, path):
        return None
    own_fd, name = volumes.own_fds[volume], f"{PREVIOUS}/{volumes.inside(volume, path)}"
    return read_entry(path, os.stat(name, dir_fd=own_fd, follow_symlinks=False), name, dir_fd=own_fd, labels=True)


def dress(volumes: Volumes, volume: str, entry: Entry) -> None:
    """Give a path that is there the entry's owner, mode and attributes, and nothing else. The time of its directory stays."""
    own_fd, name = volumes.own_fds[volume], f"{PREVIOUS}/{volumes.inside(volume, entry.path)}"
    if entry.kind is not Kind.FILE:
        apply_metadata(entry, name, dir_fd=own_fd)
        return
    with opened_directory(name.rpartition("/")[0], dir_fd=own_fd) as holder:
        before = os.fstat(holder)
        restore(volumes, volume, entry, None)  # as another inode: other names of this one are none of its business
        os.utime(holder, ns=(before.st_atime_ns, before.st_mtime_ns))


def read(volumes: Volumes, volume: str, path: str) -> bytes | None:
    """The content of a file of the previous tree; None where it has none."""
    entry = find(volumes, volume, path)
    if entry is None or entry.kind is not Kind.FILE:
        return None
    return read_at(f"{PREVIOUS}/{volumes.inside(volume, path)}", dir_fd=volumes.own_fds[volume])


def write_link(volumes: Volumes, volume: str, path: str, target: str) -> None:
    """Make a link of the previous tree lead elsewhere, or make it; its directory is there, and keeps its time."""
    own_fd = volumes.own_fds[volume]
    holder, _, name = f"{PREVIOUS}/{volumes.inside(volume, path)}".rpartition("/")
    with opened_directory(holder, dir_fd=own_fd) as fd:
        before = os.fstat(fd)
        with suppress(FileNotFoundError):
            os.unlink(_TEMPORARY, dir_fd=own_fd)
        os.symlink(target, _TEMPORARY, dir_fd=own_fd)
        os.rename(_TEMPORARY, name, src_dir_fd=own_fd, dst_dir_fd=fd)
        os.utime(fd, ns=(before.st_atime_ns, before.st_mtime_ns))


def write_file(volumes: Volumes, volume: str, path: str, content: bytes) -> Entry:
    """Give a file of the previous tree other content, as a new file with the same metadata; returns what it is then."""
    own_fd, name = volumes.own_fds[volume], f"{PREVIOUS}/{volumes.inside(volume, path)}"
    before = read_entry(path, os.stat(name, dir_fd=own_fd, follow_symlinks=False), name, dir_fd=own_fd, labels=True)
    after = before._replace(size=len(content), digest=hashlib.sha256(content).hexdigest())
    destination = os.open(_TEMPORARY, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW, 0o600, dir_fd=own_fd)
    with os.fdopen(destination, "wb") as file:
        file.write(content)
    apply_metadata(after, _TEMPORARY, dir_fd=own_fd)
    os.rename(_TEMPORARY, name, src_dir_fd=own_fd, dst_dir_fd=own_fd)
    return after


def restore(volumes: Volumes, volume: str, entry: Entry, content: str | None) -> None:
    """Make a path of the previous tree what its entry says.

    `content` is a file below the root volume's `.reprov` to take the bytes from; None keeps those that are there. The
    new file takes the old one's place: the live tree may share that inode, and must not change with it.
    """
    own_fd, name = volumes.own_fds[volume], f"{PREVIOUS}/{volumes.inside(volume, entry.path)}"
    destination = os.open(_TEMPORARY, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW, 0o600, dir_fd=own_fd)
    source_fd, source = (own_fd, name) if content is None else (volumes.own_fds[""], content)
    try:
        origin = kernel.open_beneath(source, os.O_RDONLY, dir_fd=source_fd)
        try:
            copy_content(origin, destination)
        finally:
            os.close(origin)
    finally:
        os.close(destination)
    apply_metadata(entry, _TEMPORARY, dir_fd=own_fd)
    os.rename(_TEMPORARY, name, src_dir_fd=own_fd, dst_dir_fd=own_fd)
