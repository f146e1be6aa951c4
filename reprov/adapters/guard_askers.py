"""What is known of a process that asks, or that the kernel stopped: its command line, what started it, what its words lead to."""

import errno
import os
import re
import stat
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reprov.adapters.kernel import open_in_root
from reprov.domain.guard import GuardedDevice, Target

_OWN_DESCRIPTOR: Final = re.compile(r"/dev/(std(?P<name>in|out|err)|fd/(?P<number>\d+))|/proc/self/fd/(?P<other>\d+)")
_NVME_PATH: Final = re.compile(r"(nvme\d+)c\d+(n\d+)")
"""One of several ways to a namespace, which is a block device by the name without it."""
_STANDARD: Final = {"in": "0", "out": "1", "err": "2"}
_MISSING: Final = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)


def command_line(pid: int) -> tuple[str, ...]:
    """The words that a process was started with; none when it is gone."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]
    except OSError:
        return ()
    return tuple(map(os.fsdecode, words))


def parent_of(pid: int) -> int:
    """The process that started another; 0 when that is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return 0
    return int(text.rpartition(b")")[2].split()[1])  # its name may hold anything, but is in brackets


def look_at(words: Sequence[str], pid: int, guarded: Mapping[int, GuardedDevice]) -> tuple[Target, ...]:
    """What the words of a process lead to, in its own root and working directory; `guarded` goes by device number (`st_rdev`)."""
    try:
        process = _Process.of(pid)
    except OSError as error:
        return tuple(Target(word, error=_why(error)) for word in words)
    with closing(process):
        return tuple(_look_at(word, process, guarded) for word in words)


@dataclass(frozen=True, slots=True)
class _Process:
    pid: int
    root_fd: int
    folder: Path
    """Its working directory, as its root has it."""

    @classmethod
    def of(cls, pid: int) -> "_Process":
        root, folder = (Path(f"/proc/{pid}/{link}").readlink() for link in ("root", "cwd"))
        if folder.is_relative_to(root):
            folder = "/" / folder.relative_to(root)
        return cls(pid, os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY), folder)

    def close(self) -> None:
        os.close(self.root_fd)

    def status(self, word: str) -> os.stat_result:
        own = _OWN_DESCRIPTOR.fullmatch(word)
        if own:
            number = _STANDARD.get(own["name"] or "") or own["number"] or own["other"]
            return Path(f"/proc/{self.pid}/fd/{number}").stat()
        fd = open_in_root(os.fspath(self.folder / word), os.O_PATH, dir_fd=self.root_fd)
        try:
            return os.fstat(fd)
        finally:
            os.close(fd)


def _look_at(word: str, process: _Process, guarded: Mapping[int, GuardedDevice]) -> Target:
    try:
        status = process.status(word)
    except OSError as error:
        return Target(word, error="" if error.errno in _MISSING else _why(error))
    except ValueError:
        return Target(word)  # a NUL: no path
    if stat.S_ISBLK(status.st_mode):
        return Target(word, guarded.get(status.st_rdev))
    if stat.S_ISCHR(status.st_mode):
        return Target(word, behind_controller(status.st_rdev, guarded))
    return Target(word)


def _why(error: OSError) -> str:
    return error.strerror or "it cannot be looked at"


def behind_controller(number: int, guarded: Mapping[int, GuardedDevice], sysfs: Path = Path("/sys")) -> GuardedDevice | None:
    """A guarded device that is reached through a character device, too: the namespaces of /dev/nvme0, the disk of /dev/sg0."""
    place = sysfs / f"dev/char/{os.major(number)}:{os.minor(number)}"
    for entry in (*place.glob("nvme*n*"), *place.glob("device/block/*")):
        name = _NVME_PATH.sub(r"\1\2", entry.name)
        try:
            major, minor = (sysfs / "class/block" / name / "dev").read_text().split(":")
        except OSError:
            continue
        if device := guarded.get(os.makedev(int(major), int(minor))):
            return device
    return None
