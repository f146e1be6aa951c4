"""One process as /proc shows it, held by its directory: its number may be another's a moment later."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from reprov.domain.cgroups import Home, home_of
from reprov.domain.mount_view import MountView

_PROC = Path("/proc")
_BLOCK_BYTES = 1 << 16


class Process:
    """Reading about a process raises `OSError` once it has ended."""

    def __init__(self, pid: int, fd: int) -> None:
        self.pid = pid
        self.fd = fd

    def link(self, name: str) -> str:
        """Where one of its links points: exe, cwd, ns/mnt, fd/3."""
        return os.readlink(name, dir_fd=self.fd)

    def read(self, name: str) -> bytes:
        """The content of one of its files."""
        file = os.open(name, os.O_RDONLY, dir_fd=self.fd)
        try:
            parts = []
            while part := os.read(file, _BLOCK_BYTES):
                parts.append(part)
            return b"".join(parts)
        finally:
            os.close(file)

    def names(self, name: str) -> list[str]:
        """What is in one of its directories."""
        directory = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=self.fd)
        try:
            return os.listdir(directory)
        finally:
            os.close(directory)

    @property
    def name(self) -> str:
        """What it is called."""
        return self.read("comm").decode(errors="replace").strip()

    @property
    def home(self) -> Home:
        """Its unit."""
        return home_of(self.read("cgroup").decode(errors="replace"))

    def view(self) -> MountView:
        """What is mounted where it is."""
        return MountView(self.read("mountinfo").decode("latin-1"))


def processes() -> Iterator[Process]:
    """Every process that is a program; threads of the kernel have none. Each is to be looked at before the next is asked for."""
    for number in os.listdir(_PROC):
        if number.isdigit():
            with suppress(OSError):
                fd = os.open(_PROC / number, os.O_RDONLY | os.O_DIRECTORY)
                try:
                    process = Process(int(number), fd)
                    process.link("exe")
                    yield process
                finally:
                    os.close(fd)


def process(pid: int) -> Process:
    """One process, whose `fd` the caller closes."""
    return Process(pid, os.open(_PROC / str(pid), os.O_RDONLY | os.O_DIRECTORY))
