"""Programs whose input and output are streams, of whatever size."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_SAID_BYTES = 2000


class Trouble(Exception):
    """Something that only an operator can mend, in words."""


@contextmanager
def running(argv: Sequence[str], **pipes: Any) -> Iterator[Any]:
    """A program while it runs, which reads and writes what `subprocess` is told, by default nothing; at the end of the block it ends, too.

    Raises `Trouble` with what it said last, unless it ends well. What is in the way of the block itself is not lost for that.
    """
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "HOME": "/root"}
    nothing = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(argv, stderr=said, cwd="/", env=environment, **{**nothing, **pipes})
        has_gone = False
        try:
            yield process
        except BrokenPipeError:
            has_gone = True  # and says itself why
        finally:
            # Whoever reads finds the end, and whoever writes nobody to write to.
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(BrokenPipeError):
                        pipe.close()
            status = process.wait()
        if status or has_gone:
            said.seek(max(0, os.fstat(said.fileno()).st_size - _SAID_BYTES))
            words = " ".join(said.read().decode(errors="replace").split())
            raise Trouble(f"{Path(argv[0]).name} ended with {status}: {words or 'without a word'}")
