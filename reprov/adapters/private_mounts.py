"""Mounts that only this process and its programs see, and that are gone with it, however it ends."""

import ctypes
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from reprov.adapters.run import CommandFailed, run
from reprov.errors import Refused, ReprovError

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNS: Final = 0x00020000
_NAMESPACE: Final = Path("/proc/thread-self/ns/mnt")


class PrivateMounts:
    """Mounts in a namespace of this process's own; what is still mounted at the end is unmounted, the last first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._points: list[Path] = []

    def folder(self, name: str) -> Path:
        """An empty directory to mount something on, or to keep something in: it is in memory, and for root alone."""
        made = self._folder / name
        made.mkdir(mode=0o700)
        return made

    def mount(self, device: str, point: Path, filesystem: str, *options: str) -> None:
        """Mount a device whose filesystem is known: nothing else is tried. Raises `ReprovError`."""
        words = ("-o", ",".join(options)) if options else ()
        try:
            run(("mount", "--types", filesystem, *words, device, os.fspath(point)))
        except CommandFailed as failed:
            said = failed.stderr.decode(errors="replace").partition("\n")[0].rpartition(": ")[2]
            raise ReprovError(f"{device} cannot be mounted as {filesystem}: {said}", hint="dmesg may say more") from None
        self._points.append(point)

    def unmount(self, point: Path) -> None:
        """Unmount what was mounted on a directory; everything is on its disk afterwards."""
        run(("umount", os.fspath(point)))
        self._points.remove(point)

    def close(self) -> None:
        """Unmount whatever is left. The first failure is raised, after the others have been unmounted."""
        with ExitStack() as stack:
            for point in tuple(self._points):
                stack.callback(self.unmount, point)


def require_filesystems(types: Iterable[str]) -> None:
    """Raise `Refused` unless the running kernel can mount all of these."""
    for filesystem in types:
        if filesystem not in _known_filesystems():
            with suppress(CommandFailed):  # what it says is of no interest: the kernel knows the filesystem then, or it does not
                run(("modprobe", "--quiet", filesystem))
            if filesystem not in _known_filesystems():
                raise Refused(f"the running kernel cannot mount {filesystem}", hint="boot a kernel that can, or name another filesystem")


def _known_filesystems() -> list[str]:
    return Path("/proc/filesystems").read_text().split()


@contextmanager
def private_mounts() -> Iterator[PrivateMounts]:
    """A mount namespace for the block: it sees what the machine mounts, and the machine sees nothing of it. Needs root."""
    with tempfile.TemporaryDirectory(prefix="reprov-install-") as folder, _namespace():
        run(("mount", "--types", "tmpfs", "-o", "mode=0700,size=50%", "reprov", folder))
        mounts = PrivateMounts(Path(folder).resolve())
        try:
            yield mounts
        finally:
            mounts.close()
            run(("umount", folder))


@contextmanager
def _namespace() -> Iterator[None]:
    before = os.open(_NAMESPACE, os.O_RDONLY | os.O_CLOEXEC)
    here = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _check(_libc.unshare(_CLONE_NEWNS))
        try:
            run(("mount", "--make-rslave", "/"))
            yield
        finally:
            _check(_libc.setns(before, _CLONE_NEWNS))
            os.fchdir(here)  # setns(2) goes to the root
    finally:
        os.close(here)
        os.close(before)


def _check(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
