"""Talking to rsync: what it is asked for, and what its endings mean to an operator. Its answers are recorded ones."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import pytest

from reprov.adapters import source as module
from reprov.adapters.run import CommandFailed, Finished
from reprov.adapters.source import fetch_contents, fetch_release, list_versions
from reprov.domain.release import ReleaseId
from reprov.domain.source import Source
from reprov.errors import InvalidInput, ReprovError

RELEASE = ReleaseId("base", "1.1")
DAEMON = Source.parse("rsync://install:8730")
LISTING = b"""\
drwxr-xr-x          4,096 2026/01/01 10:00:00 .
drwxr-xr-x          4,096 2026/01/01 10:00:00 1.0
drwxr-xr-x          4,096 2026/01/01 10:00:00 1.1~rc 1
drwxr-xr-x          4,096 2026/01/01 10:00:00 .tmp-1.2
-rw-r--r--             12 2026/01/01 10:00:00 notes
lrwxrwxrwx              3 2026/01/01 10:00:00 latest -> 1.0
"""


class Answer(NamedTuple):
    """How one rsync ends."""

    status: int = 0
    stdout: bytes = b""
    stderr: bytes = b""


def answering(monkeypatch: pytest.MonkeyPatch, *answers: Answer) -> list[tuple[str, ...]]:
    """Each rsync that `run` starts gets the next answer; returns what they were started with."""
    started: list[tuple[str, ...]] = []
    waiting = iter(answers)

    def fake(argv: Sequence[str], **_options: object) -> Finished:
        started.append(tuple(argv))
        answer = next(waiting)
        if answer.status:
            raise CommandFailed(argv, answer.status, answer.stderr)
        return Finished(*answer)

    monkeypatch.setattr(module, "run", fake)
    return started


def test_versions_are_the_folders_that_are_not_being_made(monkeypatch: pytest.MonkeyPatch) -> None:
    started = answering(monkeypatch, Answer(stdout=LISTING))
    assert list_versions(DAEMON, "base") == ["1.0", "1.1~rc 1"]
    assert started == [("rsync", "--contimeout=10", "--timeout=60", "--list-only", "rsync://install:8730/releases/base/")]


def test_an_unknown_role_has_no_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, Answer(23, stderr=b"rsync: change_dir failed\n"))
    assert list_versions(DAEMON, "base") == []


@pytest.mark.parametrize(
    ("text", "begins"),
    [
        pytest.param("rsync://h:8730", ("rsync", "--contimeout=10", "--timeout=60"), id="a daemon that must answer in time"),
        pytest.param(
            "ssh://u@h:2222/srv",
            ("rsync", "--rsh=ssh -o BatchMode=yes -o ConnectTimeout=10 -p 2222", "--timeout=60"),
            id="ssh that asks no questions",
        ),
        pytest.param("/srv", ("rsync",), id="a directory needs no time-outs"),
    ],
)
def test_how_each_kind_of_source_is_spoken_to(monkeypatch: pytest.MonkeyPatch, text: str, begins: tuple[str, ...]) -> None:
    started = answering(monkeypatch, Answer())
    list_versions(Source.parse(text), "base")
    assert started[0][: len(begins) + 1] == (*begins, "--list-only")


def test_an_unknown_version_names_those_that_there_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answering(monkeypatch, Answer(23), Answer(stdout=LISTING))
    with pytest.raises(InvalidInput) as raised:
        fetch_release(DAEMON, RELEASE, tmp_path / "new", tmp_path / "known")
    assert (raised.value.message, raised.value.hint) == ("rsync://install:8730 has no base 1.1", "it has 1.0, 1.1~rc 1")


def test_an_unknown_role_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answering(monkeypatch, Answer(23), Answer(23))
    with pytest.raises(InvalidInput) as raised:
        fetch_release(DAEMON, RELEASE, tmp_path / "new", tmp_path / "known")
    assert raised.value.hint == "it has no release of base"


ENDINGS = {
    "refused": (
        Answer(5, stderr=b"@ERROR: max connections (2) reached\n"),
        "rsync://install:8730 refused the request: @ERROR: max connections (2) reached",
    ),
    "no connection": (
        Answer(10, stderr=b"\nrsync: [Receiver] failed to connect to install: Connection refused (111)\nrsync error: ...\n"),
        "rsync://install:8730 cannot be reached: rsync: [Receiver] failed to connect to install: Connection refused (111)",
    ),
    "gone in the middle": (
        Answer(12, stderr=b"rsync: connection unexpectedly closed\n"),
        "rsync://install:8730 broke off: rsync: connection unexpectedly closed",
    ),
    "silence": (Answer(30), "rsync://install:8730 does not answer: rsync ended with status 30"),
    "no connection in time": (Answer(35), "rsync://install:8730 does not answer: rsync ended with status 35"),
    "ssh failed": (
        Answer(255, stderr=b"Permission denied (publickey).\n"),
        "rsync://install:8730 cannot be reached: Permission denied (publickey).",
    ),
    "the disk is full": (Answer(11, stderr=b"write failed: No space left on device (28)\n"), "no space left while fetching"),
    "another ending": (Answer(14, stderr=b"out of memory\n"), "fetching from rsync://install:8730 failed: out of memory"),
}


@pytest.mark.parametrize(("answer", "message"), ENDINGS.values(), ids=ENDINGS)
def test_an_ending_is_said_in_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: Answer, message: str) -> None:
    answering(monkeypatch, answer)
    with pytest.raises(ReprovError) as raised:
        fetch_release(DAEMON, RELEASE, tmp_path / "new", tmp_path / "known")
    assert raised.value.message == message
    assert raised.value.hint


class FakeRsync:
    """A running rsync whose output is recorded."""

    def __init__(self, answer: Answer) -> None:
        self.stdout = io.BytesIO(answer.stdout)
        self._status = answer.status

    def wait(self) -> int:
        return self._status


def spawning(monkeypatch: pytest.MonkeyPatch, answer: Answer) -> dict[str, object]:
    seen: dict[str, object] = {}

    @contextmanager
    def fake(argv: Sequence[str], *, stdin: IO[bytes], stderr: IO[bytes]) -> Iterator[FakeRsync]:
        seen.update(argv=tuple(argv), names=stdin.read())
        stderr.write(answer.stderr)
        yield FakeRsync(answer)

    monkeypatch.setattr(module, "spawn", fake)
    return seen


EVIL = ["-rf", "a b", "new\nline", "#x", ";y", "\udcff", "usr/*"]


def test_content_is_asked_for_by_name_and_no_name_is_an_option_or_a_comment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen = spawning(monkeypatch, Answer(stdout=b"10\nnoise\n 20 \n"))
    sizes: list[int] = []
    fetch_contents(DAEMON, RELEASE, EVIL, tmp_path / "incoming", sizes.append)
    assert sizes == [10, 20]
    names = seen["names"]
    assert isinstance(names, bytes)
    assert names.endswith(b"\0")
    assert names.split(b"\0")[:-1] == [b"base/1.1/./" + name.encode("utf-8", "surrogateescape") for name in sorted(EVIL)]
    argv = seen["argv"]
    assert isinstance(argv, tuple)
    assert {"--from0", "--files-from=-", "--relative"} <= set(argv)
    assert argv[-2:] == ("rsync://install:8730/trees/", f"{tmp_path}/incoming/")
    assert (tmp_path / "incoming").stat().st_mode & 0o077 == 0


def test_a_server_that_goes_away_in_the_middle_is_an_error_although_something_came(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    spawning(monkeypatch, Answer(12, b"10\n", b"rsync: connection unexpectedly closed\n"))
    with pytest.raises(ReprovError) as raised:
        fetch_contents(DAEMON, RELEASE, ["a"], tmp_path / "incoming", lambda size: None)
    assert raised.value.message == "rsync://install:8730 broke off: rsync: connection unexpectedly closed"
    assert raised.value.hint == "check that `reprov serve` runs there, and the address"


def test_a_file_that_the_server_lacks_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    spawning(monkeypatch, Answer(23, b"", b'rsync: link_stat "a" failed: No such file or directory (2)\n'))
    with pytest.raises(ReprovError) as raised:
        fetch_contents(DAEMON, RELEASE, ["a"], tmp_path / "incoming", lambda size: None)
    detail = 'rsync: link_stat "a" failed: No such file or directory (2)'
    assert raised.value.message == f"fetching from rsync://install:8730 failed: {detail}"
