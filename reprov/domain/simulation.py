"""A rollout without hosts: the same decisions, with a model that says how each step ends and how long it takes."""

from dataclasses import dataclass
from typing import Protocol

from reprov.domain.rollout import Done, Gate, Skip, Step, Stop, Wait, next_move
from reprov.domain.rollout_events import GatePassed, HostsSkipped, Outcome, RolloutEvent, StepBegan, StepEnded, Trouble
from reprov.domain.rollout_policy import Policy
from reprov.domain.rollout_state import RolloutState


class Model(Protocol):
    """How hosts behave."""

    def outcome(self, stage: str, tag: int, host: str) -> Outcome:
        """How the step ends on the host: done, failed or unreachable."""

    def duration_s(self, step: Step) -> float:
        """How long the step takes on all of its hosts."""


@dataclass(frozen=True, slots=True)
class Simulated:
    """How it went."""

    end: Done | Stop
    events: tuple[RolloutEvent, ...]
    runs: int
    """How many times Ansible would have been run."""
    elapsed_s: float
    """The time that it would have taken, waiting included."""


def simulate(state: RolloutState, policy: Policy, model: Model, *, begins_at: float = 0.0) -> Simulated:
    """Go on from a state, which is changed, to the end or until the rollout stops. Whoever is asked at a gate says yes."""
    now, runs, events = begins_at, 0, list[RolloutEvent]()

    def record(event: RolloutEvent) -> None:
        state.apply(event)
        events.append(event)

    while True:
        match next_move(state, policy, now):
            case Step() as step:
                record(StepBegan(now, *step))
                now, runs = now + model.duration_s(step), runs + 1
                record(_ended(step, model, now))
            case Skip(stage, hosts, why):
                record(HostsSkipped(now, stage, hosts, why))
            case Gate(stage, _):
                record(GatePassed(now, stage, "simulation"))
            case Wait(until, _):
                now = until
            case (Done() | Stop()) as end:
                return Simulated(end, tuple(events), runs, now - begins_at)


def _ended(step: Step, model: Model, now: float) -> StepEnded:
    found = {host: model.outcome(step.stage, step.tag, host) for host in step.hosts}
    troubles = {
        outcome: tuple(Trouble(host, f"{outcome} in the simulation") for host, item in found.items() if item is outcome)
        for outcome in (Outcome.FAILED, Outcome.UNREACHABLE)
    }
    done = tuple(host for host, item in found.items() if item is Outcome.DONE)
    return StepEnded(now, step.stage, step.tag, done, troubles[Outcome.FAILED], troubles[Outcome.UNREACHABLE])
