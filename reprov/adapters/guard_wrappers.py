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
from reprov.adapters.program_covers import cover, make_folder
from reprov.domain.disk_commands import is_disk_command

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
    space.run(("mount", "-n", "-t", "tmpfs", "-o", "mode=0755,nosuid,nodev", "reprov-guard", os.fspath(space.folder)))
    folder = space.view(space.folder)
    make_folder(folder / "answers", 0o1777)
    os.mkfifo(folder / "ask")
    (folder / "ask").chmod(0o622)
    ask_fd = os.open(folder / "ask", os.O_RDWR | os.O_NONBLOCK)  # both: else it is at its end whenever nobody asks
    try:
        cover(space, is_disk_command, lambda inside, number: _WRAPPER.format(folder=inside, number=number))
        yield Wrappers(folder, ask_fd)
    finally:
        os.close(ask_fd)
