"""What must stay where it is on a node: mount points that wait, directories of OSDs, files that the kernel uses as devices."""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from reprov.adapters import kernel
from reprov.adapters.mounted_devices import read_swaps
from reprov.adapters.osd_directories import osd_places, read_osd_directories
from reprov.adapters.root_view import RootView
from reprov.domain.filesystems import is_lasting
from reprov.domain.fstab import MountEntry
from reprov.domain.ground import Standing, Waiting
from reprov.domain.mounts import Mount

_BLOCK = Path("/sys/block")
_DELETED = " (deleted)"


def read_standing(root: Path, root_fd: int, mounts: Iterable[Mount]) -> Standing:
    """Look at a root, where `mounts` are mounted. Opens no device."""
    view = RootView(root_fd)
    entries = view.fstab()
    mounted = {mount.path for mount in mounts}
    found = {directory.directory: directory for directory in read_osd_directories(view)[0] if directory.directory}
    return Standing(
        waiting={path: point for path, point in _mount_points(entries, root_fd) if path not in mounted},
        osds={path: found.get(path) for path in osd_places(view)},
        files=dict(_files_in_use(entries, root, view)),
    )


def _mount_points(entries: Iterable[MountEntry], root_fd: int) -> Iterator[tuple[str, Waiting]]:
    """The mount points of filesystems that last."""
    for entry in entries:
        if entry.is_mounted and any(map(is_lasting, entry.filesystem.split(","))):
            path = os.path.normpath(entry.mount_point).strip("/")
            place = _place_of(path, root_fd)
            if path and place != "":
                yield place or path, Waiting(place is not None, "noauto" not in entry.options)


def _place_of(path: str, root_fd: int) -> str | None:
    """Where the path leads in the root, as the mount table would have it; None when nothing is there."""
    try:
        fd = kernel.open_in_root(path, os.O_PATH, dir_fd=root_fd)
    except OSError:
        return None
    try:
        place, top = (Path(f"/proc/self/fd/{number}").readlink() for number in (fd, root_fd))
    finally:
        os.close(fd)
    return os.path.relpath(place, top) if place != top else ""


def _files_in_use(entries: Iterable[MountEntry], root: Path, view: RootView) -> Iterator[tuple[str, str]]:
    for entry in entries:
        use = "swap" if entry.filesystem == "swap" else "a filesystem" if "loop" in entry.options else ""
        path = entry.source.strip("/")
        if use and entry.source.startswith("/") and not entry.source.startswith("/dev/") and _is_file(view, path):
            yield path, use
    if os.fspath(root) == "/":
        yield from ((swap.path.strip("/"), "swap") for swap in read_swaps() if swap.is_file)
    for loop in _BLOCK.glob("loop*/loop/backing_file"):
        with suppress(OSError, ValueError):  # gone since it was listed; of another root
            file = Path(os.fsdecode(loop.read_bytes()).removesuffix("\n"))
            if not file.name.endswith(_DELETED):
                yield os.fspath(file.relative_to(root)), f"/dev/{loop.parts[-3]}"


def _is_file(view: RootView, path: str) -> bool:
    status = view.status(path)
    return status is not None and stat.S_ISREG(status.st_mode)
