"""The cache of .deb files that all builds of a machine share."""

import os
import shlex
import shutil
from pathlib import Path

from reprov.adapters.sandbox import Sandbox, overlay_options

ARCHIVES = "var/cache/apt/archives"


def cache_folder(name: str = "debs") -> Path:
    """Where a cache of builds is: below $REPROV_CACHE or ~/.cache/reprov. It is made when missing."""
    top = Path(os.environ.get("REPROV_CACHE") or Path.home() / ".cache/reprov")
    folder = top.absolute() / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class DebCache:
    """A build's view of the cache: all of it is in apt's archives directory, what apt adds comes into the cache afterwards.

    An overlay rather than links: it costs nothing however large the cache is, works over filesystems, and two builds at a time
    do not fight for apt's lock. One view is mounted once.
    """

    def __init__(self, cache: Path, scratch: Path) -> None:
        self._cache = cache
        self._new = scratch / "new"
        self._work = scratch / "work"
        for folder in (self._new, self._work):
            folder.mkdir()

    def mount(self, box: Sandbox, root: Path) -> None:
        """Show the cache as the archives directory of a tree."""
        box.mount_overlay(self._cache, self._new, self._work, root / ARCHIVES)

    def mount_command(self) -> str:
        """The same as a shell command for mmdebstrap's hooks, which call the tree "$1"."""
        options = shlex.quote(overlay_options(self._cache, self._new, self._work))
        return f'mkdir -p "$1/{ARCHIVES}" && mount -n -t overlay -o {options} overlay "$1/{ARCHIVES}"'

    def unmount_command(self) -> str:
        """The end of `mount_command`."""
        return f'umount "$1/{ARCHIVES}"'

    def keep_new(self) -> None:
        """Move what was downloaded into the cache; a name appears there only when the file is complete."""
        for deb in sorted(self._new.glob("*.deb")):
            if not deb.is_file():
                continue  # a whiteout: apt removed it
            incoming = self._cache / f".{deb.name}.{os.getpid()}"
            shutil.copyfile(deb, incoming)
            incoming.replace(self._cache / deb.name)
