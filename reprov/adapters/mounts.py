"""The mount table: what is mounted in a root, whether we are where init is, and whether anything has moved since."""

import os
import select
from pathlib import Path

from reprov.domain.entry import is_below
from reprov.domain.mounts import Mount, parse_mountinfo
from reprov.errors import Refused

_MOUNTINFO = Path("/proc/self/mountinfo")


def read_mounts(root: Path) -> tuple[Mount, ...]:
    """The mounts at or below the root directory."""
    where = os.fspath(root.resolve())
    return parse_mountinfo(_MOUNTINFO.read_bytes().decode("latin-1"), "" if where == "/" else where)


def filesystem_of(path: Path) -> Mount:
    """The mount that a path lies on."""
    where = os.fspath(path.resolve()).strip("/")
    mounts = parse_mountinfo(_MOUNTINFO.read_bytes().decode("latin-1"), "")
    return max((mount for mount in mounts if is_below(where, mount.path)), key=lambda mount: len(mount.path))


def require_namespace_of_init() -> None:
    """Refuse to change the live system from a mount namespace or a chroot that is not PID 1's: we would not see what it sees."""
    own, init = Path("/proc/self"), Path("/proc/1")
    hint = "run it from a plain root shell, not from a sandboxed unit, a container or a chroot"
    try:
        same_namespace = (own / "ns/mnt").readlink() == (init / "ns/mnt").readlink()
        same_root = (own / "root").stat() == (init / "root").stat()
    except OSError as error:
        raise Refused(f"cannot compare our view of the filesystem with that of PID 1: {error}", hint=hint) from None
    if not (same_namespace and same_root):
        raise Refused("this process does not see the filesystem as PID 1 does", hint=hint)


class MountWatch:
    """Notices that the mount table changed since it was opened; a `with` block closes it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._file = _MOUNTINFO.open("rb")
        self._poll = select.poll()
        self._poll.register(self._file, select.POLLERR | select.POLLPRI)
        self.mounts = read_mounts(root)

    def __enter__(self) -> "MountWatch":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def changed(self) -> bool:
        """True when a mount in the root has come or gone since the watch began; cheap while nothing has moved anywhere."""
        if not self._poll.poll(0):
            return False
        return read_mounts(self._root) != self.mounts
