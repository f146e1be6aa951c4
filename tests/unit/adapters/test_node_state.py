"""/.reprov: who may hold it, what is durable, what a torn file says."""

import json
import os
from pathlib import Path

import pytest

from reprov.adapters.node_state import NodeState
from reprov.domain.deployment import Deployment, State
from reprov.domain.journal import Journal
from reprov.domain.release import ReleaseId
from reprov.errors import NeedsAttention, Refused

JOURNAL = Journal("t", ("",), (), (), (), ())
STAGING = Deployment(State.STAGING, changed_at="2026-01-01T00:00:00Z")


@pytest.fixture
def state(tmp_path: Path) -> NodeState:
    """The state of a node that reprov has changed before."""
    found = NodeState(tmp_path)
    found.create()
    return found


def test_a_node_where_reprov_never_was(tmp_path: Path) -> None:
    state = NodeState(tmp_path)
    assert not state.exists
    assert (state.deployment(), state.journal(), state.previous_journal(), state.history()) == (Deployment(), None, None, [])
    assert not state.is_interrupted()
    assert list(tmp_path.iterdir()) == [], "looking leaves nothing behind"


def test_what_was_being_written_when_a_run_was_killed_goes_and_nothing_else(state: NodeState) -> None:
    state.write_journal(JOURNAL)
    for name in ("journal.new", "stat-cache.new", "newest"):
        (state.directory / name).write_text("{")
    state.clear_unwritten()
    assert {path.name for path in state.directory.iterdir()} == {"journal", "newest"}


def test_so_does_a_copy_of_reprov_that_was_being_written(state: NodeState) -> None:
    (state.directory / "client.new/reprov").mkdir(parents=True)
    (state.directory / "client.new/reprov/errors.py").write_text("class")
    state.clear_unwritten()
    assert list(state.directory.iterdir()) == []


def test_only_root_can_enter_what_is_made(state: NodeState) -> None:
    assert state.exists
    assert state.directory.stat().st_mode & 0o777 == 0o700
    state.create()


def a_symlink(place: Path) -> None:
    (place.parent / "elsewhere").mkdir(mode=0o700)
    place.symlink_to("elsewhere")


def an_open_directory(place: Path) -> None:
    place.mkdir()
    place.chmod(0o755)


@pytest.mark.parametrize("make", [a_symlink, an_open_directory, Path.touch], ids=["a symlink", "an open directory", "a file"])
def test_what_cannot_be_ours_is_refused(tmp_path: Path, make: object) -> None:
    assert callable(make)
    make(tmp_path / ".reprov")
    with pytest.raises(Refused) as raised:
        NodeState(tmp_path).create()
    assert raised.value.message == f"{tmp_path}/.reprov is not a directory that only root can enter"


def test_the_second_change_at_a_time_is_refused_and_told_of_the_first(state: NodeState) -> None:
    with state.locked("upgrade to base 1.1"), pytest.raises(Refused) as raised, state.locked("rollback"):
        pytest.fail("two changes at a time")
    assert raised.value.message == f"another change of this node is under way: upgrade to base 1.1 (process {os.getpid()})"
    with state.locked("rollback"):
        pass


def test_a_node_can_be_handed_over_with_its_lock(state: NodeState) -> None:
    with state.locked("upgrade to base 1.1"):
        assert state.lock is not None
        given_fd = os.dup(state.lock.fileno())
        with NodeState(state.root).locked("what follows a commit", given_fd=given_fd):
            assert state.is_held()
        assert state.is_held(), "whoever has handed it over holds it, too"
        os.close(given_fd)
    assert not state.is_held()


def test_no_other_file_is_taken_for_the_lock(state: NodeState) -> None:
    (state.directory / "lock").touch()
    with (state.directory / "other").open("w") as other, pytest.raises(Refused) as raised, state.locked("x", given_fd=other.fileno()):
        pass
    assert raised.value.message == f"what was given as the lock of this node is not {state.directory / 'lock'}"


