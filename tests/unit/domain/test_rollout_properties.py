"""What holds for every rollout: any course, any policy, hosts that fail or vanish anywhere, a controller that is killed anywhere."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from reprov.domain.course import Course, Spread, Stage
from reprov.domain.rollout import Done, Step, next_move
from reprov.domain.rollout_events import HostsRetried, Outcome, RolloutEvent, StepBegan, StepEnded, Turn, Turned, parse_line, to_line
from reprov.domain.rollout_policy import Policy
from reprov.domain.rollout_state import RolloutState
from reprov.domain.simulation import simulate
from tests.rollouts import Hosts, names

EXAMPLES = settings(max_examples=60)
HOSTS = names(8)
WORDS = ("control", "compute", "ceph")


@dataclass(frozen=True)
class World:
    course: Course
    policy: Policy
    hosts: Hosts


@st.composite
def worlds(draw: st.DrawFn) -> World:
    stages = tuple(
        Stage(
            name,
            name,
            tuple(draw(st.lists(st.sampled_from(HOSTS), unique=True))),
            tuple(sorted(draw(st.sets(st.integers(1, 9), max_size=3)))),
            draw(st.sampled_from(Spread)),
        )
        for name in WORDS[: draw(st.integers(1, 3))]
    )
    domains = {host: draw(st.sampled_from("abc")) for host in HOSTS if draw(st.booleans())}
    steps = [(stage.name, tag, host) for stage in stages for tag in stage.tags for host in stage.hosts]
    troubles: Mapping[tuple[str, int, str], Outcome] = (
        draw(st.dictionaries(st.sampled_from(steps), st.sampled_from((Outcome.FAILED, Outcome.UNREACHABLE)), max_size=4)) if steps else {}
    )
    policy = Policy(
        canary=draw(st.integers(0, 2)),
        ask_after_canary=draw(st.booleans()),
        batches=tuple(draw(st.lists(st.sampled_from(("1", "2", "5", "30%", "100%")), min_size=1, max_size=3))),
        by_domain=draw(st.booleans()),
        max_unavailable=draw(st.none() | st.integers(1, 4)),
        max_unavailable_per_domain=draw(st.none() | st.integers(1, 2)),
        max_failures=draw(st.integers(0, 3)),
        soak_s=draw(st.sampled_from((0.0, 300.0))),
        skip_unreachable=draw(st.booleans()),
        windows=draw(st.sampled_from(((), ("22:00-04:00",), ("sun 01:00-02:00",)))),
    )
    return World(Course(stages, domains), policy, Hosts(troubles))


def unavailable_at_most(world: World, events: Iterable[RolloutEvent]) -> None:
    """Check the budgets at every moment at which a host begins; counted here, not by the state under test."""
    stages = {stage.name: stage for stage in world.course.stages}
    down: set[str] = set()
    through: Counter[tuple[str, str]] = Counter()
    for event in events:
        if isinstance(event, StepBegan):
            stage = stages[event.stage]
            new = {host for host in event.hosts if host not in down}
            if stage.spread not in (Spread.EACH, Spread.ONE_BY_ONE):
                continue
            down |= new
            if new and world.policy.max_unavailable:
                assert len(down) <= world.policy.max_unavailable
            if new and world.policy.max_unavailable_per_domain:
                count = Counter(world.course.domain_of(host) for host in down)
                assert max(count[world.course.domain_of(host)] for host in new) <= world.policy.max_unavailable_per_domain
            if stage.spread is Spread.ONE_BY_ONE and new:
                assert down & set(stage.hosts) == set(event.hosts)
                assert len(event.hosts) == 1
        elif isinstance(event, StepEnded):
            for host in event.done:
                through[event.stage, host] += 1
                if through[event.stage, host] == len(stages[event.stage].tags):
                    down.discard(host)
            down |= {trouble.host for trouble in (*event.failed, *event.unreachable)}


def steps_of(events: Iterable[RolloutEvent]) -> dict[tuple[str, str], list[int]]:
    """The tags that were run on each host in each stage, in order."""
    found: dict[tuple[str, str], list[int]] = defaultdict(list)
    for event in events:
        if isinstance(event, StepBegan):
            for host in event.hosts:
                found[event.stage, host].append(event.tag)
    return found


@EXAMPLES
@given(worlds())
def test_no_budget_is_exceeded_and_no_quorum_loses_two_members(world: World) -> None:
    result = simulate(RolloutState(world.course), world.policy, world.hosts)
    unavailable_at_most(world, result.events)


@EXAMPLES
@given(worlds())
def test_every_host_gets_through_or_has_a_reason(world: World) -> None:
    state = RolloutState(world.course)
    result = simulate(state, world.policy, world.hosts)
    assert not state.in_flight
    if isinstance(result.end, Done):
        for stage in world.course.stages:
            assert all(state.is_through(stage, host) or state.out[host].why for host in stage.hosts)
    else:
        assert result.end.why


@EXAMPLES
@given(worlds())
def test_steps_are_run_in_order_and_never_behind_a_failure(world: World) -> None:
    stages = {stage.name: stage for stage in world.course.stages}
    for (name, host), tags in steps_of(simulate(RolloutState(world.course), world.policy, world.hosts).events).items():
        assert tuple(tags) == stages[name].tags[: len(tags)]
        assert not any((name, tag, host) in world.hosts.troubles for tag in tags[:-1])


@EXAMPLES
@given(worlds(), st.data())
def test_a_controller_that_is_killed_repeats_one_step_at_most(world: World, data: st.DataObject) -> None:
    whole = simulate(RolloutState(world.course), world.policy, world.hosts)
    kept = list(whole.events[: data.draw(st.integers(0, len(whole.events)), label="written when it was killed")])
    now = kept[-1].at if kept else 0.0
    again = simulate(RolloutState(world.course, kept), world.policy, world.hosts, begins_at=now)
    unavailable_at_most(world, [*kept, *again.events])
    before, after = steps_of(whole.events), steps_of([*kept, *again.events])
    assert before.keys() == after.keys()
    for key, tags in after.items():
        assert list(dict.fromkeys(tags)) == before[key]
        assert len(tags) - len(before[key]) <= 1
    assert again.end == whole.end


@EXAMPLES
@given(worlds())
def test_once_healed_a_second_try_brings_everybody_to_the_end(world: World) -> None:
    state = RolloutState(world.course)
    simulate(state, world.policy, world.hosts)
    while state.out:
        state.apply(HostsRetried(0.0, tuple(state.out)))
        unbound = world.policy.model_copy(update={"max_unavailable": None, "max_unavailable_per_domain": None})
        assert simulate(state, unbound, Hosts()).end == Done()
    assert next_move(state, world.policy, 0.0) == Done()


@EXAMPLES
@given(worlds())
def test_a_pause_leaves_nobody_in_the_middle_of_a_stage(world: World) -> None:
    state = RolloutState(world.course)
    policy = world.policy.model_copy(update={"windows": (), "soak_s": 0.0})
    move = next_move(state, policy, 0.0)
    if isinstance(move, Step):
        state.apply(StepBegan(0.0, *move))
    state.apply(Turned(0.0, Turn.PAUSED, "me"))
    simulate(state, policy, world.hosts)
    assert not state.in_flight


@EXAMPLES
@given(worlds())
def test_the_state_is_what_follows_from_the_lines_that_were_written(world: World) -> None:
    state = RolloutState(world.course)
    result = simulate(state, world.policy, world.hosts)
    read = [parse_line(to_line(event), "test:1") for event in result.events]
    assert read == list(result.events)
    again = RolloutState(world.course, read)
    assert (again.position, again.out, again.down, again.waiting) == (state.position, state.out, state.down, state.waiting)
