"""Known work that changed paths ask for, whoever changes them."""

import re
from collections.abc import Iterable
from typing import Final

from reprov.domain.post_script import Work, WorkKind

_PATHS: Final = (
    (WorkKind.LDCONFIG, r"(usr/)?lib(32|64|x32)?/([^/]+-linux-[^/]+/)?[^/]+\.so\.[^/]+|etc/ld\.so\.conf(\.d/.+)?"),
    (WorkKind.SYSUSERS, r"(usr/lib|etc)/sysusers\.d/.+"),
    (WorkKind.TMPFILES, r"(usr/lib|etc)/tmpfiles\.d/.+"),
    (WorkKind.DAEMON_RELOAD, r"((usr/)?lib|etc)/systemd/system([.-][^/]+)?/.+|etc/init\.d/.+"),
    (WorkKind.UDEV, r"((usr/)?lib|etc)/udev/(rules|hwdb)\.d/.+"),
    (WorkKind.DEPMOD, r"(usr/)?lib/modules/.+"),
    (WorkKind.INITRAMFS, r"(usr/share|etc)/initramfs-tools/.+|(usr/lib|etc)/dracut(\.conf)?(\.d)?(/.+)?|(usr/)?lib/(modules|firmware)/.+"),
    (WorkKind.CA_CERTIFICATES, r"(usr|usr/local)/share/ca-certificates/.+|etc/ca-certificates(\.conf|/.+)"),
)
_PATTERNS: Final = tuple((kind, re.compile(pattern, re.DOTALL)) for kind, pattern in _PATHS)


def works_of_paths(paths: Iterable[str]) -> tuple[Work, ...]:
    """The work that changed paths (relative) ask for, with the first path of each, in the order in which it is done."""
    first: dict[WorkKind, str] = {}
    for path in sorted(paths):
        for kind, pattern in _PATTERNS:
            if kind not in first and pattern.fullmatch(path):
                first[kind] = path
    return tuple(Work(kind, f"/{first[kind]}") for kind in WorkKind if kind in first)
