"""A program of another tree, started with the lock of a node: what it says is heard line by line, and it never outlives its starter."""

import fcntl
import time
from pathlib import Path

import pytest

from reprov.adapters import new_client
from reprov.domain.hand_over import FORMATS, Request

pytestmark = pytest.mark.commands
REQUEST = Request("4711", False, FORMATS)


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command of the tree lies."""
    place = tmp_path / "reprov"
    monkeypatch.setattr(new_client, "COMMAND", str(place).lstrip("/"))
    return place


def started_with(program: Path, script: str) -> list[bytes | None]:
    """What a script says as that command."""
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    with (program.parent / "lock").open("ab+") as lock, new_client.started(REQUEST, lock, program.parent / "log") as client:
        return list(client.lines())


def test_it_is_asked_in_words_and_answers_in_lines(program: Path) -> None:
    lines = started_with(program, 'printf "%s\\n" "$@"; printf "half a"; sleep 0.5; printf " line\\nand no end"; echo why >&2')
    words = [line.decode() for line in lines if line is not None]
    assert words == ["confirm", "--handed-over", REQUEST.to_json(), "--events", "-", "half a line"]
    assert None in lines, "whoever waits is told that there is nothing to hear"
    assert (program.parent / "log").read_text() == "why\n"


def test_its_end_is_seen_although_somebody_else_has_its_output(program: Path) -> None:
    began = time.monotonic()
    assert started_with(program, "sleep 12 & echo said")[0] == b"said"
    assert time.monotonic() - began < 8


def test_it_holds_the_node_and_ends_with_the_block(program: Path) -> None:
    program.write_text("#!/bin/sh\nls -l /proc/self/fd/0\necho ready\nexec sleep 60\n")
    program.chmod(0o755)
    lock_file = program.parent / "lock"
    began = time.monotonic()
    with lock_file.open("ab+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with new_client.started(REQUEST, lock, program.parent / "log") as client:
            lines = (line for line in client.lines() if line)
            assert next(lines).endswith(f"-> {lock_file}".encode())
            assert next(lines) == b"ready", "else whatever has shown it may still hold it, too"
            lock.close()
            with lock_file.open("ab+") as other, pytest.raises(BlockingIOError):
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with lock_file.open("ab+") as other:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert time.monotonic() - began < 30


def test_it_can_be_asked_to_stop(program: Path) -> None:
    program.write_text("#!/bin/sh\ntrap 'kill $!; echo stopped; exit' TERM\necho ready\nsleep 60 & wait\n")
    program.chmod(0o755)
    with (program.parent / "lock").open("ab+") as lock, new_client.started(REQUEST, lock, program.parent / "log") as client:
        lines = (line for line in client.lines() if line)
        assert next(lines) == b"ready"
        client.ask_to_stop()
        assert next(lines) == b"stopped"
