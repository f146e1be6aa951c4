"""How far a rollout is, its timeline, and its report."""

import re

from reprov.domain.course import Spread
from reprov.domain.rollout_events import HostsSkipped, NodeReached, Outcome, RolloutEvent, StepBegan, StepEnded, Trouble, Turn, Turned
from reprov.domain.rollout_file import Rollout
from reprov.domain.rollout_policy import Policy
from reprov.domain.rollout_report import render_report
from reprov.domain.rollout_state import Out, RolloutState
from reprov.domain.rollout_status import InFlight, RolloutStatus, Span, StageStatus, status_of, timeline
from tests.rollouts import a_course, a_stage, lost, names, went

FIRST = a_stage(names(3), tags=(1, 5), name="control")
SYNC = a_stage(names(3), Spread.ONCE, (7,), name="sync")
SECOND = a_stage(names(4, "c"), tags=(1, 5))
COURSE = a_course(FIRST, SYNC, SECOND)
STARTED = Turned(1.0, Turn.STARTED, "me")
EVENTS: list[RolloutEvent] = [
    *went(FIRST, ["n1"]),
    *lost(FIRST, "n2", 1),
    HostsSkipped(0.0, "control", ("n3",), "no room"),
    *went(SYNC, ["n1"]),
    StepBegan(9.0, "compute", 1, ("c1", "c2")),
]


def status(events: list[RolloutEvent]) -> RolloutStatus:
    return status_of(RolloutState(COURSE, events), events[0], events[-1], STARTED)


def test_how_far_each_stage_is() -> None:
    found = status(EVENTS)
    assert found.stages == (
        StageStatus("control", "the controls", hosts=3, done=1, in_flight=0, given_up=2),
        StageStatus("sync", "the syncs", hosts=1, done=1, in_flight=0, given_up=0),
        StageStatus("compute", "the computes", hosts=4, done=0, in_flight=2, given_up=0),
    )
    assert [stage.is_over for stage in found.stages] == [True, True, False]
    assert found.in_flight == (InFlight("c1", "compute", 1), InFlight("c2", "compute", 1))
    assert found.given_up == {"n2": Out(Outcome.FAILED, "control", 1, "it broke"), "n3": Out(Outcome.SKIPPED, "control", 0, "no room")}


def test_what_a_host_has_reached_is_told_until_its_step_ends() -> None:
    fetching = NodeReached(10.0, "c2", "fetch", "Fetching content")
    assert status([*EVENTS, fetching]).in_flight == (InFlight("c1", "compute", 1), InFlight("c2", "compute", 1, "Fetching content"))
    ended = StepEnded(11.0, "compute", 1, ("c1", "c2"))
    assert status([*EVENTS, fetching, ended]).in_flight == (InFlight("c1", "compute", 5), InFlight("c2", "compute", 5))


def test_a_step_has_its_beginning_and_its_end() -> None:
    began = StepBegan(1.0, "compute", 1, ("c1", "c2", "c3"))
    ended = StepEnded(4.0, "compute", 1, ("c1",), (Trouble("c2", "it broke"),), (Trouble("c3", "gone"),))
    assert timeline([began, ended]) == (
        Span("c1", "compute", 1, 1.0, 4.0, Outcome.DONE, ""),
        Span("c2", "compute", 1, 1.0, 4.0, Outcome.FAILED, "it broke"),
        Span("c3", "compute", 1, 1.0, 4.0, Outcome.UNREACHABLE, "gone"),
    )


def test_a_step_that_was_interrupted_and_run_again_is_there_twice() -> None:
    began = StepBegan(1.0, "compute", 1, ("c1",))
    again: list[RolloutEvent] = [Turned(5.0, Turn.STARTED, "me"), began._replace(at=6.0), StepEnded(7.0, "compute", 1, ("c1",))]
    assert timeline([began, *again]) == (
        Span("c1", "compute", 1, 1.0, None, None, ""),
        Span("c1", "compute", 1, 6.0, 7.0, Outcome.DONE, ""),
    )


def report(events: list[RolloutEvent], infra: str = "site") -> str:
    rollout = Rollout("re-image", infra, {"compute": "2.0"}, Policy(), COURSE)
    return render_report(rollout, status(events), timeline(events), "under way")


def test_the_report_loads_nothing_and_names_everybody() -> None:
    page = report(EVENTS)
    assert not re.search(r"(?:src|href)=|url\(|@import|<script", page)
    assert all(f"<td>{host}</td>" in page for host in (*FIRST.hosts, *SECOND.hosts))
    assert page.count('<span class="step') == 6


def test_the_report_escapes_what_hosts_say() -> None:
    events: list[RolloutEvent] = [
        StepBegan(0.0, "control", 1, ("n1",)),
        StepEnded(1.0, "control", 1, (), (Trouble("n1", '"><script>alert(1)</script>'),)),
    ]
    page = report(events, infra="<b>site</b>")
    assert "<script" not in page
    assert "<b>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
