"""Real filesystems on image files, in a mount namespace that ends with the test process, however it ends."""

import ctypes
import os
import subprocess
from pathlib import Path

_CLONE_NEWNS = 0x00020000
_MS_REC, _MS_PRIVATE = 0x4000, 0x40000
# The smallest that mkfs.xfs makes; the others leave room for what an upgrade sets aside. Images are sparse.
_SIZES_MIB = {"ext4": 128, "xfs": 320, "btrfs": 256}
_MKFS = {"ext4": ("mkfs.ext4", "-q", "-F"), "xfs": ("mkfs.xfs", "-q", "-f"), "btrfs": ("mkfs.btrfs", "-q", "-f")}


def enter_private_mount_namespace() -> None:
    """Nobody else sees what this process mounts from now on, and it is gone when the process is."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS) or libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None):
        raise OSError(ctypes.get_errno(), "cannot make a mount namespace")


class Filesystems:
    """Makes and mounts filesystems of one test; `close` unmounts whatever is left and removes the images."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._images: list[Path] = []
        self._points: list[Path] = []

    def make(self, kind: str, point: Path, *, size_mib: int = 0, mkfs: tuple[str, ...] = (), options: str = "loop") -> Path:
        """Mount a new, empty filesystem on a directory, which is made when it is missing."""
        image = self._folder / f"{len(self._images)}.{kind}"
        with image.open("wb") as file:
            file.truncate((size_mib or _SIZES_MIB[kind]) << 20)
        self._images.append(image)
        subprocess.run([*_MKFS[kind], *mkfs, str(image)], check=True, capture_output=True)
        return self._mount(point, "-o", options, str(image))

    def tmpfs(self, point: Path) -> Path:
        """Mount an empty tmpfs, whose top is like any directory."""
        return self._mount(point, "-t", "tmpfs", "-o", "mode=755", "none")

    def overlay(self, lower: Path, point: Path) -> Path:
        """Mount an overlay whose changes go nowhere that lasts."""
        upper, work = self._folder / "upper", self._folder / "work"
        for folder in (upper, work):
            folder.mkdir()
        return self._mount(point, "-t", "overlay", "-o", f"lowerdir={lower},upperdir={upper},workdir={work}", "none")

    def bind(self, source: Path, point: Path) -> Path:
        """Mount a file or a directory at a second place, which must exist."""
        return self._mount(point, "--bind", str(source))

    def remount(self, point: Path, options: str) -> None:
        """Change the options of a mount, as in "ro"."""
        subprocess.run(["mount", "-o", f"remount,{options}", str(point)], check=True)

    def unmount(self, point: Path) -> None:
        """Unmount what was mounted last on a directory."""
        subprocess.run(["umount", str(point)], check=True)
        self._points.remove(point)

    def close(self) -> None:
        """Unmount everything, the last first. A mount that is busy goes lazily, and is an error all the same."""
        busy = []
        for point in reversed(self._points):
            if subprocess.run(["umount", str(point)], check=False, capture_output=True).returncode:
                subprocess.run(["umount", "--lazy", str(point)], check=False)
                busy.append(os.fspath(point))
        for image in self._images:
            image.unlink(missing_ok=True)
        assert not busy, f"something keeps {', '.join(busy)} busy"

    def _mount(self, point: Path, *words: str) -> Path:
        if not point.exists():
            point.mkdir(parents=True)
        subprocess.run(["mount", *words, str(point)], check=True)
        self._points.append(point)
        return point
