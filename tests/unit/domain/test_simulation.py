"""Rollouts of thousands of hosts, simulated."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

from reprov.domain.rollout import Done
from reprov.domain.rollout_events import Outcome
from reprov.domain.rollout_policy import Policy
from reprov.domain.rollout_state import RolloutState
from reprov.domain.simulation import simulate
from tests.rollouts import Hosts, a_course, a_stage, names

TraceFunction = Callable[[FrameType, str, Any], Any]


def test_the_time_that_it_would_take() -> None:
    state = RolloutState(a_course(a_stage(names(3), tags=(1, 5))))
    result = simulate(state, Policy(soak_s=600), Hosts(), begins_at=1000.0)
    assert (result.end, result.runs, result.elapsed_s) == (Done(), 6, 3 * 2 * 60 + 2 * 600)


@pytest.mark.parametrize(
    ("policy", "trouble"),
    [
        pytest.param({}, None, id="one by one"),
        pytest.param({"batches": ("5", "10%"), "max_unavailable_per_domain": 2}, None, id="in batches with a budget for each rack"),
        pytest.param(
            {"max_failures": 9999, "max_unavailable_per_domain": 1}, Outcome.FAILED, id="beside racks without room for another failure"
        ),
        pytest.param({"skip_unreachable": True}, Outcome.UNREACHABLE, id="with hosts that cannot be reached"),
    ],
)
def test_the_cost_of_a_move_does_not_grow_with_the_fleet(policy: Mapping[str, object], trouble: Outcome | None) -> None:
    def lines(count: int) -> int:
        hosts = names(count)
        course = a_course(a_stage(hosts, tags=(1, 2)), domains={host: f"r{number // 10}" for number, host in enumerate(hosts)})
        # In each rack, the second host fails, and all behind it are skipped; or the first half of the hosts is not there.
        bad = {Outcome.FAILED: hosts[1::10], Outcome.UNREACHABLE: hosts[: count // 2], None: ()}[trouble]
        model = Hosts({("compute", 2, host): trouble for host in bad if trouble})
        state = RolloutState(course)
        with counted_lines() as counted:
            assert simulate(state, Policy.of(policy, "test"), model).end == Done()
        return counted[0]

    assert lines(1000) < lines(100) * 12  # a hundred times, were it quadratic


@contextmanager
def counted_lines() -> Iterator[list[int]]:
    """How many lines of Python are run in the block: as good as its time, and the same on every machine."""
    counted = [0]

    def trace(frame: FrameType, event: str, argument: object) -> TraceFunction:
        counted[0] += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield counted
    finally:
        sys.settrace(before)
