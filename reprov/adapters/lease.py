"""The lease of a rollout: one controller at a time, and nothing begins while the Ansible of one that died still runs."""

import fcntl
import getpass
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from reprov.adapters.mounts import filesystem_of
from reprov.domain.filesystems import is_shared
from reprov.domain.lease import Holder
from reprov.errors import InvalidInput, Refused
from reprov.events import Monitor, Note

LEASE: Final = "lease"
RUNNING: Final = "running"
"""Every Ansible that a controller starts has this file open and locked, so that it can be told from without whether one is left."""
_INTERVAL_S: Final = 0.5


@contextmanager
def leased(directory: Path, monitor: Monitor) -> Iterator[None]:
    """Control a rollout for the time of the block. Raises `Refused` when somebody else does, or when that cannot be told for sure."""
    _require_locks(directory)
    with _opened(directory / LEASE) as lease:
        _take(lease)
        before = _read_holder(lease)
        if before:
            if before.host != socket.gethostname():
                raise Refused(
                    f"the rollout is controlled from another machine: {before}",
                    hint=f"if that controller is gone for good, remove {directory / LEASE}",
                )
            monitor.emit(Note(f"taken over from a controller that ended without a word: {before}"))
        _await_ansible(directory, monitor)
        _write(lease, _ourselves().to_json())
        try:
            yield
        finally:
            _await_ansible(directory, monitor)  # of which a part goes on when a signal has ended our wait for it
            _write(lease, "")


def holder_of(directory: Path) -> Holder | None:
    """Who controls the rollout now; None when nobody does. Raises `OSError`, and `InvalidInput` for a lease that says nothing."""
    try:
        with (directory / LEASE).open() as lease:
            try:
                fcntl.flock(lease, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return Holder.parse(lease.read(), str(directory / LEASE)) or Holder("somebody", socket.gethostname(), 0, "just now")
    except FileNotFoundError:
        pass
    return None


def _require_locks(directory: Path) -> None:
    filesystem = filesystem_of(directory).filesystem
    if is_shared(filesystem):
        raise Refused(
            f"{directory} lies on {filesystem}, where a lock does not keep other machines out",
            hint="keep the rollout directory on a local disk of the controller, and copy reports from there",
        )


def _opened(path: Path) -> IO[str]:
    try:
        return open(path, "r+", opener=_open)  # Path.open knows no opener; the caller closes it
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}", hint="without its lease nobody may control a rollout") from None


def _open(name: str, flags: int) -> int:
    return os.open(name, flags | os.O_CREAT | os.O_NOFOLLOW, 0o644)


def _take(lease: IO[str]) -> None:
    try:
        fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        try:
            holder: object = _read_holder(lease) or "it has just begun"
        except InvalidInput:
            holder = "unknown"
        raise Refused(f"the rollout is controlled by somebody else: {holder}", hint="`reprov rollout status` follows it") from None


def _read_holder(lease: IO[str]) -> Holder | None:
    lease.seek(0)
    return Holder.parse(lease.read(), lease.name)


def _ourselves() -> Holder:
    return Holder(getpass.getuser(), socket.gethostname(), os.getpid(), time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))


def _write(lease: IO[str], text: str) -> None:
    lease.seek(0)
    lease.truncate()
    lease.write(text)
    lease.flush()
    os.fsync(lease.fileno())


def _await_ansible(directory: Path, monitor: Monitor) -> None:
    """Return when no Ansible is left: what it does on the hosts must not meet what the next one begins there."""
    with _opened(directory / RUNNING) as running:
        told = False
        while True:
            try:
                fcntl.flock(running, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if not told:
                    monitor.emit(Note("waiting until Ansible has ended the task that it was at"))
                    told = True
                time.sleep(_INTERVAL_S)
