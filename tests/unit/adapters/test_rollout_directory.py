"""The directory of a rollout: its events, its lease, and what is asked of its controller."""

import errno
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reprov.adapters import lease
from reprov.adapters.lease import LEASE, RUNNING, holder_of, leased
from reprov.adapters.rollout_directory import EVENTS_FILE, NOTHING_READ, RolloutDirectory, Wanted
from reprov.domain.lease import Holder
from reprov.domain.mounts import Mount
from reprov.domain.rollout_events import StepBegan, Turn, Turned
from reprov.domain.rollout_file import Rollout
from reprov.domain.rollout_policy import Policy
from reprov.errors import InvalidInput, Refused
from reprov.events import NullMonitor
from tests.heard import Heard
from tests.rollouts import a_course, a_stage, names

BEGAN = StepBegan(1.5, "compute", 1, ("n1",))
TURNED = Turned(2.5, Turn.STARTED, "me")
ROLLOUT = Rollout("re-image", "site", {"compute": "2.0"}, Policy(), a_course(a_stage(names(2)), domains={"n1": "r1"}))


def test_what_was_written_is_read(tmp_path: Path) -> None:
    directory = RolloutDirectory(tmp_path)
    with directory.controlled(NullMonitor()) as log:
        log.append(BEGAN)
        log.append(TURNED)
    assert directory.events().events == (BEGAN, TURNED)


def test_only_what_is_new_is_read_again(tmp_path: Path) -> None:
    directory = RolloutDirectory(tmp_path)
    with directory.controlled(NullMonitor()) as log:
        log.append(BEGAN)
        first = directory.events()
        assert directory.events(first).events == ()
        log.append(TURNED)
        assert directory.events(first).events == (TURNED,)


def test_a_line_that_was_torn_is_left_out_and_cut_off(tmp_path: Path) -> None:
    directory = RolloutDirectory(tmp_path)
    with directory.controlled(NullMonitor()) as log:
        log.append(BEGAN)
    with (tmp_path / EVENTS_FILE).open("a") as events:
        events.write('{"format": 1, "event": "step_en')
    assert directory.events().events == (BEGAN,)
    with directory.controlled(NullMonitor()) as log:
        log.append(TURNED)
    assert directory.events().events == (BEGAN, TURNED)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("nonsense", id="no JSON"),
        pytest.param('{"format": 2, "event": "turned"}', id="of a newer format"),
        pytest.param('{"format": 1, "event": "danced", "at": 1}', id="of an unknown kind"),
        pytest.param('{"format": 1, "event": "turned", "at": 1}', id="with something missing"),
    ],
)
def test_a_line_that_is_no_event_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / EVENTS_FILE).write_text(
        f"{json.dumps({'format': 1, 'event': 'gate_passed', 'at': 1, 'stage': 'x', 'who': 'me'})}\n{line}\n"
    )
    with pytest.raises(InvalidInput) as error:
        RolloutDirectory(tmp_path).events()
    assert error.value.message == f"{tmp_path / EVENTS_FILE}:2: not an event of a rollout"


def test_rollout_json_is_read_as_it_was_written(tmp_path: Path) -> None:
    RolloutDirectory(tmp_path).create(ROLLOUT)
    assert RolloutDirectory(tmp_path).rollout() == ROLLOUT


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(None, "{directory}: not a rollout: it has no rollout.json", id="none"),
        pytest.param("{\n1}", "{file}:2: not JSON: Expecting property name enclosed in double quotes", id="no JSON"),
        pytest.param("[]", "{file}: not a rollout: TypeError list indices must be integers or slices, not str", id="no rollout"),
        pytest.param(
            ROLLOUT.to_json().replace('"format": 1', '"format": 9'),
            "{file}: format 9 is not one that this reprov knows",
            id="of another format",
        ),
        pytest.param(
            ROLLOUT.to_json().replace('"canary": 1', '"canary": -1'),
            "{file}: policy: canary: Input should be greater than or equal to 0",
            id="with a policy that makes no sense",
        ),
        pytest.param(
            ROLLOUT._replace(course=a_course(a_stage(("n1", "n1")))).to_json(),
            "{file}: stage 'compute' has a host twice",
            id="with a host twice",
        ),
        pytest.param(
            ROLLOUT._replace(course=a_course(a_stage(("n1",)), a_stage(("n1",)))).to_json(),
            "{file}: there are two stages 'compute'",
            id="with a stage twice",
        ),
    ],
)
def test_what_is_wrong_with_rollout_json(tmp_path: Path, text: str | None, message: str) -> None:
    file = tmp_path / "rollout.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(InvalidInput) as error:
        RolloutDirectory(tmp_path).rollout()
    assert error.value.message == message.format(directory=tmp_path, file=file)


