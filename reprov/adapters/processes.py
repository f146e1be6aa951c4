"""The processes of a live node after an exchange: who runs what is no longer installed, and what decides about restarting it."""

import os
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from reprov.adapters.lock_holder import holds
from reprov.adapters.process_view import Process, processes
from reprov.domain.cgroups import home_of
from reprov.domain.mount_view import Mounted
from reprov.domain.never_restart import NodeFacts
from reprov.domain.services import Running

_PROC = Path("/proc")
_SESSIONS = Path("/run/systemd/sessions")
_GRAPHICAL = {"TYPE=x11", "TYPE=wayland", "TYPE=mir"}
_GUESTS = ("qemu", "kvm")
_OWN = "/.reprov/"
_LOCK = Path("/.reprov/lock")
_DELETED = " (deleted)"
# address perms offset device inode path
_CODE = re.compile(rb"^\S+ ..x. \S+ \S+ ([1-9]\d*) +(/.*)$", re.MULTILINE)
_INTERPRETERS = re.compile(r"(python|perl|ruby|bash|dash|sh|php|node)[0-9.]*")
_SCRIPT_WORDS = 4
_OF_TREES = ("usr", "opt", "etc", "lib", "lib64", "bin", "sbin")


def running_kernel() -> str:
    """The release of the running kernel, as in /usr/lib/modules."""
    return os.uname().release


def boot_id() -> str:
    """What tells one boot of the system from the next."""
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()


def node_facts() -> NodeFacts:
    """What decides whether some units may be restarted."""
    has_guests = False
    for process in processes():
        with suppress(OSError):
            has_guests = has_guests or process.name.startswith(_GUESTS)
    own = home_of((_PROC / "self/cgroup").read_text(errors="replace"))
    return NodeFacts(own.unit, has_guests, any(_GRAPHICAL & {*session} for session in _sessions()))


def _sessions() -> Iterator[list[str]]:
    """What logind tells of each session, line by line."""
    if not _SESSIONS.is_dir():
        return
    for file in _SESSIONS.iterdir():
        with suppress(OSError):  # it has ended
            if file.is_file():  # beside it lies a pipe that can be read when the session has ended, and not before
                yield file.read_text(errors="replace").splitlines()


def running_old(changed: Collection[str]) -> Iterator[Running]:
    """The processes that run what has been replaced, work in a directory that is no longer there, or lost a part of their sandbox.

    `changed` are the paths whose content an exchange has changed; what else is mapped from the old tree is the same file still.
    This process is none of them, and neither is one that has handed the node over to it: they end soon.
    """
    own = {os.getpid(), *((os.getppid(),) if holds(os.getppid(), _LOCK) else ())}
    lost: dict[str, Mounted | None] = {}
    for process in processes():
        if process.pid in own:
            continue
        with suppress(OSError):
            namespace = process.link("ns/mnt")
            if namespace not in lost:
                lost[namespace] = next((mount for mount in process.view().mounts if _is_displaced(mount)), None)
            mount = lost[namespace]
            old = {*_old_code(process.read("maps"), changed), *_old_script(process, changed)}
            cwd = process.link("cwd")
            works_in = live_path(cwd) if _OWN in cwd else ""
            if old or works_in or mount:
                where = (live_path(mount.point) or live_path(mount.inside)) if mount else ""
                yield Running(process.pid, process.name, process.home, tuple(sorted(old)), works_in, where)


def _is_displaced(mount: Mounted) -> bool:
    return _OWN in mount.point + "/" or _OWN in mount.inside + "/"


def _old_code(maps: bytes, changed: Collection[str]) -> Iterator[str]:
    """The paths of mapped code that is not what is installed any more."""
    if _OWN.encode() not in maps and _DELETED.encode() not in maps:
        return
    for inode, name in {*_CODE.findall(maps)}:
        path = os.fsdecode(name)
        is_gone = path.endswith(_DELETED)
        live = live_path(path)
        if live in changed:
            is_old = is_gone or _OWN in path
        else:
            # Of an exchange before the last, or of a package manager's: replaced, unless the same file has another name still.
            is_old = is_gone and bool(live) and not _is_inode(live, int(inode))
        if is_old:
            yield live


def live_path(path: str) -> str:
    """The relative path that something in one of reprov's trees has in the live one; of what is in no tree at all, ""."""
    volume, own, rest = path.removesuffix(_DELETED).partition(_OWN)
    if own:
        return f"{volume}/{rest.partition('/')[2]}".strip("/") if "/" in rest else ""
    return volume.strip("/") if volume.strip("/").partition("/")[0] in _OF_TREES else ""


def _is_inode(path: str, inode: int) -> bool:
    with suppress(OSError):
        return Path("/", path).stat().st_ino == inode
    return False


def _old_script(process: Process, changed: Collection[str]) -> Iterator[str]:
    """The script that an interpreter runs, where that has been replaced since: it began before /usr was exchanged."""
    if _OWN not in process.link("exe"):
        return
    words = [os.fsdecode(word) for word in process.read("cmdline").split(b"\0")[:_SCRIPT_WORDS]]
    if _INTERPRETERS.fullmatch(words[0].rpartition("/")[2]):
        yield from (word[1:] for word in words[1:] if word.startswith("/") and word[1:] in changed)
