"""The one door for programs: every other module that starts a program calls `run` or `spawn`.

argv stays a tuple, the environment is built from scratch (a caller's LANG, TMPDIR or RSYNC_* must not change
what a program prints or does), stdin is closed, and what ran is logged so that it can be pasted into a shell.
"""

import logging
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from reprov.domain.package_managers import ACTIVE
from reprov.errors import ReprovError

log = logging.getLogger("reprov.run")

_STDERR_SHOWN_BYTES = 1024
_ARGV_SHOWN_LENGTH = 200
_SBIN_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_KEPT_ENVIRONMENT = ("HOME", "SSH_AUTH_SOCK", "TERM")


class CommandFailed(ReprovError):
    """A program could not be started, was killed, or ended with a status that the caller did not call fine."""

    def __init__(self, argv: Sequence[str], status: int, stderr: bytes) -> None:
        said = stderr[-_STDERR_SHOWN_BYTES:].decode(errors="replace").strip()
        last_line = said.splitlines()[-1] if said else "it said nothing"
        super().__init__(f"{Path(argv[0]).name} failed with status {status}: {last_line}", hint=f"ran: {_shown(argv)}")
        self.argv = tuple(argv)
        self.status = status
        self.stderr = stderr


def _shown(argv: Sequence[str]) -> str:
    """The command line for a person; of a long one its beginning, all of it is what -v shows."""
    whole = shlex.join(argv)
    return whole if len(whole) <= _ARGV_SHOWN_LENGTH else f"{whole[:_ARGV_SHOWN_LENGTH]}... (reprov -v shows all of it)"


@dataclass(frozen=True, slots=True)
class Finished:
    """How a program ended: its status (one of the fine ones) and its output, bytes as written."""

    status: int
    stdout: bytes
    stderr: bytes


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment that programs get: fixed PATH and locale, the real package managers, the caller's HOME and ssh agent, `extra`."""
    kept = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
    return {"PATH": _SBIN_PATH, "LC_ALL": "C.UTF-8", **dict((ACTIVE,)), **kept, **(extra or {})}


def is_installed(program: str) -> bool:
    """True when `run` would find the program."""
    return shutil.which(program, path=environment()["PATH"]) is not None


def run(
    argv: Sequence[str],
    *,
    fine: Sequence[int] = (0,),
    stdin: bytes | None = None,
    extra_environment: Mapping[str, str] | None = None,
    timeout_s: float | None = None,
) -> Finished:
    """Run a program to its end and return its output.

    `fine` lists the statuses that are no failure (rsync's 24, grep's 1): the caller knows why.
    Raises `CommandFailed` for any other status, a missing program (127) or a time-out (124).
    """
    log.debug("run: %s", shlex.join(argv))
    try:
        done = subprocess.run(
            tuple(argv),
            input=stdin if stdin is not None else b"",
            capture_output=True,
            env=environment(extra_environment),
            timeout=timeout_s,
            check=False,
        )
    except FileNotFoundError:
        raise CommandFailed(argv, 127, f"{argv[0]}: not installed".encode()) from None
    except subprocess.TimeoutExpired:
        raise CommandFailed(argv, 124, f"no answer within {timeout_s} s".encode()) from None
    if done.returncode not in fine:
        raise CommandFailed(argv, done.returncode, done.stderr)
    return Finished(done.returncode, done.stdout, done.stderr)


@contextmanager
def spawn(
    argv: Sequence[str],
    *,
    stdin: IO[bytes] | None = None,
    stdout: int | None = None,
    stderr: IO[bytes] | int | None = None,
    extra_environment: Mapping[str, str] | None = None,
    own_session: bool = False,
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program whose stdout is read while it runs, or goes to a descriptor; it is killed when the block is left early.

    In its `own_session`, what somebody types at the terminal does not reach it.
    The caller waits and judges the status. Raises `CommandFailed` when the program is missing.
    """
    log.debug("spawn: %s", shlex.join(argv))
    try:
        process = subprocess.Popen(
            tuple(argv),
            stdin=stdin or subprocess.DEVNULL,
            stdout=subprocess.PIPE if stdout is None else stdout,
            stderr=subprocess.DEVNULL if stderr is None else stderr,
            env=environment(extra_environment),
            start_new_session=own_session,
        )
    except FileNotFoundError:
        raise CommandFailed(argv, 127, f"{argv[0]}: not installed".encode()) from None
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()
