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
from reprov.domain.rsync_version import SAFE_VERSION, Version
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
    assert started == [
        ("rsync", "--sockopts=TCP_NODELAY", "--contimeout=10", "--timeout=60", "--list-only", "rsync://install:8730/releases/base/")
    ]


def test_an_unknown_role_has_no_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, Answer(23, stderr=b"rsync: change_dir failed\n"))
    assert list_versions(DAEMON, "base") == []


@pytest.mark.parametrize(
    ("text", "begins"),
    [
        pytest.param(
            "rsync://h:8730",
            ("rsync", "--sockopts=TCP_NODELAY", "--contimeout=10", "--timeout=60"),
            id="a daemon that must answer in time",
        ),
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


BEFORE = ReleaseId("base", "1.0")
OF_THE_HOP = ("--include=/hops/", "--include=/hops/1.0/", "--include=/hops/1.0/post", "--exclude=/hops/1.0/*")


@pytest.mark.parametrize(
    ("before", "chosen"),
    [
        pytest.param(None, (), id="a node without a release"),
        pytest.param(ReleaseId("other", "1.0"), (), id="a node of another role"),
        pytest.param(BEFORE, OF_THE_HOP, id="the hop that the node makes, and of it what is run"),
    ],
)
def test_of_the_hops_only_the_node_s_own_is_fetched(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, before: ReleaseId | None, chosen: tuple[str, ...]
) -> None:
    started = answering(monkeypatch, Answer())
    fetch_release(DAEMON, RELEASE, tmp_path / "new", tmp_path / "known", before)
    assert tuple(word for word in started[0] if "clude=" in word) == (*chosen, "--exclude=/hops/*")


def test_a_release_that_is_known_travels_as_its_name_and_the_hop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("new", "known"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "release.json").write_text("{}")
    (tmp_path / "known/manifest").write_text("x")
    started = answering(monkeypatch, Answer())
    fetch_release(DAEMON, RELEASE, tmp_path / "new", tmp_path / "known", BEFORE)
    assert [word for word in started[0] if "clude=" in word] == ["--include=/release.json", *OF_THE_HOP, "--exclude=*"]
    assert (tmp_path / "new/manifest").read_text() == "x"


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


SERVE_HINT = "check that `reprov serve` runs there, and the address"
SSH_HINT = "check that this works without a question: ssh -o BatchMode=yes -o ConnectTimeout=10"
BY_KIND = {
    "a daemon that does not run": ("rsync://install:8730", 10, "cannot be reached", SERVE_HINT),
    "ssh that is refused": ("ssh://me@install/srv", 255, "cannot be reached", f"{SSH_HINT} me@install 'rsync --version'"),
    "ssh with a port": ("ssh://install:2222/srv", 255, "cannot be reached", f"{SSH_HINT} -p 2222 install 'rsync --version'"),
    "ssh to an IPv6 address": ("ssh://[fd00::1]/srv", 30, "does not answer", f"{SSH_HINT} fd00::1 'rsync --version'"),
    "ssh as a user to an IPv6 address": ("ssh://me@[fd00::1]/srv", 12, "broke off", f"{SSH_HINT} me@fd00::1 'rsync --version'"),
    "no rsync at the other end": ("ssh://install/srv", 127, "has no rsync that can be run", "install rsync there"),
    "a directory whose reader was killed": ("/srv/reprov", 12, "broke off", "check that the directory can be read"),
}


@pytest.mark.parametrize(("text", "status", "words", "hint"), BY_KIND.values(), ids=BY_KIND)
def test_the_way_out_is_that_of_the_kind_of_source(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, status: int, words: str, hint: str
) -> None:
    answering(monkeypatch, Answer(status, stderr=b"it said this\nrsync error\n"))
    with pytest.raises(ReprovError) as raised:
        fetch_release(Source.parse(text), RELEASE, tmp_path / "new", tmp_path / "known")
    assert (raised.value.message, raised.value.hint) == (f"{text} {words}: it said this", hint)


REFUSED = "ssh: connect to host install port 22: Connection refused"
NOTHING_CAME = "rsync: connection unexpectedly closed (0 bytes received so far) [Receiver]"


@pytest.mark.parametrize(
    ("text", "said", "message"),
    [
        pytest.param("ssh://install/srv", f"{REFUSED}\n{NOTHING_CAME}\n", f"cannot be reached: {REFUSED}", id="ssh that never got through"),
        pytest.param("ssh://install/srv", "rsync: connection unexpectedly closed (77 bytes received so far)", None, id="ssh later on"),
        pytest.param("rsync://install:8730", NOTHING_CAME, None, id="a daemon that hangs up at once"),
    ],
)
def test_rsync_says_of_ssh_that_does_not_get_through_that_it_broke_off(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, said: str, message: str | None
) -> None:
    answering(monkeypatch, Answer(12, stderr=said.encode()))
    with pytest.raises(ReprovError) as raised:
        fetch_release(Source.parse(text), RELEASE, tmp_path / "new", tmp_path / "known")
    assert raised.value.message == f"{text} {message or f'broke off: {said}'}"


class FakeRsync:
    """A running rsync whose output is recorded."""

    def __init__(self, answer: Answer) -> None:
        self.stdout = io.BytesIO(answer.stdout)
        self._status = answer.status

    def wait(self) -> int:
        return self._status


def spawning(monkeypatch: pytest.MonkeyPatch, answer: Answer, program: type[FakeRsync] = FakeRsync) -> dict[str, object]:
    seen: dict[str, object] = {}

    @contextmanager
    def fake(argv: Sequence[str], *, stdin: IO[bytes], stderr: IO[bytes]) -> Iterator[FakeRsync]:
        seen.update(argv=tuple(argv), names=stdin.read())
        stderr.write(answer.stderr)
        yield program(answer)

    monkeypatch.setattr(module, "spawn", fake)
    monkeypatch.setattr(module, "installed_version", lambda: SAFE_VERSION)
    return seen


EVIL = ["-rf", "a b", "new\nline", "#x", ";y", "\udcff", "usr/*"]


def arrived(folder: Path, *paths: str) -> Path:
    """A directory in which these files have come."""
    for path in paths:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    return folder


def test_content_is_asked_for_by_name_and_no_name_is_an_option_or_a_comment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lines = b"50 -rf\n50 a b\nnoise\n50 new\\#012line\n50 #x\n50 ;y\n50 \xff\n0 usr/*\n0 back\\slash\n50 \\#134#012\n"
    come = [*EVIL, "back\\slash", "\\#012"]
    seen = spawning(monkeypatch, Answer(stdout=lines))
    told: list[str] = []
    fetch_contents(DAEMON, RELEASE, "", come, arrived(tmp_path / "staged", *come), told.append)
    assert told == come
    names = seen["names"]
    assert isinstance(names, bytes)
    assert names.endswith(b"\0")
    assert names.split(b"\0")[:-1] == [b"base/1.1/./" + name.encode("utf-8", "surrogateescape") for name in sorted(come)]
    argv = seen["argv"]
    assert isinstance(argv, tuple)
    assert {"--from0", "--files-from=-", "--relative"} <= set(argv)
    assert argv[-2:] == ("rsync://install:8730/trees/", f"{tmp_path}/staged/")


@pytest.mark.parametrize(
    ("version", "is_told"),
    [
        pytest.param((3, 5, 0), True, id="one that looks at every name for each that comes"),
        pytest.param((3, 2, 4), False, id="one that does not know the option"),
        pytest.param(None, False, id="a program of another maker"),
    ],
)
def test_names_are_compared_here_and_not_by_rsync(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: Version | None, is_told: bool
) -> None:
    seen = spawning(monkeypatch, Answer())
    monkeypatch.setattr(module, "installed_version", lambda: version)
    fetch_contents(DAEMON, RELEASE, "", (), tmp_path / "staged", lambda path: None)
    argv = seen["argv"]
    assert isinstance(argv, tuple)
    assert ("--trust-sender" in argv) is is_told
    assert not {"--links", "--copy-links", "--devices", "--specials", "--archive", "-a"} & set(argv)


def test_a_file_that_nobody_asked_for_is_not_told_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    spawning(monkeypatch, Answer(stdout=b"9 more\n9 asked\n"))
    told: list[str] = []
    fetch_contents(DAEMON, RELEASE, "", ["asked"], arrived(tmp_path, "more", "asked"), told.append)
    assert told == ["asked"]


def test_the_directory_that_content_comes_into_is_roots_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    spawning(monkeypatch, Answer())
    fetch_contents(DAEMON, RELEASE, "", (), tmp_path / "staged", lambda path: None)
    assert (tmp_path / "staged").stat().st_mode & 0o077 == 0


def test_what_lies_on_another_volume_is_asked_for_below_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen = spawning(monkeypatch, Answer(stdout=b"9 grub/x\n"))
    fetch_contents(DAEMON, RELEASE, "boot", ["grub/x"], arrived(tmp_path, "grub/x"), lambda path: None)
    assert seen["names"] == b"base/1.1/boot/./grub/x\0"


def test_a_file_is_told_of_once_it_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """rsync names a file that was damaged on the way, drops it, and sends it again at the end."""
    told: list[str] = []

    def tell(path: str) -> None:
        told.append(path)
        arrived(tmp_path, "damaged")

    spawning(monkeypatch, Answer(stdout=b"9 good\n9 damaged\n9 other\n9 damaged\n"))
    fetch_contents(DAEMON, RELEASE, "", ["damaged", "good", "other"], arrived(tmp_path, "good", "other"), tell)
    assert told == ["good", "damaged", "other"]


def test_a_file_that_is_put_in_place_after_the_last_word_is_told_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Slow(FakeRsync):
        def wait(self) -> int:
            arrived(tmp_path, "a")
            return 0

    spawning(monkeypatch, Answer(stdout=b"9 a\n"), Slow)
    told: list[str] = []
    fetch_contents(DAEMON, RELEASE, "", ["a"], tmp_path, told.append)
    assert told == ["a"]


@pytest.mark.parametrize("lines", [b"", b"9 other\n", b"9 a\n"], ids=["nothing is named", "another is named", "it is named but not there"])
def test_a_server_that_ends_well_without_sending_everything_is_not_believed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lines: bytes
) -> None:
    spawning(monkeypatch, Answer(stdout=lines))
    with pytest.raises(ReprovError) as raised:
        fetch_contents(DAEMON, RELEASE, "", ["a"], tmp_path, lambda path: None)
    assert raised.value.message == "rsync://install:8730 did not send /a"


def test_a_server_that_goes_away_in_the_middle_is_an_error_although_something_came(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    spawning(monkeypatch, Answer(12, b"9 a\n", b"rsync: connection unexpectedly closed\n"))
    with pytest.raises(ReprovError) as raised:
        fetch_contents(DAEMON, RELEASE, "", ["a"], arrived(tmp_path / "staged", "a"), lambda path: None)
    assert raised.value.message == "rsync://install:8730 broke off: rsync: connection unexpectedly closed"
    assert raised.value.hint == SERVE_HINT


def test_a_file_that_the_server_lacks_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    spawning(monkeypatch, Answer(23, b"", b'rsync: link_stat "a" failed: No such file or directory (2)\n'))
    with pytest.raises(ReprovError) as raised:
        fetch_contents(DAEMON, RELEASE, "", ["a"], tmp_path / "staged", lambda path: None)
    detail = 'rsync: link_stat "a" failed: No such file or directory (2)'
    assert raised.value.message == f"fetching from rsync://install:8730 failed: {detail}"
