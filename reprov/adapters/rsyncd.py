"""Running rsync as a daemon in the foreground."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reprov.adapters.run import spawn

_STOP_TIMEOUT_S = 5.0


@contextmanager
def daemon(config: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The daemon, its log on its stdout; at the end of the block it and all its children are gone."""
    # setsid: the daemon forks one process a connection, and only as a group can they be stopped together.
    argv = ("setsid", "rsync", "--daemon", "--no-detach", "--log-file=/dev/stdout", f"--config={config}")
    with spawn(argv) as process:
        try:
            yield process
        finally:
            _stop_group(process)


def _stop_group(process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _STOP_TIMEOUT_S
    number = signal.SIGTERM
    try:
        while True:
            os.killpg(process.pid, number)
            process.poll()
            time.sleep(0.02)
            if time.monotonic() > deadline:
                number = signal.SIGKILL
    except ProcessLookupError:  # nobody is left
        return
