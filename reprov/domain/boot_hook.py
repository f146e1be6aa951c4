"""What of reprov an initramfs carries, and how one is recognised that carries it: by a name in its listing.

Whoever makes an initramfs with the hook puts an empty file into it whose name ends in the digest of what it has put there, so that a
listing proves the content, and not only that there is a file of that name.
"""

import hashlib
from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from reprov.domain.kernels import Initramfs


class BootWay(StrEnum):
    """What carries out at the next boot what is armed."""

    INITRAMFS = "initramfs"
    """The hook in the initramfs, before anything of the root runs."""
    OFFLINE_UPDATE = "offline-update"
    """systemd, which starts little else for it and reboots: systemd.offline-updates(7)."""


class Hook(NamedTuple):
    """The hook of one program that makes an initramfs, as paths of a tree."""

    maker: str
    """What puts it into the image."""
    parts: tuple[str, ...]
    """What is in the image then, in the order in which it is digested."""


_AT_ROOT: Final = "usr/lib/reprov/boot/at-root"
_DRACUT: Final = "usr/lib/dracut/modules.d/90reprov"
_INITRAMFS_TOOLS: Final = "usr/share/initramfs-tools"
HOOKS: Final[Mapping[Initramfs, Hook]] = MappingProxyType(
    {
        Initramfs.INITRAMFS_TOOLS: Hook(f"{_INITRAMFS_TOOLS}/hooks/reprov", (f"{_INITRAMFS_TOOLS}/scripts/local-bottom/reprov", _AT_ROOT)),
        Initramfs.DRACUT: Hook(f"{_DRACUT}/module-setup.sh", (f"{_DRACUT}/reprov.sh", _AT_ROOT)),
    }
)
BOOTED_HOOK: Final = "run/reprov-boot-hook"
"""Where the hook of the initramfs that has started a system leaves its digest."""
_MARK: Final = "usr/lib/reprov/boot/hook-"

SYSTEM_UPDATE: Final = "system-update"
"""The link that has systemd make the next boot an offline update."""
SYSTEM_UPDATE_TARGET: Final = ".reprov"
UPDATE_UNIT: Final = "reprov-update.service"
SHIPPED_UNITS: Final = "usr/lib/systemd/system"
OWN_UNITS: Final = "etc/systemd/system"
UPDATE_WANTS: Final = "system-update.target.wants"
OFFLINE_PATHS: Final = frozenset(
    {SYSTEM_UPDATE, f"{OWN_UNITS}/{UPDATE_UNIT}", f"{OWN_UNITS}/{UPDATE_WANTS}", f"{OWN_UNITS}/{UPDATE_WANTS}/{UPDATE_UNIT}"}
)
"""Everything that an offline update may need on a node beside what its tree has."""

WANTED_BY: Final[Mapping[str, str]] = MappingProxyType(
    {
        "reprov-recover.service": "sysinit.target",
        UPDATE_UNIT: "system-update.target",
        "reprov-confirm.service": "multi-user.target",
    }
)
"""The units of a tree, each with the target that starts it."""


def digest_of(parts: Iterable[bytes]) -> str:
    """What the name of the mark ends in."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def carries(listing: str, digest: str) -> bool:
    """True when an image with this listing (of lsinitramfs or lsinitrd) holds the hook with this content."""
    return any(line.split(" ")[-1].lstrip("./") == _MARK + digest for line in listing.splitlines())
