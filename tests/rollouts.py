"""Courses, and hosts that fail where a test says so."""

from collections.abc import Mapping, Sequence

from reprov.domain.course import Course, Spread, Stage
from reprov.domain.rollout import Step
from reprov.domain.rollout_events import Outcome, RolloutEvent, StepBegan, StepEnded, Trouble


def names(count: int, prefix: str = "n") -> tuple[str, ...]:
    """n1, n2, ..."""
    return tuple(f"{prefix}{number}" for number in range(1, count + 1))


def a_stage(hosts: Sequence[str], spread: Spread = Spread.EACH, tags: Sequence[int] = (1, 5, 9), name: str = "compute") -> Stage:
    """A stage of these hosts."""
    return Stage(name, f"the {name}s", tuple(hosts), tuple(tags), spread)


def a_course(*stages: Stage, domains: Mapping[str, str] | None = None) -> Course:
    """A course; every host is a failure domain of its own, unless the test says otherwise."""
    return Course(stages, domains or {})


class Hosts:
    """Hosts of which some fail, or vanish, at a step; each step takes a minute."""

    def __init__(self, troubles: Mapping[tuple[str, int, str], Outcome] | None = None) -> None:
        self.troubles = dict(troubles or {})

    def outcome(self, stage: str, tag: int, host: str) -> Outcome:
        """As the test said; a host that fails once does so again."""
        return self.troubles.get((stage, tag, host), Outcome.DONE)

    def duration_s(self, step: Step) -> float:
        """A minute."""
        return 60.0


def went(stage: Stage, hosts: Sequence[str], tags: Sequence[int] | None = None, at: float = 0.0) -> list[RolloutEvent]:
    """The events of hosts that went through these tags (default: all of the stage) together."""
    events: list[RolloutEvent] = []
    for tag in stage.tags if tags is None else tags:
        events += [StepBegan(at, stage.name, tag, tuple(hosts)), StepEnded(at, stage.name, tag, tuple(hosts))]
    return events


def lost(stage: Stage, host: str, tag: int, *, unreachable: bool = False) -> list[RolloutEvent]:
    """The events of a host that failed, or could not be reached, at a step."""
    trouble = (Trouble(host, "it broke"),)
    ended = StepEnded(0.0, stage.name, tag, (), () if unreachable else trouble, trouble if unreachable else ())
    return [StepBegan(0.0, stage.name, tag, (host,)), ended]
