"""Giving files to other owners and back, so that it can be cut off at any instant and done again."""

import errno
import os
import stat
from collections.abc import Iterable
from contextlib import suppress

from reprov.adapters import kernel
from reprov.adapters.owners import CAPABILITY, opened_far
from reprov.domain.entry import parent_of, show
from reprov.domain.owner_change import Ids, OwnerChange, Privileges
from reprov.errors import ReprovError

_SET_IDS = stat.S_ISUID | stat.S_ISGID


def change_owners(root_fd: int, changes: Iterable[OwnerChange], *, forward: bool) -> tuple[str, ...]:
    """Make the changes, or with `forward=False` take them back, and write them to their disks; returns the paths left alone.

    A file that has neither the owner from before nor the one from after is left alone, one that is gone is none of them, and
    one that has been changed already is fine. What a change of owner takes from a file is given back. Raises `ReprovError`
    for the first file that cannot be changed; taking back goes on with the others first.
    """
    left: list[str] = []
    failed: ReprovError | None = None
    on_devices: dict[int, str] = {}
    for change in changes:
        try:
            with opened_far(change.path, os.O_PATH | os.O_NOFOLLOW, root_fd) as fd:
                on_devices.setdefault(os.fstat(fd).st_dev, change.path)
                if not _change(change, fd, forward=forward):
                    left.append(change.path)
        except FileNotFoundError:
            continue
        except OSError as error:
            failed = failed or _failure(change, error, forward=forward)
            if forward:
                break
    for device, path in on_devices.items():
        _sync(path, device, root_fd)
    if failed:
        raise failed
    return tuple(left)


def _change(change: OwnerChange, fd: int, *, forward: bool) -> bool:
    status = os.fstat(fd)
    owner = Ids(status.st_uid, status.st_gid)
    wanted = change.wanted(owner, forward=forward)
    if wanted is None:
        return False
    if owner != wanted:
        kernel.change_owner(fd, *wanted)
    if change.privileges and change.privileges.inode == status.st_ino:
        _give_back(change.privileges, fd)
    place = f"/proc/self/fd/{fd}"
    for acl in change.acls:
        old, new = (acl.before, acl.after) if forward else (acl.after, acl.before)
        if _attribute(acl.name, place) == old:
            os.setxattr(place, acl.name, new)
    return True


def _give_back(privileges: Privileges, fd: int) -> None:
    """Set what a change of owner has cleared, now or before a power cut, and nothing that somebody else has."""
    place = f"/proc/self/fd/{fd}"
    mode = stat.S_IMODE(os.fstat(fd).st_mode)
    if mode != privileges.mode and mode | _SET_IDS == privileges.mode | _SET_IDS:
        os.chmod(place, privileges.mode)  # noqa: PTH101 - a descriptor's own path, not a file's
    if privileges.capability and _attribute(CAPABILITY, place) is None:
        os.setxattr(place, CAPABILITY, privileges.capability)


def _attribute(name: str, place: str) -> bytes | None:
    try:
        return os.getxattr(place, name)
    except OSError as error:
        if error.errno != errno.ENODATA:
            raise
        return None


def _sync(path: str, device: int, root_fd: int) -> None:
    """Write the filesystem to its disk that a path lies on: through the directory that it is, or that holds it."""
    for directory in (path, parent_of(path)):
        with suppress(FileNotFoundError), opened_far(directory, os.O_RDONLY | os.O_DIRECTORY, root_fd) as fd:
            if os.fstat(fd).st_dev == device:
                kernel.syncfs(fd)
                return
    os.sync()  # a single file that is mounted, or one that has just gone


def _failure(change: OwnerChange, error: OSError, *, forward: bool) -> ReprovError:
    owner = change.after if forward else change.before
    return ReprovError(
        f"{show(change.path)} cannot be given to {owner.uid}:{owner.gid}: {error.strerror}", hint="see how its filesystem is mounted"
    )
