"""Where a rollout is: what follows from its events, one after the other, with the indexes that make the next move cheap to find."""

import math
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from reprov.domain.course import Course, Spread, Stage
from reprov.domain.rollout_events import (
    GatePassed,
    HostsRetried,
    HostsSkipped,
    NodeReached,
    Outcome,
    RolloutEvent,
    StepBegan,
    StepEnded,
    Trouble,
    Turn,
    Turned,
)
from reprov.errors import NeedsAttention

_TAKES_AWAY = (Spread.EACH, Spread.ONE_BY_ONE)
"""Stages whose hosts are unavailable from their first step to their last."""


class Out(NamedTuple):
    """A host that was given up, and where."""

    outcome: Outcome
    stage: str
    tag: int
    """The step that it did not get through; 0 for a host that was skipped."""
    why: str


class RolloutState:
    """The sum of the events so far. Read by `domain.rollout.next_move`, changed by `apply` alone."""

    def __init__(self, course: Course, events: Iterable[RolloutEvent] = ()) -> None:
        self.course = course
        self.position = 0
        """The index of the stage that is under way; past the last one at the end."""
        self.waiting: OrderedDict[str, OrderedDict[str, None]] = OrderedDict()
        """The hosts of the stage that have not begun, by failure domain, in the order in which they are to begin."""
        self.in_flight: dict[str, None] = {}
        """The hosts of the stage that have begun and are not through."""
        self.reached: dict[str, str] = {}
        """The title of the phase that a host said it has come to, of those in flight that said so."""
        self.out: dict[str, Out] = {}
        """The hosts that were given up, in the order in which they were."""
        self.outcomes: Counter[Outcome] = Counter()
        """How many were given up in each way."""
        self.down: set[str] = set()
        """The hosts that stay unavailable while nobody is in flight: they failed, or could not be reached, and are not through since."""
        self.down_in: Counter[str] = Counter()
        """How many of them there are in each failure domain."""
        self.lost: list[str] = []
        """The hosts of the stage that failed or could not be reached, in this stage or before."""
        self.lead = 0
        """How many of the first hosts of the stage tell nothing of it, because nobody got hold of them."""
        self.batches = 0
        """How many batches of the stage have ended."""
        self.batch_ended_at = -math.inf
        """When the last one ended that had taken hosts away."""
        self.passed: set[str] = set()
        """The stages of which somebody said that they go on behind their canaries."""
        self.paused = False
        self.aborted = False
        self._steps_done: Counter[tuple[str, str]] = Counter()
        """How many tags of a stage a host is through, by stage and host."""
        self._settled: set[str] = set()
        """The stages of `Spread.ONCE` that one host is through."""
        self._enter_next()
        for event in events:
            self.apply(event)

    @property
    def stage(self) -> Stage | None:
        """The stage that is under way; None at the end."""
        return self.course.stages[self.position] if self.position < len(self.course.stages) else None

    def steps_done(self, stage: Stage, host: str) -> int:
        """How many tags of the stage the host is through."""
        return self._steps_done[stage.name, host]

    def next_tag(self, stage: Stage, host: str) -> int:
        """The tag that comes next for a host that is not through the stage."""
        return stage.tags[self.steps_done(stage, host)]

    def is_through(self, stage: Stage, host: str) -> bool:
        """True when nothing of the stage is left to be done for the host."""
        return self.steps_done(stage, host) == len(stage.tags) or stage.name in self._settled

    def is_waiting(self, host: str) -> bool:
        """True for a host of the stage that has not begun."""
        return host in self.waiting.get(self.course.domain_of(host), ())

    def tells_nothing(self, stage: Stage, host: str) -> bool:
        """True for a host that was given up before the stage could do it any harm."""
        out = self.out.get(host)
        return out is not None and (out.outcome is not Outcome.FAILED or out.stage != stage.name)

    def apply(self, event: RolloutEvent) -> None:
        """Go on by one event. Raises `NeedsAttention` for one that cannot follow: the course is not the one that was run."""
        if isinstance(event, StepBegan):
            self._begin(event)
        elif isinstance(event, StepEnded):
            self._end(event)
        elif isinstance(event, NodeReached):
            self.reached[event.host] = event.title
        elif isinstance(event, HostsSkipped):
            self._skip(event)
        elif isinstance(event, HostsRetried):
            self._retry(event)
        elif isinstance(event, GatePassed):
            self.passed.add(event.stage)
        else:
            self._turn(event)

    def _begin(self, event: StepBegan) -> None:
        self._current(event.stage)
        for host in event.hosts:
            if host in self.in_flight:
                continue
            self._stop_waiting(host)
            self.in_flight[host] = None

    def _end(self, event: StepEnded) -> None:
        stage = self._current(event.stage)
        self.reached.clear()
        for host in (*event.done, *(trouble.host for trouble in (*event.failed, *event.unreachable))):
            if host not in self.in_flight or self.next_tag(stage, host) != event.tag:
                raise _misfit(f"step {event.tag} of {event.stage} cannot have been run on {host}")
        for host in event.done:
            self._steps_done[stage.name, host] += 1
            if self.is_through(stage, host):
                del self.in_flight[host]
                self._take_up(host)
                if stage.spread is Spread.ONCE:
                    self._settled.add(stage.name)
                    self.waiting.clear()
        self._give_up(event, event.failed, Outcome.FAILED)
        self._give_up(event, event.unreachable, Outcome.UNREACHABLE)
        if not self.in_flight:
            self.batches += 1
            if stage.spread in _TAKES_AWAY:
                self.batch_ended_at = event.at
            self._leave_if_over()

    def _give_up(self, event: StepEnded, troubles: Iterable[Trouble], outcome: Outcome) -> None:
        for host, why in troubles:
            del self.in_flight[host]
            self._take_down(host)
            self.lost.append(host)
            self._put_out(host, Out(outcome, event.stage, event.tag, why))

    def _skip(self, event: HostsSkipped) -> None:
        self._current(event.stage)
        for host in event.hosts:
            self._stop_waiting(host)
            self._put_out(host, Out(Outcome.SKIPPED, event.stage, 0, event.why))
        self._leave_if_over()

    def _retry(self, event: HostsRetried) -> None:
        if self.in_flight:
            raise _misfit("hosts cannot be tried again while others are being worked on")
        for host in event.hosts:
            if host not in self.out:
                raise _misfit(f"{host} cannot be tried again: it has not been given up")
            self.outcomes[self.out.pop(host).outcome] -= 1
        self.position = 0
        self._enter_next()

    def _turn(self, event: Turned) -> None:
        if event.turn in (Turn.STARTED, Turn.PAUSED):
            self.paused = event.turn is Turn.PAUSED
        self.aborted = self.aborted or event.turn is Turn.ABORTED

    def _enter_next(self) -> None:
        """Make the first stage from here on in which something is left to be done the one that is under way."""
        while self.stage is not None and not self._enter(self.stage):
            self.position += 1

    def _enter(self, stage: Stage) -> bool:
        self.batches, self.lost = 0, [host for host in stage.hosts if self._is_lost(host)]
        self.lead = 0
        self._lead_on()
        self.waiting.clear()
        left = [host for host in stage.hosts if host not in self.out and not self.is_through(stage, host)]
        # What is unavailable already costs nobody anything more, and everybody waits for it.
        for host in sorted(left, key=lambda host: host not in self.down):
            self.waiting.setdefault(self.course.domain_of(host), OrderedDict())[host] = None
        return bool(left) or self._lacks_a_host(stage)

    def _leave_if_over(self) -> None:
        if self.stage is not None and not self.waiting and not self.in_flight and not self._lacks_a_host(self.stage):
            self.position += 1
            self._enter_next()

    def _lacks_a_host(self, stage: Stage) -> bool:
        """True when what has to be done once was not done, although no host is left for it."""
        return stage.spread is Spread.ONCE and bool(stage.hosts and stage.tags) and stage.name not in self._settled

    def _current(self, name: str) -> Stage:
        if self.stage is None or self.stage.name != name:
            raise _misfit(f"stage {name} is not the one that was under way")
        return self.stage

    def _stop_waiting(self, host: str) -> None:
        domain = self.course.domain_of(host)
        if not self.is_waiting(host):
            raise _misfit(f"{host} was not waiting for its turn")
        del self.waiting[domain][host]
        if not self.waiting[domain]:
            del self.waiting[domain]

    def _put_out(self, host: str, out: Out) -> None:
        self.out[host] = out
        self.outcomes[out.outcome] += 1
        self._lead_on()

    def _lead_on(self) -> None:
        stage = self.stage
        while stage and self.lead < len(stage.hosts) and self.tells_nothing(stage, stage.hosts[self.lead]):
            self.lead += 1

    def _is_lost(self, host: str) -> bool:
        return host in self.out and self.out[host].outcome is not Outcome.SKIPPED

    def _take_down(self, host: str) -> None:
        if host not in self.down:
            self.down.add(host)
            self.down_in[self.course.domain_of(host)] += 1

    def _take_up(self, host: str) -> None:
        if host in self.down:
            self.down.remove(host)
            self.down_in[self.course.domain_of(host)] -= 1


def first_in_line(state: RolloutState) -> Iterator[str]:
    """The hosts that wait, in the order in which they are to begin."""
    for hosts in state.waiting.values():
        yield from hosts


def _misfit(what: str) -> NeedsAttention:
    return NeedsAttention(
        f"the events of the rollout do not fit its course: {what}",
        hint="rollout.json has changed since it began, or events.jsonl has: put back what was there, or plan a new rollout",
    )
