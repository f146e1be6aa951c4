"""What is said when a commit is handed over: lines that both sides know, and formats that both must share."""

import json

import pytest

from reprov.domain.hand_over import FORMATS, Failed, Request, Said, TookOver, WentOn, line_of, parse
from reprov.errors import HopFailed, InvalidInput, NeedsAttention, ProofFailed, Refused, ReprovError
from reprov.events import Event, Note, PhaseAdvanced, PhaseEnded, PhaseStarted, event_fields


@pytest.mark.parametrize("said", [TookOver("1.2"), WentOn({"steps": 3}), Failed(5, "no; base 1.0 is back", None)], ids=repr)
def test_what_is_said_is_heard(said: Said) -> None:
    assert parse(line_of(said).encode()) == said


EVENTS = (PhaseStarted("a", "A", 2, 3), PhaseAdvanced("a", 1, 2), PhaseEnded("a", 0.5, 2, 3, False), Note("x"))


@pytest.mark.parametrize("event", EVENTS, ids=repr)
def test_events_come_along(event: Event) -> None:
    assert parse(json.dumps({"format": 1, "time": "now", **event_fields(event)}).encode()) == event


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"Traceback", id="no JSON"),
        pytest.param(b"7", id="no object"),
        pytest.param(b'{"event": "sang"}', id="an event of another version"),
        pytest.param(b'{"event": "note"}', id="a note without its text"),
        pytest.param(b'{"event": "failed", "status": 5}', id="a failure without its reason"),
    ],
)
def test_what_is_not_known_says_nothing(line: bytes) -> None:
    assert parse(line) is None


FAILURES = (HopFailed("a", hint="b"), NeedsAttention("a"), ProofFailed("a"))


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
def test_a_failure_is_raised_here_as_there(error: ReprovError) -> None:
    raised = Failed.of(error).error
    assert (type(raised), raised.message, raised.hint) == (type(error), error.message, error.hint)


def test_a_failure_that_says_nothing_of_the_node_is_for_somebody_to_look_at() -> None:
    assert isinstance(Failed.of(Refused("a")).error, NeedsAttention)


def test_a_request_is_read_as_it_was_written() -> None:
    request = Request.parse(Request("4711", True, FORMATS).to_json())
    assert (request.transaction, request.labels, request.formats, request.problem) == ("4711", True, FORMATS, "")


PROBLEMS = {
    "another format of a file": ({"journal": 9}, "journal is written in format 9, and not in 3"),
    "a file that is not known here": ({"ledger": 1}, "ledger is written in format 1, and not in None"),
    "another way of handing over": ({"hand-over": 2}, "hand-over is written in format 2, and not in 1"),
}


@pytest.mark.parametrize(("formats", "problem"), PROBLEMS.values(), ids=PROBLEMS)
def test_whoever_writes_the_nodes_state_in_another_way_cannot_go_on(formats: dict[str, int], problem: str) -> None:
    assert Request("4711", False, {**FORMATS, **formats}).problem == problem


@pytest.mark.parametrize("text", ["", "[]", '{"transaction": "1", "labels": true, "formats": 3}'])
def test_what_is_no_request_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="not what reprov asks of the reprov of another tree: "):
        Request.parse(text)
