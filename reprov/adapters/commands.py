"""Running an operator's programs on a node: what it is to run one, wherever that is, and how it is done in a root that is not running."""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from reprov.adapters.confined import run_confined
from reprov.adapters.guard_space import GuardSpace
from reprov.adapters.run import CommandFailed, spawn
from reprov.adapters.sandbox import sandbox

TIMED_OUT: Final = 124
_READ_BYTES: Final = 1 << 16
_OPERATORS_HOME: Final = "/root"


class Ended(NamedTuple):
    """How a program ended."""

    status: int
    """128 and the signal when one ended it, as shells have it."""
    said: str
    """The end of what it wrote to stdout and stderr; all of it is in the log."""
    elapsed_s: float


class Commands(Protocol):
    """A place where programs run in a node's root, and what they leave running is ended with them."""

    def run(self, argv: Sequence[str], *, stdout_fd: int, stderr_fd: int, extra_environment: Mapping[str, str], timeout_s: float) -> int:
        """Run one to its end and return its status.

        Raises `CommandFailed` (124) after the time-out, another `ReprovError` when it was stopped.
        """


@dataclass(frozen=True, slots=True)
class SandboxedCommands:
    """In a root that is not the running system: a chroot in namespaces of its own for each program, without devices and services."""

    root: Path

    def run(self, argv: Sequence[str], *, stdout_fd: int, stderr_fd: int, extra_environment: Mapping[str, str], timeout_s: float) -> int:
        """See `Commands`."""
        with sandbox() as box:
            box.mount_system(self.root)
            inside = box.inside(("chroot", os.fspath(self.root), *argv))
            with spawn(inside, stdout=stdout_fd, stderr=stderr_fd, extra_environment=extra_environment) as process:
                try:
                    status = process.wait(timeout_s)
                except subprocess.TimeoutExpired:
                    raise CommandFailed(argv, TIMED_OUT, f"not finished within {timeout_s} s".encode()) from None
        return 128 - status if status < 0 else status


@dataclass(frozen=True, slots=True)
class LiveCommands:
    """On the running system, where it has no data device: in the control group of a space, which ends what a program leaves running."""

    space: GuardSpace

    def run(self, argv: Sequence[str], *, stdout_fd: int, stderr_fd: int, extra_environment: Mapping[str, str], timeout_s: float) -> int:
        """See `Commands`."""
        return run_confined(
            self.space, argv, stdout_fd=stdout_fd, stderr_fd=stderr_fd, extra_environment=extra_environment, timeout_s=timeout_s
        )


def run_logged(commands: Commands, argv: Sequence[str], log: Path, timeout_s: float, environment: Mapping[str, str]) -> Ended:
    """Run a program whose output goes to a log. Raises as `Commands.run`."""
    started_at = time.monotonic()
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        extra = {"HOME": _OPERATORS_HOME, **environment}
        status = commands.run(argv, stdout_fd=fd, stderr_fd=fd, extra_environment=extra, timeout_s=timeout_s)
    finally:
        os.close(fd)
    return Ended(status, end_of(log), time.monotonic() - started_at)


def end_of(log: Path) -> str:
    """The last part of a log, as text; "" when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _READ_BYTES))
            return file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
