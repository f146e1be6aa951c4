"""What speaks against exchanging trees under a running system: such a hop has to wait for a boot."""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from reprov.domain.comparison import Blocker, Change
from reprov.domain.entry import is_below
from reprov.domain.units import Op

# Debian's multiarch directories, the RPM family's lib64 and the biarch ones, in /usr and, where it is not merged, beside it.
_LIB = r"(usr/)?lib(32|64|x32)?/([^/]+/)?"
# What running processes keep using in its old version while everything that they start or load is new
# (reference: transaction-hazards, rows 13 and 23).
_NEEDS_BOOT = (
    ("the kernel", re.compile(r"boot/vmlinuz|(usr/)?lib/modules/")),
    ("the C library", re.compile(_LIB + r"(libc\.so\.6|libc-[^/]*\.so|ld-linux[^/]*|ld-[0-9.]*\.so|ld64\.so\.[0-9]+)$")),
    ("PID 1", re.compile(r"(usr/)?lib/systemd/systemd$|" + _LIB + r"systemd/libsystemd-(core|shared)[^/]*\.so$")),
    ("PAM or NSS modules", re.compile(_LIB + r"(security/[^/]*\.so|libnss_[^/]*\.so|libpam[^/]*\.so)")),
    ("the message bus", re.compile(r"(usr/)?bin/dbus-(daemon|broker)")),
    (
        "an interpreter that services run in",
        re.compile(r"usr/bin/(python3(\.\d+)?|perl(\d[^/]*)?)$|" + _LIB + r"lib(python3|perl)[^/]*\.so"),
    ),
)
AT_BOOT = "such a hop is committed at boot, which this version cannot do yet; do it from a rescue system with --root"


class Sandboxed(NamedTuple):
    """A process with a mount namespace of its own that has something mounted in a live tree."""

    pid: int
    name: str
    mount_point: str
    """Relative to the root."""


def blockers_of_live_commit(
    changes: Mapping[str, Change], ops: Iterable[Op], sandboxed: Iterable[Sandboxed], *, labels: bool
) -> list[Blocker]:
    """Why these exchanges must not happen under a running system; empty when they may. `labels`: SELinux is enabled on it."""
    found = []
    if labels:
        # A relabelling that walks into /.reprov would relabel the live files through their links (row 4).
        found.append(
            Blocker("", "is a node with SELinux, whose labels this version of reprov does not set", "wait for a version that does")
        )
    for what, pattern in _NEEDS_BOOT:
        path = next((path for path in changes if pattern.match(path)), None)
        if path is not None:
            found.append(Blocker(path, f"belongs to {what}, which cannot be exchanged under a running system", AT_BOOT))
    units = [op.path for op in ops]
    for process in sandboxed:
        if any(is_below(process.mount_point, unit) for unit in units):
            problem = f"is a mount in the sandbox of {process.name} ({process.pid}), which would lose it"
            found.append(Blocker(process.mount_point, problem, f"stop {process.name} first, or do it from a rescue system with --root"))
    return found
