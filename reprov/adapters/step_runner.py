"""Running the steps after a commit: each a process of its own, with its log, its time, and what it asked for."""

import os
import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from reprov.adapters.program_covers import MountSpace
from reprov.adapters.run import CommandFailed
from reprov.adapters.step_files import StepFiles
from reprov.adapters.step_space import RunStep
from reprov.adapters.step_wrappers import take_records
from reprov.domain.collected import read
from reprov.domain.failing_line import complained_line, traced_line
from reprov.domain.post_script import Step
from reprov.domain.step_end import StepEnd
from reprov.errors import ReprovError

MAX_PROCESSES: Final = 4096
"""At a time, of one step: what has more is out of hand."""

_ENVIRONMENT: Final = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root"}
# Not a child of ours: a script may kill its parent. Without the right to end the system behind everybody's back.
_APART: Final = ("setpriv", "--bounding-set", "-sys_boot", "--", "setsid", "--fork", "--wait", "env", "-i")
_START: Final = 'umask 022; ulimit -c 0; cd / && unset OLDPWD && exec "$@"'
_LOG_BYTES: Final = 8 << 20
_TAIL_BYTES: Final = 1 << 16
_READ_BYTES: Final = 1 << 16
_DRAIN_TIMEOUT_S: Final = 30.0
_TIMED_OUT: Final = 124


class StepRunner:
    """Runs steps in a space that was prepared for them."""

    def __init__(self, space: MountSpace, files: StepFiles, run: RunStep, logs: Path) -> None:
        self._space = space
        self._files = files
        self._run = run
        self._logs = logs

    def run(self, step: Step, number: int) -> StepEnd:
        """Run one to its end, whatever that is. Raises `OSError` when the disk fails, `ReprovError` when not even killing helps."""
        log = self._logs / f"{number:03}-{step.script.replace('/', '-')[:150]}.log"
        command, file = self._files.lay(step, number)
        environment = [f"{name}={value}" for name, value in {**_ENVIRONMENT, **dict(step.environment)}.items()]
        argv = (*_APART, *environment, "sh", "-c", _START, "sh", *command, *step.arguments)
        problem = ""
        take_records(self._space)  # of what was killed late
        began = time.monotonic()
        with _drained(log, self._files.trace_fd, file) as output, _stdin(step.stdin) as stdin:
            try:
                status = self._run(
                    argv,
                    stdin=stdin,
                    stdout_fd=output.fd,
                    stderr_fd=output.fd,
                    timeout_s=step.timeout_s,
                    max_processes=MAX_PROCESSES,
                )
            except CommandFailed as error:
                status, problem = error.status, error.stderr.decode(errors="replace")
                if status == _TIMED_OUT:
                    problem = f"it did not end within {step.timeout_s} s"
            except ReprovError as error:  # the guard has refused something
                status, problem = error.exit_code, error.message
        elapsed_s = time.monotonic() - began
        line = output.line or complained_line(output.tail, file)
        collected = read(take_records(self._space), step.package, step.script)
        return StepEnd(status, problem, line, output.last_line, elapsed_s, os.fspath(log), collected)


class _Output:
    """What a step says, read as it comes: into its log, and its end into memory. A full disk ends the log, not the reading."""

    def __init__(self, fd: int, file: str) -> None:
        self.fd = fd
        self.line: int | None = None
        self._file = file
        self._tail = b""
        self._begun = b""
        self._left_bytes = _LOG_BYTES

    @property
    def tail(self) -> str:
        """The end of the output."""
        return self._tail.decode(errors="replace")

    @property
    def last_line(self) -> str:
        """The last line that says anything."""
        return next((line.strip() for line in reversed(self.tail.splitlines()) if line.strip()), "")

    def take(self, some: bytes, log: IO[bytes]) -> None:
        """A part of the output."""
        self._tail = (self._tail + some)[-_TAIL_BYTES:]
        if self._left_bytes > 0:
            with suppress(OSError):
                log.write(some[: self._left_bytes])
            self._left_bytes -= len(some)
            if self._left_bytes <= 0:
                with suppress(OSError):
                    log.write(b"\n(more was said than a log holds)\n")

    def take_trace(self, some: bytes) -> None:
        """A part of what tells the lines."""
        lines, _, self._begun = (self._begun + some).rpartition(b"\n")
        self._begun = self._begun[-_READ_BYTES:]
        found = traced_line(lines, self._file)
        if found is not None:
            self.line = found


@contextmanager
def _drained(log: Path, trace_fd: int, file: str) -> Iterator[_Output]:
    """Read the output of a step in a thread for the block; when it is over, everything has been read."""
    read_fd, write_fd = os.pipe()
    output = _Output(write_fd, file)
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600), "wb", buffering=0) as opened:
        thread = threading.Thread(target=_drain, args=(read_fd, trace_fd, output, opened), daemon=True)
        thread.start()
        try:
            yield output
        finally:
            os.close(write_fd)
            thread.join(_DRAIN_TIMEOUT_S)


def _drain(read_fd: int, trace_fd: int, output: _Output, log: IO[bytes]) -> None:
    try:
        while True:
            ready = select.select((read_fd, trace_fd), (), ())[0]
            if trace_fd in ready:
                output.take_trace(_some(trace_fd))
            if read_fd in ready:
                some = _some(read_fd)
                if not some:
                    break
                output.take(some, log)
        while some := _some(trace_fd):
            output.take_trace(some)
    finally:
        os.close(read_fd)


def _some(fd: int) -> bytes:
    try:
        return os.read(fd, _READ_BYTES)
    except BlockingIOError:
        return b""


@contextmanager
def _stdin(text: str) -> Iterator[IO[bytes]]:
    """What a step reads; nothing for most."""
    if not text:
        with Path("/dev/null").open("rb") as nothing:
            yield nothing
        return
    with os.fdopen(os.memfd_create("stdin"), "w+b") as file:
        file.write(text.encode("utf-8", "surrogateescape"))
        file.seek(0)
        yield file
