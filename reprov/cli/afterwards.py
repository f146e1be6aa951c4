"""What a verb says of a change that is done already."""

import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from reprov.cli.monitors import say


@contextmanager
def told_afterwards() -> Iterator[None]:
    """For the answer of a verb that has changed something: it stays changed when the answer cannot be written, as to a full disk.

    That is a note, and the exit status says what was done. A reader that has left ends the verb as it ends any other.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        say(f"note: it is done, but the answer cannot be written: {error.strerror}")
        with contextlib.suppress(OSError):  # no file: somebody runs the verb in a process of their own
            # What is buffered would fail again at every flush.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
