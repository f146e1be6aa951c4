"""What the reader sees: commands as an operator would type them, their output below them, and what each phase took."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from reprov.cli.tables import Table, human_time

_BOLD, _PLAIN = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")
# Children do not outlive the demo, even when it is killed.
_BASH = ("setpriv", "--pdeathsig", "TERM", "bash", "-euo", "pipefail", "-c")
_STOP_TIMEOUT_S = 30.0


class Failed(Exception):
    """The demo did not show what it should."""


class Phase:
    """A step of the story; `did` says what it was good for."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.what = ""
        self.elapsed_s = 0.0

    def did(self, what: str) -> None:
        """Put into words what happened, for the table at the end."""
        self.what = what


class Session:
    """One shell session: phases, remarks, commands."""

    def __init__(self) -> None:
        self._phases: list[Phase] = []
        self._background: list[subprocess.Popen[str]] = []
        self._started = time.monotonic()

    @contextmanager
    def phase(self, name: str, *remarks: str) -> Iterator[Phase]:
        """A step with its heading; the block's time is what the table shows."""
        phase = Phase(name)
        self._phases.append(phase)
        show(f"\n{_BOLD}## {name}{_PLAIN}")
        remark(*remarks)
        started = time.monotonic()
        yield phase
        phase.elapsed_s = time.monotonic() - started

    def run(self, line: str, *, fine: Sequence[int] = (0,)) -> str:
        """Show a command and run it; its output appears as it comes. Returns what it wrote on stdout."""
        show(f"{_BOLD}$ {line}{_PLAIN}")
        # stdin: nobody can be asked. stderr: the terminal itself, if there is one, for the progress bars.
        with subprocess.Popen((*_BASH, line), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors="replace") as child:
            try:
                written = _echo(child.stdout)
                status = child.wait()
            except BaseException:
                _stop(child)
                raise
        if status not in fine:
            raise Failed(f"exit status {status} (expected {' or '.join(map(str, fine))}) of: {line}")
        if status:
            show(f"[exit status {status}]")
        return written

    def quietly(self, line: str) -> str:
        """Run a command that the reader need not see, for a fact that the story goes on with. Returns its stdout."""
        done = subprocess.run((*_BASH, line), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise Failed(f"exit status {done.returncode} of: {line}")
        return done.stdout

    def start(self, line: str, log: Path) -> None:
        """Show a command and let it run in the background until `close`, its output going to a file."""
        show(f"{_BOLD}$ {line} >{log} 2>&1 &{_PLAIN}")
        with log.open("w") as out:
            self._background.append(subprocess.Popen((*_BASH, line), stdin=subprocess.DEVNULL, stdout=out, stderr=out, text=True))

    def has_died(self) -> bool:
        """True when something in the background has ended by itself."""
        return any(child.poll() is not None for child in self._background)

    def close(self) -> None:
        """Stop what runs in the background."""
        while self._background:
            _stop(self._background.pop())

    def summary(self) -> str:
        """The table of all phases."""
        rows = [(phase.name, phase.what, f"{phase.elapsed_s:.1f}") for phase in self._phases]
        table = Table.of("PHASE", "WHAT HAPPENED", "> SECONDS", rows=rows)
        return "\n".join([*table.lines(), "", f"All of it took {human_time(time.monotonic() - self._started)}."])


def show(text: str) -> None:
    """A line for the reader, before anything that a child writes next."""
    print(text, flush=True)


def remark(*lines: str) -> None:
    """What a person at the keyboard would say."""
    for line in lines:
        show(f"# {line}")


def _echo(stream: IO[str] | None) -> str:
    lines = []
    for line in stream or ():
        sys.stdout.write(line)
        sys.stdout.flush()
        lines.append(line)
    return "".join(lines)


def _stop(child: subprocess.Popen[str]) -> None:
    """Ask a child to end and wait until it has cleaned up."""
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
    try:
        child.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
