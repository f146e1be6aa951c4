"""Running a command in a place that nothing it starts can leave or outlive, and looking at it while it runs."""

import os
import select
import time
from collections.abc import Mapping, Sequence
from typing import IO, Final, Protocol

from reprov.adapters.run import CommandFailed, spawn

_COUNT_AGAIN_S: Final = 0.05


class Space(Protocol):
    """A control group with whatever else confines a command."""

    def confined(self, argv: Sequence[str]) -> tuple[str, ...]:
        """The command line that runs a program in it."""

    def crowd(self) -> int:
        """How many processes are in it."""

    def kill(self) -> None:
        """End all of them."""


class Look(Protocol):
    """Looks at a command that runs, by the number of its first process."""

    def __call__(self, first_pid: int) -> float | None:
        """After how many seconds to look again at the latest; None: the command is to be stopped."""


def look_away(first_pid: int) -> float | None:
    """For a command that nobody needs to look at."""
    return 1.0


def run_confined(
    space: Space,
    argv: Sequence[str],
    *,
    stdout_fd: int,
    stderr_fd: int,
    stdin: IO[bytes] | None = None,
    extra_environment: Mapping[str, str] | None = None,
    timeout_s: float | None = None,
    max_processes: int | None = None,
    fds: Sequence[int] = (),
    look: Look = look_away,
) -> int:
    """Run a command to its end and return its status (128 and the signal, as shells have it, when one ended it).

    `look` is called whenever one of `fds` is readable. What still runs when the command has ended, or is stopped, is killed. Raises
    `CommandFailed`: 124 after the time-out, 125 when there are more processes than allowed.
    """
    until = None if timeout_s is None else time.monotonic() + timeout_s
    count_at = time.monotonic()
    with spawn(space.confined(argv), stdin=stdin, stdout=stdout_fd, stderr=stderr_fd, extra_environment=extra_environment) as process:
        ended_fd = os.pidfd_open(process.pid)
        try:
            wait_s = look(process.pid)
            while process.poll() is None and wait_s is not None:
                now = time.monotonic()
                if until is not None and now > until:
                    raise CommandFailed(argv, 124, f"not finished within {timeout_s} s".encode())
                if max_processes is not None and now >= count_at:
                    if space.crowd() > max_processes:
                        raise CommandFailed(argv, 125, f"it had more than {max_processes} processes at a time".encode())
                    count_at = now + _COUNT_AGAIN_S
                limits = [wait_s, *([_COUNT_AGAIN_S] if max_processes is not None else []), *([until - now] if until is not None else [])]
                select.select((*fds, ended_fd), (), (), max(0.0, min(limits)))
                wait_s = look(process.pid)
        finally:
            os.close(ended_fd)
            space.kill()
        status = process.wait()
    return 128 - status if status < 0 else status
