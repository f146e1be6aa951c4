"""The one door for programs: what they get, and how their ends are told."""

import logging
import subprocess
from typing import Any

import pytest

from reprov.adapters.run import CommandFailed, Finished, environment, run, spawn


def ending(monkeypatch: pytest.MonkeyPatch, status: int = 0, stdout: bytes = b"", stderr: bytes = b"") -> dict[str, Any]:
    """Every program ends like this; returns what it was started with."""
    seen: dict[str, Any] = {}

    def fake(argv: tuple[str, ...], **options: Any) -> subprocess.CompletedProcess[bytes]:
        seen.update(options, argv=argv)
        return subprocess.CompletedProcess(argv, status, stdout, stderr)

    monkeypatch.setattr(subprocess, "run", fake)
    return seen


def raising(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fake(*_arguments: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(subprocess, "run", fake)
    monkeypatch.setattr(subprocess, "Popen", fake)


def test_a_program_gets_a_clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"LANG": "de_DE", "TMPDIR": "/x", "RSYNC_RSH": "evil", "HOME": "/root", "SSH_AUTH_SOCK": "/s"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("TERM", raising=False)
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    own = {"PATH": path, "LC_ALL": "C.UTF-8", "REPROV_PKGMNGR": "active"}
    assert environment({"X": "y"}) == {**own, "HOME": "/root", "SSH_AUTH_SOCK": "/s", "X": "y"}


def test_output_and_status_come_back_and_standard_input_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = ending(monkeypatch, 24, b"out", b"err")
    assert run(["rsync", "a b"], fine=(0, 24), timeout_s=5) == Finished(24, b"out", b"err")
    assert (seen["argv"], seen["input"], seen["timeout"], seen["check"]) == (("rsync", "a b"), b"", 5, False)


@pytest.mark.parametrize(
    ("stderr", "message"),
    [
        pytest.param(b"first\nlast line\n\n", "rsync failed with status 23: last line", id="the last line of what it said"),
        pytest.param(b"", "rsync failed with status 23: it said nothing", id="nothing said"),
        pytest.param(b"\xff\n", "rsync failed with status 23: \ufffd", id="no UTF-8"),
        pytest.param(b"x" * 9999, f"rsync failed with status 23: {'x' * 1024}", id="no end of it"),
    ],
)
def test_a_failure_says_what_the_program_said_and_what_was_run(monkeypatch: pytest.MonkeyPatch, stderr: bytes, message: str) -> None:
    ending(monkeypatch, 23, stderr=stderr)
    with pytest.raises(CommandFailed) as raised:
        run(["/usr/bin/rsync", "a b", "--x"])
    assert (raised.value.message, raised.value.hint) == (message, "ran: /usr/bin/rsync 'a b' --x")
    assert (raised.value.status, raised.value.argv, raised.value.stderr) == (23, ("/usr/bin/rsync", "a b", "--x"), stderr)


@pytest.mark.parametrize(
    ("length", "shown"),
    [
        pytest.param(195, "ran: cp " + "x" * 195 + " y", id="up to 200 characters all of it"),
        pytest.param(5000, "ran: cp " + "x" * 197 + "... (reprov -v shows all of it)", id="of more the beginning"),
    ],
)
def test_the_hint_of_a_failure_has_an_end(monkeypatch: pytest.MonkeyPatch, length: int, shown: str) -> None:
    ending(monkeypatch, 1)
    with pytest.raises(CommandFailed) as raised:
        run(["cp", "x" * length, *(["y"] if length < 200 else ["http://mirror.invalid"])])
    assert raised.value.hint == shown


def enter_spawn() -> None:
    with spawn(["rsync"]):
        pytest.fail("it cannot have started")


@pytest.mark.parametrize("start", [lambda: run(["rsync"]), enter_spawn], ids=["run", "spawn"])
def test_a_missing_program_is_named(monkeypatch: pytest.MonkeyPatch, start: Any) -> None:
    raising(monkeypatch, FileNotFoundError())
    with pytest.raises(CommandFailed) as raised:
        start()
    assert (raised.value.message, raised.value.status) == ("rsync failed with status 127: rsync: not installed", 127)


def test_a_program_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, subprocess.TimeoutExpired("blkid", 5))
    with pytest.raises(CommandFailed) as raised:
        run(["blkid"], timeout_s=5)
    assert (raised.value.message, raised.value.status) == ("blkid failed with status 124: no answer within 5 s", 124)


def test_what_runs_is_logged_so_that_it_can_be_pasted(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    ending(monkeypatch)
    with caplog.at_level(logging.DEBUG, logger="reprov.run"):
        run(["ls", "a b", "$HOME"])
    assert caplog.messages == ["run: ls 'a b' '$HOME'"]
