"""The processes of a live node, as far as an exchange of trees concerns them."""

from collections.abc import Iterator
from pathlib import Path

from reprov.domain.guards import Sandboxed
from reprov.domain.mounts import parse_mountinfo

_PROC = Path("/proc")


def has_selinux() -> bool:
    """True when the running kernel enforces or records SELinux labels."""
    return Path("/sys/fs/selinux/enforce").exists()


def sandboxed_processes() -> Iterator[Sandboxed]:
    """Every mount that a process outside PID 1's mount namespace has and PID 1 has not; one process for each namespace."""
    own_namespace = (_PROC / "1/ns/mnt").readlink()
    common = {mount.path for mount in parse_mountinfo((_PROC / "1/mountinfo").read_bytes().decode("latin-1"), "")}
    seen = {own_namespace}
    for process in _PROC.iterdir():
        if not process.name.isdigit():
            continue
        try:
            namespace = (process / "ns/mnt").readlink()
            if namespace in seen:
                continue
            seen.add(namespace)
            name = (process / "comm").read_text(errors="replace").strip()
            mounts = parse_mountinfo((process / "mountinfo").read_bytes().decode("latin-1"), "")
        except OSError:
            continue  # it ended while we looked
        for mount in mounts:
            if mount.path not in common:
                yield Sandboxed(int(process.name), name, mount.path)