def test_the_lock_is_free_after_a_failure(state: NodeState) -> None:
    with pytest.raises(ZeroDivisionError), state.locked("one"):
        _ = 1 / 0
    with state.locked("two"):
        pass


@pytest.mark.parametrize(
    ("in_flight", "journal", "held", "interrupted"),
    [
        pytest.param(State.COMMITTED, False, False, False, id="at rest"),
        pytest.param(State.STAGED, False, False, False, id="staged on purpose"),
        pytest.param(State.STAGING, False, False, True, id="died while staging"),
        pytest.param(State.COMMITTING, True, False, True, id="died while committing"),
        pytest.param(State.COMMITTED, True, False, True, id="died before the tidying"),
        pytest.param(State.COMMITTING, True, True, False, id="somebody is at it"),
    ],
)
def test_a_change_is_interrupted_when_nobody_carries_it_on(
    state: NodeState, in_flight: State, journal: bool, held: bool, interrupted: bool
) -> None:
    state.write_deployment(Deployment(in_flight))
    if journal:
        state.write_journal(JOURNAL)
    if held:
        with state.locked("upgrade"):
            assert state.is_interrupted() is interrupted
    else:
        assert state.is_interrupted() is interrupted


def test_the_state_is_read_back_and_its_history_told(state: NodeState) -> None:
    deployment = Deployment(State.COMMITTED, ReleaseId("base", "1.0"), transaction="t", changed_at="then")
    state.write_deployment(STAGING)
    state.write_deployment(deployment, mixed_s=0.5)
    assert state.deployment() == deployment
    told = {"at": "then", "state": "committed", "installed": "base 1.0", "target": None, "transaction": "t", "mixed_s": 0.5}
    assert state.history()[1:] == [told]


@pytest.mark.parametrize("torn", [b'{"at": "th', b"\0\0\0\0", b"\xff\xfe"], ids=["half a line", "zeros", "garbage"])
def test_a_line_of_history_that_a_power_cut_tore_costs_no_other_line(state: NodeState, torn: bytes) -> None:
    state.write_deployment(STAGING)
    with (state.directory / "history.jsonl").open("ab") as history:
        history.write(torn)
    state.write_deployment(Deployment(State.STAGED))
    assert [line["state"] for line in state.history()] == ["staging", "staged"]


@pytest.mark.parametrize("name", ["state.json", "journal", "previous.journal"])
@pytest.mark.parametrize("content", [b"", b"\0\0\0", b"\xff\xfe", b'{"format": 1', b'{"format": 1, "transaction": "\xff"}'], ids=ascii)
def test_a_damaged_file_needs_a_person_and_is_never_taken_for_nothing(state: NodeState, name: str, content: bytes) -> None:
    (state.directory / name).write_bytes(content)
    read = {"state.json": state.deployment, "journal": state.journal, "previous.journal": state.previous_journal}[name]
    with pytest.raises(NeedsAttention) as raised:
        read()
    assert raised.value.message.startswith(f"{state.directory}/{name}: the ")


def test_the_journal_comes_becomes_the_previous_trees_and_goes(state: NodeState) -> None:
    state.write_journal(JOURNAL)
    assert state.journal() == JOURNAL
    state.finish_journal()
    assert (state.journal(), state.previous_journal()) == (None, JOURNAL)
    state.write_journal(JOURNAL)
    state.drop_journal()
    state.drop_journal()
    assert state.journal() is None


def test_only_the_releases_that_are_needed_stay(state: NodeState) -> None:
    releases = [ReleaseId("base", "1.0"), ReleaseId("base", "1.1"), ReleaseId("compute", "1.0")]
    for release in releases:
        (state.release_directory(release) / "excludes").mkdir(parents=True)
    state.forget_releases({releases[1]})
    assert [path.relative_to(state.directory).as_posix() for path in state.directory.glob("releases/*/*")] == ["releases/base/1.1"]


def test_history_is_ascii_whatever_the_names(state: NodeState) -> None:
    state.write_deployment(STAGING, note="/x\udcff")
    assert json.loads((state.directory / "history.jsonl").read_text("ascii"))["note"] == "/x\udcff"
