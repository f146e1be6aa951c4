"""Signals as exceptions, so that every `with` on the way out cleans up."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ASKING_TO_STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """Somebody asked the process to stop. Not an Exception, so that no `except Exception` goes on regardless."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal = signal.Signals(signal_number)


def listen_only_when_interruptible() -> None:
    """From here on, requests to stop wait outside an `interruptible` block: after an answer none changes the exit status."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _ASKING_TO_STOP)


@contextmanager
def interruptible() -> Iterator[None]:
    """Inside the block, the first SIGINT, SIGTERM or SIGHUP raises `Interrupted`; later ones do not disturb the cleanup.

    A signal that the caller had ignored (nohup) stays ignored. A workflow that has done what cannot be stopped any more puts
    handlers of its own in place of these; the block ends with those from before it.
    """
    asked = False

    def ask(signal_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if not asked:
            asked = True
            raise Interrupted(signal_number)

    before = {number: signal.getsignal(number) for number in _ASKING_TO_STOP}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, ask)
    held = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ASKING_TO_STOP)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
        for number, handler in before.items():
            signal.signal(number, handler)
