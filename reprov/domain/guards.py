"""What speaks against exchanging trees under a running system: such a hop has to wait for a boot."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from reprov.domain.cgroups import Home
from reprov.domain.comparison import Action, Blocker, Change
from reprov.domain.entry import ancestors_of
from reprov.domain.never_restart import NodeFacts, stay_of_home
from reprov.domain.units import Op, OpKind

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
AT_BOOT = "commit it at the next boot: --commit boot"


class UseKind(StrEnum):
    """How a process holds on to a path of a live tree."""

    MOUNT = "mount"
    """It is a mount point in the process's own mount namespace."""
    BIND = "bind"
    """It is mounted somewhere else, or lies below an overlay."""
    WRITES = "writes"
    MAPS = "maps"
    """Shared and writable."""
    SOCKET = "socket"
    FIFO = "fifo"


class Use(NamedTuple):
    """A process that holds on to a path."""

    kind: UseKind
    path: str
    """Relative to the root."""
    pid: int
    name: str
    home: Home
    is_directory: bool = False
    where: str = ""
    """Of a bind: the mount point, as the process sees it."""


_WORDS = {
    UseKind.MOUNT: "is a mount in the sandbox of {name} ({pid}), which would lose it",
    UseKind.BIND: "is mounted at {where} for {name} ({pid}), which would keep the old one",
    UseKind.WRITES: "is open for writing in {name} ({pid}), which would go on in the old one",
    UseKind.MAPS: "is mapped for writing by {name} ({pid}), which would go on in the old one",
    UseKind.SOCKET: "is a socket that {name} ({pid}) listens on, which nobody would find any more",
    UseKind.FIFO: "is a FIFO that {name} ({pid}) has open, which nobody would find any more",
}


def blockers_of_live_commit(
    changes: Mapping[str, Change],
    ops: Collection[Op],
    linked: Collection[str],
    rebuilt: Collection[str],
    uses: Iterable[Use],
    facts: NodeFacts,
) -> list[Blocker]:
    """Why these exchanges must not happen under a running system, and have to wait for its boot; empty when they may.

    `linked` and `rebuilt` are what of the node's comes along (units.Swaps). A service whose sandbox loses a mount is restarted
    afterwards, and no blocker.
    """
    found = []
    for what, path in needing_boot(changes):
        found.append(Blocker(path, f"belongs to {what}, which cannot be exchanged under a running system", AT_BOOT))
    ground = _Ground(ops, linked, rebuilt)
    for use in uses:
        if ground.takes_away(use):
            stay = stay_of_home(use.home, facts)
            if use.kind in (UseKind.MOUNT, UseKind.BIND) and stay is None:
                continue
            problem = _WORDS[use.kind].format(name=use.name, pid=use.pid, where=use.where)
            why = f" ({stay.reason})" if stay and use.kind is UseKind.MOUNT else ""
            unit = f"systemctl stop {use.home.unit}" if use.home.unit.endswith(".service") else f"stop {use.name}"
            found.append(Blocker(use.path, problem + why, f"{unit} first, or commit it at the next boot: --commit boot"))
    return found


def blockers_of_modules(changes: Mapping[str, Change], kernel: str) -> list[Blocker]:
    """What must not be taken from the kernel that runs, and that will run at the boot of a commit; `kernel` is its release."""
    problem = "has the modules of the running kernel, which could load none any more"
    hint = "boot a kernel that the release has, or keep the directory by a *.exclude list"
    folders = (f"usr/lib/modules/{kernel}", f"lib/modules/{kernel}")
    return [Blocker(folder, problem, hint) for folder in folders if folder in changes and changes[folder].action is Action.DELETE]


def needing_boot(paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    """What of the running system is changed that only a boot renews, each with the first of these paths that belongs to it."""
    known = tuple(paths)
    for what, pattern in _NEEDS_BOOT:
        path = next((path for path in known if pattern.match(path)), None)
        if path is not None:
            yield what, path


class _Ground:
    """What leaves with the old tree, and what of it is the node's and comes along as the same inode."""

    def __init__(self, ops: Collection[Op], linked: Collection[str], rebuilt: Collection[str]) -> None:
        self._swapped = {op.path for op in ops if op.kind is not OpKind.CARRY}
        self._carried = {op.path for op in ops if op.kind is OpKind.CARRY}
        self._linked = {*linked}
        self._rebuilt = {*rebuilt}

    def takes_away(self, use: Use) -> bool:
        """True when what the process holds would be another thing than what the path means afterwards."""
        for path in (use.path, *reversed(ancestors_of(use.path))):
            if path in self._swapped:
                return True
            if path in self._carried:
                return False
            # What comes along as a link is the same inode; a mount is on the name, though, and a directory is made again.
            if use.kind is not UseKind.MOUNT and (path in self._linked or (path in self._rebuilt and not use.is_directory)):
                return False
        return False
