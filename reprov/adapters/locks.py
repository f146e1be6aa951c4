"""The locks of those who write accounts and packages, held while a tree is exchanged under them."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from reprov.adapters import kernel
from reprov.domain.entry import show
from reprov.errors import Refused

# lckpwdf(3), dpkg and apt take these with fcntl. Only those that exist are taken: one that nobody made, nobody holds.
_LOCK_FILES = ("etc/.pwd.lock", "var/lib/dpkg/lock-frontend", "var/lib/dpkg/lock", "var/lib/apt/lists/lock")
_PATIENCE_S = 10.0
_INTERVAL_S = 0.1


@contextmanager
def quiet_writers(root_fd: int) -> Iterator[None]:
    """Hold the account and package-manager locks of a root. Raises `Refused` when somebody keeps one for long."""
    with ExitStack() as stack:
        for path in _LOCK_FILES:
            try:
                fd = kernel.open_beneath(path, os.O_RDWR, dir_fd=root_fd)
            except OSError:
                continue
            stack.callback(os.close, fd)
            _take(fd, path)
        yield


def _take(fd: int, path: str) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError:
            if time.monotonic() > deadline:
                raise Refused(
                    f"{show(path)} is held: accounts or packages are being changed", hint="wait for it to end, then run it again"
                ) from None
            time.sleep(_INTERVAL_S)
