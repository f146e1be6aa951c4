"""Which block device of this machine the source of a mount names."""

import os
import stat
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from reprov.adapters.run import CommandFailed, run
from reprov.domain.fstab import link_of, parse_blkid, tag_of

_DISKS = Path("/dev/disk")
_BLKID_TIMEOUT_S = 10


class Devices:
    """The devices that are there now; udev is asked, or blkid where no udev runs."""

    def number_of(self, source: str) -> str | None:
        """The device number ("8:1") of what a path or a tag like UUID=... names; None when it is no block device of this machine."""
        tag = tag_of(source)
        path = self._by_tag.get(tag) if tag and not _DISKS.is_dir() else link_of(source)
        try:
            status = Path(path).stat() if path else None
        except OSError:
            return None
        if status is None or not stat.S_ISBLK(status.st_mode):
            return None
        return f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"

    @cached_property
    def _by_tag(self) -> Mapping[tuple[str, str], str]:
        try:
            # 2: there is no device. Its cache file is left alone: it would be written to the machine's /run.
            said = run(("blkid", "-c", "/dev/null", "-o", "export"), fine=(0, 2), timeout_s=_BLKID_TIMEOUT_S)
        except CommandFailed:
            return {}
        return parse_blkid(said.stdout.decode("utf-8", "surrogateescape"))
