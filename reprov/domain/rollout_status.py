"""What there is to say of a rollout: how far each stage is, who was given up, and when each host did what."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from reprov.domain.course import Spread, Stage
from reprov.domain.rollout_events import Outcome, RolloutEvent, StepBegan, StepEnded, Turn, Turned
from reprov.domain.rollout_state import Out, RolloutState


class StageStatus(NamedTuple):
    """How far a stage is."""

    name: str
    title: str
    hosts: int
    """How many have to go through it; one where one is enough."""
    done: int
    in_flight: int
    given_up: int
    """Those that were given up in it, or before they came to it."""

    @property
    def is_over(self) -> bool:
        """True when nobody is left to go through it."""
        return self.done + self.given_up >= self.hosts


class InFlight(NamedTuple):
    """A host that is being worked on."""

    host: str
    stage: str
    tag: int
    reached: str = ""
    """What it is at in the step, in its own words, as far as it has said so."""


@dataclass(frozen=True, slots=True)
class RolloutStatus:
    """A rollout at one moment."""

    stages: tuple[StageStatus, ...]
    in_flight: tuple[InFlight, ...]
    given_up: Mapping[str, Out]
    """By host, in the order in which they were."""
    began_at: float | None
    changed_at: float | None
    turn: Turned | None
    """The last time that it began, paused or ended."""

    @property
    def is_finished(self) -> bool:
        """True at the end of the last stage, whether or not every host got there."""
        return self.turn is not None and self.turn.turn is Turn.FINISHED


def status_of(state: RolloutState, first: RolloutEvent | None, last: RolloutEvent | None, turn: Turned | None) -> RolloutStatus:
    """Sum it up; the events are the first, the last, and the last turn."""
    stage = state.stage
    return RolloutStatus(
        tuple(_stage_status(state, item) for item in state.course.stages),
        tuple(InFlight(host, stage.name, state.next_tag(stage, host), state.reached.get(host, "")) for host in state.in_flight)
        if stage
        else (),
        dict(state.out),
        first.at if first else None,
        last.at if last else None,
        turn,
    )


def _stage_status(state: RolloutState, stage: Stage) -> StageStatus:
    in_flight = len(state.in_flight) if stage == state.stage else 0
    if stage.spread is Spread.ONCE:
        done = any(state.is_through(stage, host) for host in stage.hosts)
        return StageStatus(stage.name, stage.title, min(1, len(stage.hosts)), int(done), in_flight, 0)
    through = {host for host in stage.hosts if state.is_through(stage, host)}
    given_up = sum(1 for host in stage.hosts if host in state.out and host not in through)
    return StageStatus(stage.name, stage.title, len(stage.hosts), len(through), in_flight, given_up)


class Span(NamedTuple):
    """A step of a host, in time."""

    host: str
    stage: str
    tag: int
    began_at: float
    ended_at: float | None
    """None while it is under way, or when nobody knows any more."""
    outcome: Outcome | None
    """None when it was interrupted, or is under way."""
    why: str


def timeline(events: Iterable[RolloutEvent]) -> tuple[Span, ...]:
    """Every step of every host in the order in which they ended; those without an end come last. A step that was interrupted and run
    again is there twice."""
    spans: list[Span] = []
    open_steps: dict[str, StepBegan] = {}
    for event in events:
        if isinstance(event, StepBegan):
            for host in event.hosts:
                open_steps[host] = event
        elif isinstance(event, StepEnded):
            ended = dict.fromkeys(event.done, (Outcome.DONE, ""))
            ended |= {host: (Outcome.FAILED, why) for host, why in event.failed}
            ended |= {host: (Outcome.UNREACHABLE, why) for host, why in event.unreachable}
            for host, (outcome, why) in ended.items():
                began_at = open_steps.pop(host, event).at
                spans.append(Span(host, event.stage, event.tag, began_at, event.at, outcome, why))
        elif isinstance(event, Turned) and event.turn is Turn.STARTED:
            spans += [_interrupted(host, step) for host, step in open_steps.items()]
            open_steps.clear()
    return (*spans, *(_interrupted(host, step) for host, step in open_steps.items()))


def _interrupted(host: str, step: StepBegan) -> Span:
    return Span(host, step.stage, step.tag, step.at, None, None, "")
