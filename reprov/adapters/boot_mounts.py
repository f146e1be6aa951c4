"""Filesystems of a node that are needed before it mounts them itself."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from reprov.adapters.files import opened_directory
from reprov.adapters.mounts import read_mounts
from reprov.adapters.root_view import RootView
from reprov.adapters.run import CommandFailed, run

_TIMEOUT_S: Final = 120


def mount_points(root: Path) -> frozenset[str]:
    """Where the fstab of a root mounts something."""
    with opened_directory(root) as root_fd:
        return frozenset(entry.mount_point.strip("/") for entry in RootView(root_fd).fstab())


@contextmanager
def mounted(paths: Collection[str]) -> Iterator[None]:
    """Have these mount points of / mounted as its fstab says while the block lasts, those that are not. Raises `CommandFailed`."""
    mine: list[str] = []
    try:
        for path in sorted(paths):
            if path not in {mount.path for mount in read_mounts(Path("/"))}:
                _mount(path)
                mine.append(path)
        yield
    finally:
        for path in reversed(mine):
            # A lazy one lets the boot go on with whatever holds it; everything has been synced by then.
            if not _does("umount", f"/{path}"):
                _does("umount", "--lazy", f"/{path}")


def _mount(path: str) -> None:
    if _does("mount", f"/{path}"):
        return
    # An initramfs activates the volumes that the root lies on, and no more.
    _does("vgchange", "-aay", "--sysinit")
    run(("mount", f"/{path}"), timeout_s=_TIMEOUT_S)


def _does(*argv: str) -> bool:
    try:
        run(argv, timeout_s=_TIMEOUT_S)
    except CommandFailed:
        return False
    return True
