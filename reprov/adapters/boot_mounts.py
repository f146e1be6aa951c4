"""Filesystems of a node that are needed before it mounts them itself."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from reprov.adapters.mounts import read_mounts
from reprov.adapters.run import CommandFailed, run

_TIMEOUT_S: Final = 120


@contextmanager
def mounted(paths: Sequence[str]) -> Iterator[None]:
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
