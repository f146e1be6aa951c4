"""The next move of a rollout: who goes on with what, or why nobody does. Decided from the state alone, without a host or a clock."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from itertools import islice
from typing import Final, NamedTuple

from reprov.domain.course import Spread, Stage
from reprov.domain.rollout_events import Outcome
from reprov.domain.rollout_policy import Policy
from reprov.domain.rollout_state import RolloutState, first_in_line

_NAMED_HOSTS: Final = 5
_NO_LIMIT: Final = 1 << 62


class Step(NamedTuple):
    """Run this tag of this stage on these hosts."""

    stage: str
    tag: int
    hosts: tuple[str, ...]


class Skip(NamedTuple):
    """Give up these hosts of the stage, untouched: what is unavailable beside them stays so."""

    stage: str
    hosts: tuple[str, ...]
    why: str


class Gate(NamedTuple):
    """Somebody has to say that the stage goes on."""

    stage: str
    why: str


class Wait(NamedTuple):
    """Nothing may begin before that time, in seconds since the epoch."""

    until: float
    why: str


class Halt(StrEnum):
    """Why a rollout stops before its end."""

    CANARY = "canary"
    FAILURES = "failures"
    BUDGET = "budget"
    QUORUM = "quorum"
    NO_HOST = "no-host"
    PAUSED = "paused"
    ABORTED = "aborted"


class Stop(NamedTuple):
    """No further host begins; none is in flight, unless the rollout was aborted."""

    halt: Halt
    why: str


class Done(NamedTuple):
    """All stages are over; `RolloutState.out` has the hosts that did not get to the end."""


Move = Step | Skip | Gate | Wait | Stop | Done


def next_move(state: RolloutState, policy: Policy, now: float) -> Move:
    """What is to be done now. Its cost grows with the batch, not with the fleet.

    Hosts that have begun come first: a batch goes through all tags of its stage, together, before anything else is decided.
    Hosts of one failure domain follow each other; otherwise the order is that of the stage.
    """
    stage = state.stage
    if state.aborted:
        return Stop(Halt.ABORTED, "it was aborted")
    if stage is None:
        return Done()
    if state.in_flight:
        return _step(state, stage, state.in_flight)
    if state.paused:
        return Stop(Halt.PAUSED, "it was paused")
    return _why_stop(state, stage, policy) or _begin(state, stage, policy, now)


def _step(state: RolloutState, stage: Stage, hosts: Iterable[str]) -> Step:
    """The lowest tag that any of them has before it, on those that have: hosts of a batch that are behind catch up first."""
    behind: dict[int, list[str]] = {}
    for host in hosts:
        behind.setdefault(state.steps_done(stage, host), []).append(host)
    least = min(behind)
    return Step(stage.name, stage.tags[least], tuple(behind[least]))


def _why_stop(state: RolloutState, stage: Stage, policy: Policy) -> Stop | None:
    if stage.spread is Spread.EACH and (failed := [host for host in _canaries(state, stage, policy) if host in state.out]):
        return Stop(Halt.CANARY, f"canary {_named(failed)} of stage {stage.name} failed: {state.out[failed[0]].why}")
    if stage.spread is Spread.ONE_BY_ONE and state.lost:
        return Stop(Halt.QUORUM, f"{_named(state.lost)} of stage {stage.name} is unavailable: no second member may be taken away")
    if stage.spread is Spread.ONCE:
        failed = [host for host in state.lost if state.out[host].outcome is Outcome.FAILED and state.out[host].stage == stage.name]
        if failed:
            return Stop(Halt.FAILURES, f"stage {stage.name} failed on {failed[0]}, and what follows needs it: {state.out[failed[0]].why}")
    counts = {Outcome.FAILED} if policy.skip_unreachable else {Outcome.FAILED, Outcome.UNREACHABLE}
    failures = sum(state.outcomes[outcome] for outcome in counts)
    if failures > policy.max_failures:
        counted = [host for host, out in state.out.items() if out.outcome in counts]
        return Stop(Halt.FAILURES, f"{_counted(failures, 'host')} failed, {policy.max_failures} may: {_named(counted)}")
    if stage.spread is Spread.ONCE and not state.waiting:
        return Stop(Halt.NO_HOST, f"no host is left on which stage {stage.name} could be run once")
    return None


def _begin(state: RolloutState, stage: Stage, policy: Policy, now: float) -> Move:
    if stage.spread is Spread.ONCE:
        move: Move = _step(state, stage, [next(first_in_line(state))])
    elif stage.spread is Spread.TOGETHER:
        move = _step(state, stage, first_in_line(state))
    elif stage.spread is Spread.ONE_BY_ONE:
        move = _batch(state, stage, policy, state.waiting, 1)
    else:
        canaries = [host for host in _canaries(state, stage, policy) if state.is_waiting(host)]
        if canaries:
            move = _batch(state, stage, policy, _by_domain(state, canaries), len(canaries))
        elif policy.ask_after_canary and policy.canary and stage.name not in state.passed:
            return Gate(stage.name, f"the canaries of stage {stage.name} are done, {_counted(_waiting(state), 'host')} to go")
        else:
            number = state.batches - (1 if policy.canary else 0)
            move = _batch(state, stage, policy, state.waiting, policy.batch_size(max(number, 0), len(stage.hosts)))
    return (_wait(state, policy, now) or move) if isinstance(move, Step) else move


def _wait(state: RolloutState, policy: Policy, now: float) -> Wait | None:
    soaked_at = state.batch_ended_at + policy.soak_s
    if soaked_at > now:
        return Wait(soaked_at, "the last batch soaks")
    opens_at = policy.opens_at(now)
    return Wait(opens_at, f"outside of {', '.join(policy.windows)} (UTC)") if opens_at > now else None


def _batch(state: RolloutState, stage: Stage, policy: Policy, waiting: Mapping[str, Iterable[str]], size: int) -> Move:
    """As many of those waiting, up to `size`, as may become unavailable. What is unavailable already may be worked on at any time."""
    room = (policy.max_unavailable or _NO_LIMIT) - len(state.down)
    chosen: list[str] = []
    for domain, hosts in waiting.items():
        room_here = (policy.max_unavailable_per_domain or _NO_LIMIT) - state.down_in[domain]
        before = len(chosen)
        for host in hosts:
            if len(chosen) == size:
                break
            if host not in state.down:
                if room <= 0 or room_here <= 0:
                    break
                room, room_here = room - 1, room_here - 1
            chosen.append(host)
        if len(chosen) == before and room > 0 and size > before:
            # Nothing is in flight: what is unavailable there has been given up.
            return Skip(stage.name, tuple(hosts), f"no further host of {domain} may be unavailable")
        if len(chosen) == size or room <= 0 or (policy.by_domain and chosen):
            break
    if not chosen:
        down = _named(sorted(state.down))
        return Stop(Halt.BUDGET, f"no further host may be unavailable: {down} {_are(state.down)}, {policy.max_unavailable} may be")
    first = state.steps_done(stage, chosen[0])
    return _step(state, stage, [host for host in chosen if state.steps_done(stage, host) == first])


def _canaries(state: RolloutState, stage: Stage, policy: Policy) -> list[str]:
    """The first hosts of the stage, without those that it never got hold of: they tell nothing about the release."""
    told = (host for host in islice(stage.hosts, state.lead, None) if not state.tells_nothing(stage, host))
    return list(islice(told, policy.canary))


def _by_domain(state: RolloutState, hosts: Iterable[str]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for host in sorted(hosts, key=lambda host: host not in state.down):
        found.setdefault(state.course.domain_of(host), []).append(host)
    return found


def _waiting(state: RolloutState) -> int:
    return sum(len(hosts) for hosts in state.waiting.values())


def _named(hosts: Iterable[str]) -> str:
    names = list(hosts)
    more = f" and {len(names) - _NAMED_HOSTS} more" if len(names) > _NAMED_HOSTS else ""
    return ", ".join(names[:_NAMED_HOSTS]) + more


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _are(hosts: set[str]) -> str:
    return "is" if len(hosts) == 1 else "are"
