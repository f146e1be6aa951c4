"""The next move of a rollout, from what has happened so far."""

import pytest

from reprov.domain.course import Course, Spread
from reprov.domain.rollout import Done, Gate, Halt, Move, Skip, Step, Stop, Wait, next_move
from reprov.domain.rollout_events import GatePassed, HostsRetried, HostsSkipped, RolloutEvent, StepBegan, StepEnded, Trouble, Turn, Turned
from reprov.domain.rollout_policy import Policy
from reprov.domain.rollout_state import RolloutState
from reprov.errors import NeedsAttention
from tests.rollouts import a_course, a_stage, lost, names, went

NOW = 1_000_000.0
EACH = a_stage(names(10))
QUORUM = a_stage(names(3), Spread.ONE_BY_ONE)
ONCE = a_stage(names(3), Spread.ONCE, (7,))
TOGETHER = a_stage(names(4), Spread.TOGETHER)
RACKS = {"n1": "r1", "n2": "r1", "n3": "r2", "n4": "r2", "n5": "r1"}
BOLD = {"canary": 0, "batches": ("3",), "max_failures": 99}


def move(course: Course, events: list[RolloutEvent], **policy: object) -> Move:
    return next_move(RolloutState(course, events), Policy.of(policy, "test"), NOW)


def steps(tag: int, *hosts: str, stage: str = "compute") -> Step:
    return Step(stage, tag, hosts)


@pytest.mark.parametrize(
    ("events", "policy", "expected"),
    [
        pytest.param([], {}, steps(1, "n1"), id="the first host goes alone"),
        pytest.param([], {"canary": 2, "batches": ("5",)}, steps(1, "n1", "n2"), id="or the first two, as canaries"),
        pytest.param(went(EACH, ["n1"], (1,)), {}, steps(5, "n1"), id="a host goes through all tags of its stage"),
        pytest.param(went(EACH, ["n1"], (1, 5)), {"batches": ("5",)}, steps(9, "n1"), id="before the next one begins"),
        pytest.param(
            went(EACH, ["n1"]), {"batches": ("4", "50%")}, steps(1, "n2", "n3", "n4", "n5"), id="after the canary comes the first batch"
        ),
        pytest.param(
            went(EACH, ["n1"]) + went(EACH, ["n2"]),
            {"batches": ("1", "50%")},
            steps(1, "n3", "n4", "n5", "n6", "n7"),
            id="then a batch of half of the hosts",
        ),
        pytest.param(went(EACH, names(9)), {"batches": ("50%",)}, steps(1, "n10"), id="the last batch is what is left"),
        pytest.param(went(EACH, names(10)), {}, Done(), id="and that is all"),
        pytest.param([StepBegan(0, "compute", 1, ("n1", "n2"))], BOLD, steps(1, "n1", "n2"), id="a step that was interrupted is run again"),
        pytest.param(
            [StepBegan(0, "compute", 1, ("n1", "n2")), StepEnded(0, "compute", 1, ("n2",))],
            BOLD,
            steps(1, "n1"),
            id="a host that is behind catches up with its batch",
        ),
        pytest.param(
            [*went(EACH, ["n1"], (1,)), *lost(EACH, "n1", 5)],
            {"canary": 1, "max_failures": 9},
            Stop(Halt.CANARY, "canary n1 of stage compute failed: it broke"),
            id="a canary that fails stops it, whatever may fail",
        ),
        pytest.param(
            lost(EACH, "n1", 1, unreachable=True),
            {"skip_unreachable": True},
            steps(1, "n2"),
            id="a canary that cannot be reached leaves its part to the next host",
        ),
        pytest.param(
            lost(EACH, "n1", 1, unreachable=True),
            {},
            Stop(Halt.FAILURES, "1 host failed, 0 may: n1"),
            id="unless that is a failure too many",
        ),
        pytest.param(
            went(EACH, ["n1"]),
            {"ask_after_canary": True},
            Gate("compute", "the canaries of stage compute are done, 9 hosts to go"),
            id="somebody wants to be asked behind the canaries",
        ),
        pytest.param(
            [*went(EACH, ["n1"]), GatePassed(0, "compute", "me")], {"ask_after_canary": True}, steps(1, "n2"), id="and has said yes"
        ),
        pytest.param(
            [*went(EACH, ["n1"]), *lost(EACH, "n2", 1)],
            {},
            Stop(Halt.FAILURES, "1 host failed, 0 may: n2"),
            id="a failure more than may be stops it",
        ),
        pytest.param([*went(EACH, ["n1"]), *lost(EACH, "n2", 1)], {"max_failures": 1}, steps(1, "n3"), id="one that may be does not"),
        pytest.param(
            [
                *went(EACH, ["n1"]),
                StepBegan(0, "compute", 1, ("n2", "n3")),
                StepEnded(0, "compute", 1, ("n3",), (Trouble("n2", "it broke"),)),
            ],
            {"batches": ("2",)},
            steps(5, "n3"),
            id="those that began beside the one that failed are brought to the end of their stage",
        ),
        pytest.param([Turned(0, Turn.PAUSED, "me")], {}, Stop(Halt.PAUSED, "it was paused"), id="paused"),
        pytest.param(
            [*went(EACH, ["n1"], (1,)), Turned(0, Turn.PAUSED, "me")], {}, steps(5, "n1"), id="a pause lets those in flight go through"
        ),
        pytest.param([Turned(0, Turn.PAUSED, "me"), Turned(0, Turn.STARTED, "me")], {}, steps(1, "n1"), id="a new start ends a pause"),
        pytest.param(
            [*went(EACH, ["n1"], (1,)), Turned(0, Turn.ABORTED, "me")], {}, Stop(Halt.ABORTED, "it was aborted"), id="an abort does not"
        ),
        pytest.param(
            went(EACH, ["n1"], at=NOW - 10),
            {"soak_s": 60.0},
            Wait(NOW + 50, "the last batch soaks"),
            id="a batch soaks before the next one",
        ),
        pytest.param(went(EACH, ["n1"], at=NOW - 60), {"soak_s": 60.0}, steps(1, "n2"), id="for so long and no longer"),
        pytest.param(
            [], {"windows": ("14:00-15:00",)}, Wait(1_000_800.0, "outside of 14:00-15:00 (UTC)"), id="nobody begins outside of the window"
        ),
        pytest.param(went(EACH, ["n1"], (1,)), {"windows": ("14:00-15:00",)}, steps(5, "n1"), id="who has begun goes on there"),
    ],
)
def test_next_move_in_batches(events: list[RolloutEvent], policy: dict[str, object], expected: Move) -> None:
    assert move(a_course(EACH), events, **policy) == expected