def test_the_last_word_counts_until_it_is_heard(tmp_path: Path) -> None:
    directory = RolloutDirectory(tmp_path)
    assert directory.wanted() is None
    directory.want(Wanted.PAUSE)
    directory.want(Wanted.ABORT)
    assert directory.wanted() is Wanted.ABORT
    directory.forget_wanted()
    assert directory.wanted() is None


def test_one_controller_at_a_time(tmp_path: Path) -> None:
    with leased(tmp_path, NullMonitor()):
        holder = holder_of(tmp_path)
        assert holder is not None
        assert (holder.pid, holder.host) == (os.getpid(), socket.gethostname())
        with pytest.raises(Refused) as error, leased(tmp_path, NullMonitor()):
            pass
        assert error.value.message == f"the rollout is controlled by somebody else: {holder}"
    assert holder_of(tmp_path) is None


def test_the_lease_of_a_controller_that_died_is_taken_over_with_a_note(tmp_path: Path) -> None:
    dead = Holder("root", socket.gethostname(), 4242, "2026-11-22T04:05:06Z")
    (tmp_path / LEASE).write_text(dead.to_json())
    assert holder_of(tmp_path) is None
    heard = Heard()
    with leased(tmp_path, heard):
        pass
    assert heard.notes == [f"taken over from a controller that ended without a word: {dead}"]
    assert (tmp_path / LEASE).read_text() == ""


def test_the_lease_of_another_machine_is_not_taken_over(tmp_path: Path) -> None:
    (tmp_path / LEASE).write_text(Holder("root", "elsewhere", 1, "2026-11-22T04:05:06Z").to_json())
    with pytest.raises(Refused) as error, leased(tmp_path, NullMonitor()):
        pass
    assert error.value.message == "the rollout is controlled from another machine: root@elsewhere, process 1, since 2026-11-22T04:05:06Z"


def test_a_lease_that_says_nothing_is_not_taken_over(tmp_path: Path) -> None:
    (tmp_path / LEASE).write_text("{")
    with pytest.raises(InvalidInput) as error, leased(tmp_path, NullMonitor()):
        pass
    assert error.value.message == f"{tmp_path / LEASE}: nobody can tell whose lease this is"


def test_a_lease_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    (tmp_path / LEASE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Refused) as error, leased(tmp_path, NullMonitor()):
        pass
    assert error.value.message == f"{tmp_path / LEASE}: Too many levels of symbolic links"


def test_where_locks_do_not_keep_other_machines_out_nobody_controls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "filesystem_of", lambda path: Mount("srv", "nfs4", "server:/srv", False))
    with pytest.raises(Refused) as error, leased(tmp_path, NullMonitor()):
        pass
    assert error.value.message == f"{tmp_path} lies on nfs4, where a lock does not keep other machines out"


def test_nothing_begins_before_the_last_ansible_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    with _locked(tmp_path / RUNNING) as fd:

        def sleep(duration_s: float) -> None:
            slept.append(duration_s)
            fcntl.flock(fd, fcntl.LOCK_UN)

        monkeypatch.setattr("reprov.adapters.lease.time.sleep", sleep)
        heard = Heard()
        with leased(tmp_path, heard):
            assert slept == [0.5]
    assert heard.notes == ["waiting until Ansible has ended the task that it was at"]


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH)
        yield fd
    finally:
        os.close(fd)


def test_reading_an_empty_directory_gives_nothing(tmp_path: Path) -> None:
    assert RolloutDirectory(tmp_path).events() == NOTHING_READ


def test_an_event_that_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_a_little(fd: int, line: bytes) -> int:
        if len(line) < 20:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(fd, line[:20])

    directory, write = RolloutDirectory(tmp_path), os.write
    with directory.controlled(NullMonitor()) as log:
        log.append(BEGAN)
        with monkeypatch.context() as patched, pytest.raises(OSError, match="No space left"):
            patched.setattr("reprov.adapters.rollout_directory.os.write", write_a_little)
            log.append(TURNED)
        log.append(TURNED)
    assert directory.events().events == (BEGAN, TURNED)
