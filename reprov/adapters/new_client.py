"""The reprov of a tree that has just been put in place, started to go on: it says line by line what it does."""

import os
import select
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from typing import IO, Final

from reprov.adapters.run import spawn
from reprov.domain.hand_over import COMMAND, Request

_CHUNK_BYTES: Final = 65536
_POLL_S: Final = 0.2


class NewClient:
    """It, while it runs."""

    def __init__(self, process: "Popen[bytes]") -> None:
        assert process.stdout is not None, "it was started with a pipe"
        self._process = process
        self._stdout_fd = process.stdout.fileno()
        self._poll = select.poll()
        self._poll.register(self._stdout_fd, select.POLLIN)
        self._said = b""
        self._has_ended = False

    def lines(self) -> Iterator[bytes | None]:
        """What it says, to its end; None whenever it has said nothing for a while."""
        while not self._has_ended or b"\n" in self._said:
            line, end, rest = self._said.partition(b"\n")
            if end:
                self._said = rest
                yield line
            elif not self._listen():
                yield None

    def ask_to_stop(self) -> None:
        """As whoever has started it was asked to."""
        self._process.terminate()

    def _listen(self) -> bool:
        """Hear more of it, or its end; False when there was neither for a while."""
        if self._poll.poll(round(_POLL_S * 1000)):
            chunk = os.read(self._stdout_fd, _CHUNK_BYTES)
            self._said += chunk
            self._has_ended = not chunk
            return True
        # What it has started may still hold the pipe.
        self._has_ended = self._process.poll() is not None
        return self._has_ended


@contextmanager
def started(request: Request, lock: IO[bytes], log: Path) -> Iterator[NewClient]:
    """The client of the running system's tree; it holds the node by its standard input, and `log` has what it says to people.

    When the block is left, it has ended. Raises `CommandFailed` or `OSError` when it cannot be started.
    """
    argv = (f"/{COMMAND}", "confirm", "--handed-over", request.to_json(), "--events", "-")
    with log.open("wb") as said, spawn(argv, stdin=lock, stderr=said, own_session=True) as process:
        yield NewClient(process)
