"""The managed filesystems of a node and reprov's own directory at the root of each."""

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from reprov.adapters import kernel
from reprov.adapters.files import opened_directory
from reprov.adapters.survey import OWN_DIRECTORY
from reprov.domain.entry import parent_of, show
from reprov.domain.plan import Room
from reprov.errors import Refused

_PROBE = ".reprov-probe"
_FINE_TIME_NS = 1_000_000_001
MARK = "trusted.reprov.op"


@dataclass(frozen=True, slots=True)
class Volumes:
    """Open directories: the root of the node, and `.reprov` of every volume."""

    root_fd: int
    own_fds: dict[str, int]

    def inside(self, volume: str, path: str) -> str:
        """The path relative to the root of its volume."""
        return path[len(volume) + 1 :] if volume else path

    def holder_of(self, path: str) -> int:
        """A new descriptor of the live directory that holds a path, reached without a symlink; the caller closes it."""
        return kernel.open_beneath(parent_of(path), os.O_RDONLY | os.O_DIRECTORY, dir_fd=self.root_fd)

    def sync(self) -> None:
        """Write every volume to its disk, with the write-back's own verdict."""
        for fd in self.own_fds.values():
            kernel.syncfs(fd)


@contextmanager
def opened_volumes(root: Path, volumes: Iterable[str]) -> Iterator[Volumes]:
    """Open the volumes of a node, making `.reprov` where it is missing; closed at the end."""
    with ExitStack() as stack:
        root_fd = stack.enter_context(opened_directory(root))
        own_fds = {}
        for volume in volumes:
            volume_fd = stack.enter_context(_opened_beneath(volume, root_fd))
            try:
                os.mkdir(OWN_DIRECTORY, 0o700, dir_fd=volume_fd)
            except FileExistsError:
                pass
            except OSError as error:
                raise Refused(f"nothing can be written to {show(volume)}: {error.strerror}", hint="see how it is mounted") from None
            own_fds[volume] = stack.enter_context(opened_directory(OWN_DIRECTORY, dir_fd=volume_fd))
            if os.fstat(own_fds[volume]).st_mode & 0o077:
                raise Refused(f"/{volume}/{OWN_DIRECTORY} can be entered by others than root", hint="see what made it, and remove it")
        yield Volumes(root_fd, own_fds)


def room_of(root: Path, volume: str) -> Room:
    """What is free for root on a volume."""
    status = os.statvfs(root / volume)
    return Room(status.f_bfree * status.f_frsize, status.f_ffree if status.f_files else None)


def can_clone(root: Path, volume: str) -> bool:
    """True when files of the volume can share blocks; tried with two unnamed files, so that nothing shows."""
    try:
        source = os.open(root / volume, os.O_TMPFILE | os.O_RDWR, 0o600)
    except OSError:
        return False
    try:
        os.write(source, b"\0" * 4096)
        os.fsync(source)
        destination = os.open(root / volume, os.O_TMPFILE | os.O_RDWR, 0o600)
        try:
            kernel.clone(source, destination)
        finally:
            os.close(destination)
    except OSError:
        return False
    finally:
        os.close(source)
    return True


def probe(volumes: Volumes, volume: str, directory: str) -> str:
    """Try what a commit will do in a live directory: link, mark, exchange, with a scratch pair. Returns what is wrong, or "".

    Catches subvolumes and project quotas (EXDEV), immutable and append-only directories (EPERM), filesystems without
    exchange or trusted attributes, and file encryption boundaries. The directory's time is restored.
    """
    own_fd = volumes.own_fds[volume]
    live_fd = kernel.open_beneath(directory, os.O_RDONLY | os.O_DIRECTORY, dir_fd=volumes.root_fd)
    try:
        before = os.fstat(live_fd)
        with suppress(FileNotFoundError):  # of a run that was killed right here
            os.unlink(_PROBE, dir_fd=live_fd)
        os.close(os.open(_PROBE, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW, 0o600, dir_fd=own_fd))
        try:
            os.setxattr(f"/proc/self/fd/{own_fd}/{_PROBE}", MARK, b"probe", follow_symlinks=False)
            os.utime(_PROBE, ns=(_FINE_TIME_NS, _FINE_TIME_NS), dir_fd=own_fd)
            if os.stat(_PROBE, dir_fd=own_fd).st_mtime_ns != _FINE_TIME_NS:
                return "its filesystem keeps times to the second only, by which unchanged files cannot be told"
            os.link(_PROBE, _PROBE, src_dir_fd=own_fd, dst_dir_fd=live_fd, follow_symlinks=False)
            try:
                os.unlink(_PROBE, dir_fd=own_fd)
                os.close(os.open(_PROBE, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600, dir_fd=own_fd))
                kernel.exchange(_PROBE, _PROBE, first_dir_fd=own_fd, second_dir_fd=live_fd)
            finally:
                os.unlink(_PROBE, dir_fd=live_fd)
                os.utime(live_fd, ns=(before.st_atime_ns, before.st_mtime_ns))
        finally:
            os.unlink(_PROBE, dir_fd=own_fd)
    except OSError as error:
        return _PROBLEMS.get(error.errno or 0, f"nothing can be exchanged there: {error.strerror}")
    finally:
        os.close(live_fd)
    return ""


def clear_probe(volumes: Volumes, volume: str, directory: str) -> None:
    """Remove what a probe left that was killed in a live directory."""
    with suppress(OSError):  # the directory may have gone, too
        live_fd = kernel.open_beneath(directory, os.O_RDONLY | os.O_DIRECTORY, dir_fd=volumes.root_fd)
        try:
            os.unlink(_PROBE, dir_fd=live_fd)
        finally:
            os.close(live_fd)
    with suppress(FileNotFoundError):
        os.unlink(_PROBE, dir_fd=volumes.own_fds[volume])


_PROBLEMS = {
    errno.EXDEV: "nothing can be moved in or out (another subvolume, project quota or encryption policy)",
    errno.EPERM: "nothing can be exchanged there (immutable or append-only directory)",
    errno.EROFS: "is read-only",
    errno.ENOTSUP: "its filesystem has no trusted attributes, by which a broken commit is told apart",
    errno.EINVAL: "its filesystem cannot exchange two names",
    errno.ENOSPC: "has no space left",
    errno.EDQUOT: "its quota is used up",
}


@contextmanager
def _opened_beneath(path: str, dir_fd: int) -> Iterator[int]:
    fd = kernel.open_beneath(path, os.O_RDONLY | os.O_DIRECTORY, dir_fd=dir_fd)
    try:
        yield fd
    finally:
        os.close(fd)
