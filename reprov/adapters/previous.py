"""The previous tree before it comes back: which files somebody wrote through, and putting their content right."""

import os
from collections.abc import Callable

from reprov.adapters import kernel
from reprov.adapters.files import apply_metadata, copy_content, digest_at, read_entry
from reprov.adapters.node_state import PREVIOUS
from reprov.adapters.statcache import StatCache
from reprov.adapters.survey import signature_of
from reprov.adapters.volumes import Volumes
from reprov.domain.entry import Entry, Kind


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
        found = read_entry(path, status, name, dir_fd=own_fd)
        if found.kind is Kind.FILE:
            found = found._replace(digest=digest_at(name, dir_fd=own_fd))
        if not found.equals(entry):
            changed.append(entry)
    return changed


def restore(volumes: Volumes, volume: str, entry: Entry, content: str | None) -> None:
    """Make a path of the previous tree what its entry says.

    `content` is a file below the root volume's `.reprov` to take the bytes from; None keeps those that are there. The
    new file takes the old one's place: the live tree may share that inode, and must not change with it.
    """
    own_fd, name = volumes.own_fds[volume], f"{PREVIOUS}/{volumes.inside(volume, entry.path)}"
    temporary = "restored"
    destination = os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW, 0o600, dir_fd=own_fd)
    source_fd, source = (own_fd, name) if content is None else (volumes.own_fds[""], content)
    try:
        origin = kernel.open_beneath(source, os.O_RDONLY, dir_fd=source_fd)
        try:
            copy_content(origin, destination)
        finally:
            os.close(origin)
    finally:
        os.close(destination)
    apply_metadata(entry, temporary, dir_fd=own_fd)
    os.rename(temporary, name, src_dir_fd=own_fd, dst_dir_fd=own_fd)