@pytest.mark.parametrize(
    ("events", "policy", "expected"),
    [
        pytest.param([], BOLD, steps(1, "n1", "n2", "n5"), id="hosts of one domain follow each other"),
        pytest.param([], BOLD | {"batches": ("5",), "by_domain": True}, steps(1, "n1", "n2", "n5"), id="no batch has hosts of two"),
        pytest.param([], BOLD | {"max_unavailable_per_domain": 1}, steps(1, "n1", "n3"), id="one of each domain at a time"),
        pytest.param([], BOLD | {"max_unavailable": 2}, steps(1, "n1", "n2"), id="two in all"),
        pytest.param([], {"canary": 3, "max_unavailable": 1}, steps(1, "n1"), id="canaries, too"),
        pytest.param(
            lost(a_stage(names(5)), "n1", 1),
            BOLD | {"max_unavailable_per_domain": 1},
            Skip("compute", ("n2", "n5"), "no further host of r1 may be unavailable"),
            id="beside a host that failed the others of its domain are left alone",
        ),
        pytest.param(
            [*lost(a_stage(names(5)), "n1", 1), HostsSkipped(0, "compute", ("n2", "n5"), "r1")],
            BOLD | {"max_unavailable_per_domain": 1},
            steps(1, "n3"),
            id="and other domains go on",
        ),
        pytest.param(
            lost(a_stage(names(5)), "n1", 1),
            BOLD | {"max_unavailable": 1},
            Stop(Halt.BUDGET, "no further host may be unavailable: n1 is, 1 may be"),
            id="a host that failed uses the budget up",
        ),
        pytest.param(
            lost(a_stage(names(5)), "n1", 1, unreachable=True),
            BOLD | {"max_unavailable": 1, "skip_unreachable": True},
            Stop(Halt.BUDGET, "no further host may be unavailable: n1 is, 1 may be"),
            id="so does one that cannot be reached",
        ),
        pytest.param(
            [*went(a_stage(names(5)), ["n3"]), *lost(a_stage(names(5)), "n4", 1), HostsRetried(0, ("n4",))],
            BOLD | {"max_unavailable": 1},
            steps(1, "n4"),
            id="what is unavailable and is tried again comes first, and may",
        ),
    ],
)
def test_next_move_with_a_budget(events: list[RolloutEvent], policy: dict[str, object], expected: Move) -> None:
    assert move(a_course(a_stage(names(5)), domains=RACKS), events, **policy) == expected


