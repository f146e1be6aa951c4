"""What stands in the way of writing to the directories that a node boots from."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from reprov.adapters import kernel
from reprov.adapters.files import opened_directory


class Obstacle(NamedTuple):
    """A path that cannot be written, and why."""

    path: str
    problem: str
    hint: str


def obstacles(root: Path, directory: str, names: tuple[str, ...] = ()) -> Iterator[Obstacle]:
    """Why nothing can be written into a directory of a root, nor over these files in it; it is only looked at."""
    place = Path("/", directory)
    with opened_directory((root / directory).resolve()) as fd:
        if os.fstatvfs(fd).f_flag & os.ST_RDONLY:
            yield Obstacle(directory, "is read-only", f"mount -o remount,rw {place}")
        for name in ("", *names):
            path = f"{directory}/{name}".rstrip("/")
            try:
                flags = kernel.fixed_flags(name or ".", dir_fd=fd)
            except FileNotFoundError:
                continue
            if flags:
                what, letter = ("immutable", "i") if flags & kernel.IMMUTABLE else ("append-only", "a")
                yield Obstacle(path, f"is {what} (chattr), and has to be written", f"chattr -{letter} {Path('/', path)}")


def free_bytes(root: Path, directory: str) -> int:
    """What is free for root on the filesystem of a directory."""
    status = os.statvfs(root / directory)
    return status.f_bfree * status.f_frsize


def same_filesystem(root: Path, first: str, second: str) -> bool:
    """True when two directories lie on one filesystem."""
    return (root / first).stat().st_dev == (root / second).stat().st_dev
