"""Wrappers over every program that could write to a disk: each asks this process before it starts the program itself.

A wrapper lies over the program's own path, in the mount namespace of the guard alone, so a script meets it by absolute path and without
PATH, too. It is a few lines for sh and needs mkfifo; where no answer comes, the program does not start.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from reprov.adapters.guard_space import GuardSpace
from reprov.adapters.kernel import open_in_root
from reprov.domain.disk_commands import is_disk_command

_PROGRAM_FOLDERS: Final = ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin")
_WRAPPER: Final = """\
#!/bin/sh
# reprov guards the data devices of this node: it says whether this program may start.
name=${{0##*/}}
answer={folder}/answers/$$
if /usr/bin/mkfifo -m 600 "$answer" && echo "$$" > {folder}/ask && read -r verdict < "$answer" && [ "$verdict" = go ]; then
    exec {folder}/as/{number}/"$name" "$@"
fi
echo "$name: reprov guards the data devices of this node and did not answer" >&2
exit 126
"""
# A few dozen mounts: one shell for all of them. Arguments: the folder, then the path of each program by its number.
_MOUNT = """\
folder=$1; shift; number=0
for program; do
    mount -n --bind "$program" "$folder/real/$number"
    mount -n --bind "$folder/wrappers/$number" "$program"
    number=$((number + 1))
done
"""


@dataclass(slots=True)
class Wrappers:
    """Wrappers in place."""

    folder: Path
    """Theirs, as this process reaches it."""
    ask_fd: int
    """Readable when one of them has asked."""
    _waiting: list[int] = field(default_factory=list)

    def asked(self) -> list[int]:
        """The processes that wait for an answer since the last time; never waits itself.

        A number is what the asker takes for its own, or 0 for what is none: anybody can write there.
        """
        try:
            words = os.read(self.ask_fd, 4096).split()  # a few bytes each: written at once, read at once
        except BlockingIOError:
            return []
        return [int(word) if word.isdigit() else 0 for word in words]

    def let_go(self, pid: int) -> None:
        """Let a process start its program, at once or with the next `deliver`."""
        self._waiting.append(pid)
        self.deliver()

    def deliver(self) -> bool:
        """Answer those that were not reading yet; True when there is none left."""
        self._waiting = [pid for pid in self._waiting if not self._delivered(pid)]
        return not self._waiting

    def _delivered(self, pid: int) -> bool:
        answer = self.folder / "answers" / str(pid)
        try:
            fd = os.open(answer, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        except OSError as error:
            return error.errno != errno.ENXIO  # else: it has asked, and does not listen yet
        try:
            os.write(fd, b"go\n")
        except BrokenPipeError:
            pass  # it was killed
        finally:
            os.close(fd)
        answer.unlink(missing_ok=True)
        return True


@contextmanager
def wrappers(space: GuardSpace) -> Iterator[Wrappers]:
    """Lay a wrapper over every disk command of the root, in its space. Raises `CommandFailed`."""
    inside, names = Path("/", space.folder.relative_to(space.root)), _programs(space.root)
    space.run(("mount", "-n", "-t", "tmpfs", "-o", "mode=0755,nosuid,nodev", "reprov-guard", os.fspath(space.folder)))
    folder = space.view(space.folder)
    for name, mode in {"answers": 0o1777, "as": 0o755, "real": 0o755, "wrappers": 0o755}.items():
        _make(folder / name, mode)
    for number, aliases in enumerate(names.values()):
        (folder / "real" / str(number)).touch()
        wrapper = folder / "wrappers" / str(number)
        wrapper.write_text(_WRAPPER.format(folder=inside, number=number))
        wrapper.chmod(0o755)
        _make(folder / "as" / str(number), 0o755)
        for alias in aliases:
            (folder / "as" / str(number) / alias).symlink_to(f"../../real/{number}")
    os.mkfifo(folder / "ask")
    (folder / "ask").chmod(0o622)
    ask_fd = os.open(folder / "ask", os.O_RDWR | os.O_NONBLOCK)  # both: else it is at its end whenever nobody asks
    try:
        space.run(("sh", "-euc", _MOUNT, "sh", os.fspath(space.folder), *names))
        yield Wrappers(folder, ask_fd)
    finally:
        os.close(ask_fd)


def _make(folder: Path, mode: int) -> None:
    """A directory of this mode whatever the umask is: users without privileges start disk commands, too."""
    folder.mkdir()
    folder.chmod(mode)


def _programs(root: Path) -> dict[str, list[str]]:
    """The disk commands of a root: path without symlinks, and the names that lead there (several for LVM)."""
    found: dict[str, list[str]] = {}
    root_fd = os.open(root, os.O_PATH | os.O_DIRECTORY)
    try:
        for place in _PROGRAM_FOLDERS:
            try:
                folder_fd = open_in_root(place, os.O_RDONLY | os.O_DIRECTORY, dir_fd=root_fd)
            except OSError:
                continue
            try:
                names = sorted(filter(is_disk_command, os.listdir(folder_fd)))
            finally:
                os.close(folder_fd)
            for name in names:
                path = _resolved(f"{place}/{name}", root_fd)
                if path and name not in found.setdefault(path, []):
                    found[path].append(name)
    finally:
        os.close(root_fd)
    return found


def _resolved(path: str, root_fd: int) -> str:
    """The path without symlinks, as the machine sees it; "" for a symlink that leads nowhere."""
    try:
        fd = open_in_root(path, os.O_PATH, dir_fd=root_fd)
    except OSError:
        return ""
    try:
        return os.fspath(Path(f"/proc/self/fd/{fd}").readlink())
    finally:
        os.close(fd)