@pytest.mark.parametrize(
    ("events", "policy", "expected"),
    [
        pytest.param([], BOLD, steps(1, "n1"), id="one member"),
        pytest.param(went(QUORUM, ["n1"]), BOLD, steps(1, "n2"), id="then the next"),
        pytest.param(
            lost(QUORUM, "n1", 1),
            BOLD,
            Stop(Halt.QUORUM, "n1 of stage compute is unavailable: no second member may be taken away"),
            id="none beside one that failed, whatever may fail",
        ),
        pytest.param(
            lost(QUORUM, "n1", 1, unreachable=True),
            BOLD | {"skip_unreachable": True},
            Stop(Halt.QUORUM, "n1 of stage compute is unavailable: no second member may be taken away"),
            id="or that cannot be reached",
        ),
        pytest.param(
            [*went(QUORUM, ["n1"]), *went(QUORUM, ["n2"], (1,)), *lost(QUORUM, "n2", 5), HostsRetried(0, ("n2",))],
            BOLD,
            steps(5, "n2"),
            id="one that is tried again goes on at the step that failed",
        ),
    ],
)
def test_next_move_of_a_quorum(events: list[RolloutEvent], policy: dict[str, object], expected: Move) -> None:
    assert move(a_course(QUORUM), events, **policy) == expected


@pytest.mark.parametrize(
    ("events", "policy", "expected"),
    [
        pytest.param([], {}, steps(7, "n1"), id="on the first host"),
        pytest.param(went(ONCE, ["n1"]), {}, Done(), id="and on no other"),
        pytest.param(
            lost(ONCE, "n1", 7, unreachable=True), {"skip_unreachable": True}, steps(7, "n2"), id="on the second if the first is not there"
        ),
        pytest.param(
            lost(ONCE, "n1", 7),
            BOLD,
            Stop(Halt.FAILURES, "stage compute failed on n1, and what follows needs it: it broke"),
            id="but not if it failed there",
        ),
        pytest.param(
            [event for host in names(3) for event in lost(ONCE, host, 7, unreachable=True)],
            {"skip_unreachable": True},
            Stop(Halt.NO_HOST, "no host is left on which stage compute could be run once"),
            id="on no host at all",
        ),
        pytest.param(
            [event for host in names(3) for event in lost(ONCE, host, 7, unreachable=True)],
            {},
            Stop(Halt.FAILURES, "3 hosts failed, 0 may: n1, n2, n3"),
            id="on no host at all, where that is why",
        ),
    ],
)
def test_next_move_of_what_is_done_once(events: list[RolloutEvent], policy: dict[str, object], expected: Move) -> None:
    assert move(a_course(ONCE), events, **policy) == expected


def test_all_hosts_together() -> None:
    assert move(a_course(TOGETHER), [], max_unavailable=1) == steps(1, *names(4))


def test_a_stage_begins_when_the_one_before_is_over() -> None:
    first, second = a_stage(names(2), name="control"), a_stage(names(2, "c"))
    course = a_course(first, a_stage((), name="nobody"), second)
    assert move(course, went(first, ["n1"])) == steps(1, "n2", stage="control")
    assert move(course, [*went(first, ["n1"]), *went(first, ["n2"])]) == steps(1, "c1")


def test_a_host_that_was_given_up_has_no_part_in_later_stages() -> None:
    first, second = a_stage(names(2), name="control"), a_stage(names(2))
    events = [*went(first, ["n2"]), *lost(first, "n1", 1)]
    assert move(a_course(first, second), events, max_failures=1, canary=0) == steps(1, "n2")


def test_a_host_that_is_tried_again_brings_its_stage_back() -> None:
    first, second = a_stage(names(2), name="control"), a_stage(names(2))
    events = [*went(first, ["n1"]), *lost(first, "n2", 1), *went(second, ["n1"]), HostsRetried(0, ("n2",))]
    assert move(a_course(first, second), events, max_failures=1) == steps(1, "n2", stage="control")


@pytest.mark.parametrize(
    ("events", "message"),
    [
        pytest.param([StepBegan(0, "control", 1, ("n1",))], "stage control is not the one that was under way", id="another stage"),
        pytest.param([StepBegan(0, "compute", 1, ("x1",))], "x1 was not waiting for its turn", id="a host that is not in it"),
        pytest.param(
            [StepBegan(0, "compute", 1, ("n1",)), StepEnded(0, "compute", 5, ("n1",))],
            "step 5 of compute cannot have been run on n1",
            id="a step that is not the next one",
        ),
        pytest.param([StepEnded(0, "compute", 1, ("n1",))], "step 1 of compute cannot have been run on n1", id="one that has not begun"),
        pytest.param([HostsRetried(0, ("n1",))], "n1 cannot be tried again: it has not been given up", id="trying again what is well"),
        pytest.param(
            [*lost(EACH, "n1", 1), StepBegan(0, "compute", 1, ("n2",)), HostsRetried(0, ("n1",))],
            "hosts cannot be tried again while others are being worked on",
            id="trying again beside others",
        ),
    ],
)
def test_events_that_do_not_fit_the_course_are_refused(events: list[RolloutEvent], message: str) -> None:
    with pytest.raises(NeedsAttention) as error:
        RolloutState(a_course(EACH), events)
    assert error.value.message == f"the events of the rollout do not fit its course: {message}"
