"""A process that holds a node and hangs is ended; nobody else is."""

import fcntl
import subprocess
from pathlib import Path

import pytest

from reprov.adapters.lock_holder import end_holders

pytestmark = pytest.mark.commands


def test_whoever_has_the_lock_open_is_ended_and_the_lock_is_free(tmp_path: Path) -> None:
    lock, other = tmp_path / ".reprov/lock", tmp_path / "lock"
    lock.parent.mkdir()
    with lock.open("w") as held, other.open("w") as mine:
        fcntl.flock(held, fcntl.LOCK_EX)
        with (
            subprocess.Popen(("sleep", "60"), stdin=held) as holder,
            subprocess.Popen(("sleep", "60"), stdin=mine) as innocent,
        ):
            held.close()
            try:
                assert end_holders(lock) == (holder.pid,)
                assert holder.wait(10) == -9
                assert innocent.poll() is None
            finally:
                holder.kill()
                innocent.kill()
    with lock.open("a") as free:
        fcntl.flock(free, fcntl.LOCK_EX | fcntl.LOCK_NB)
