"""What nodes say of their upgrades, from the events of ansible-runner."""

import json
from typing import Any

import pytest

from reprov.domain.node_talk import NodeTalk, Said
from reprov.events import Note, PhaseEnded, PhaseStarted, event_fields

SCAN, FETCH = PhaseStarted("scan", "Reading the node"), PhaseStarted("fetch", "Fetching content", 7, 4096)
LINES = [json.dumps({"format": 1, "time": "2026-01-01T00:00:00Z", **event_fields(event)}) for event in (SCAN, Note("slow"), FETCH)]


def answer(*lines: str, host: str = "n1", event: str = "runner_retry") -> dict[str, Any]:
    """What `grep -n` and `systemctl show` have printed."""
    return {"event": event, "event_data": {"host": host, "task": "follow", "res": {"stdout": "\n".join((*lines, "active"))}}}


def numbered(first: int, *lines: str) -> list[str]:
    return [f"{number}:{line}" for number, line in enumerate(lines, start=first)]


def test_answers_have_events_again_and_each_is_heard_once() -> None:
    talk = NodeTalk()
    assert [*talk.hear(answer(*numbered(1, *LINES[:2])))] == [Said("n1", SCAN), Said("n1", Note("slow"))]
    assert [*talk.hear(answer(*numbered(2, *LINES[1:])))] == [Said("n1", FETCH)]
    assert [*talk.hear(answer(*numbered(1, *LINES), event="runner_on_ok"))] == []


def test_hosts_are_heard_one_by_one() -> None:
    talk = NodeTalk()
    assert [*talk.hear(answer(*numbered(1, LINES[0])))] == [Said("n1", SCAN)]
    assert [*talk.hear(answer(*numbered(1, LINES[0]), host="n2"))] == [Said("n2", SCAN)]


def test_a_line_that_is_still_being_written_is_heard_when_it_is_whole() -> None:
    talk = NodeTalk()
    assert [*talk.hear(answer(*numbered(1, LINES[0], LINES[1][:-9] + "}")))] == [Said("n1", SCAN)]
    assert [*talk.hear(answer(*numbered(1, *LINES[:2])))] == [Said("n1", Note("slow"))]


@pytest.mark.parametrize(
    "event",
    [
        pytest.param({"event": "playbook_on_task_start", "event_data": {"task": "follow"}}, id="no answer"),
        pytest.param({"event": "runner_on_ok", "event_data": {"host": "n1", "res": {"changed": True}}}, id="nothing printed"),
        pytest.param({"event": "runner_on_ok", "event_data": {"host": "n1", "res": {"stdout": ["a", "b"]}}}, id="printed as a list"),
        pytest.param({"event": "runner_on_ok", "event_data": {"host": "n1"}}, id="no result"),
        pytest.param({"event": "verbose"}, id="without data"),
        pytest.param(answer("{}", '1:{"event": "future"}', "2:[]"), id="not an event that is known here"),
    ],
)
def test_other_events_say_nothing(event: dict[str, Any]) -> None:
    assert [*NodeTalk().hear(event)] == []


def test_what_a_phase_says_at_its_end_is_passed_on_too() -> None:
    ended = PhaseEnded("scan", 1.5, 3, 0, ok=False)
    assert [*NodeTalk().hear(answer(*numbered(9, json.dumps(event_fields(ended)))))] == [Said("n1", ended)]
