"""A rollout, run: ask for the next move, have Ansible do it, write down how it ended; and so on until the end or a reason to stop."""

import getpass
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reprov.adapters.ansible_runner import Ansible
from reprov.adapters.lease import holder_of
from reprov.adapters.rollout_directory import EventLog, RolloutDirectory, Wanted
from reprov.domain.course import tag_name
from reprov.domain.lease import Holder
from reprov.domain.node_talk import Said
from reprov.domain.rollout import Done, Gate, Skip, Step, Stop, Wait, next_move
from reprov.domain.rollout_events import (
    GatePassed,
    HostsRetried,
    HostsSkipped,
    NodeReached,
    RolloutEvent,
    StepBegan,
    StepEnded,
    Turn,
    Turned,
)
from reprov.domain.rollout_policy import Policy
from reprov.domain.rollout_state import RolloutState
from reprov.errors import Refused
from reprov.events import Monitor, Note, PhaseStarted, phase

_INTERVAL_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Ended:
    """Where a controller left a rollout."""

    move: Done | Stop | Gate
    state: RolloutState


def run(directory: Path, overrides: Mapping[str, object], monitor: Monitor) -> Ended:
    """Begin a rollout and bring it as far as it goes. `overrides` are fields of its policy, for this time.

    Raises `Refused` when it has begun already, or somebody else controls it; `ReprovError` when Ansible itself failed.
    """
    if RolloutDirectory(directory).events().events:
        raise Refused(f"{directory}: this rollout has begun", hint="`reprov rollout resume` goes on with it")
    return _control(directory, overrides, monitor, passes_gate=False)


def resume(directory: Path, overrides: Mapping[str, object], monitor: Monitor) -> Ended:
    """Go on where the rollout stopped, behind the canaries when it waited there. Raises as `run`, and `Refused` when it was aborted."""
    return _control(directory, overrides, monitor, passes_gate=True)


def pause(directory: Path) -> Holder:
    """Have no further host begin; gives the controller that was asked. Raises `Refused` when there is none."""
    target = RolloutDirectory(directory)
    target.rollout()
    holder = holder_of(directory)
    if holder is None:
        raise Refused(f"{directory}: nobody runs this rollout, so there is nothing to pause")
    target.want(Wanted.PAUSE)
    return holder


def abort(directory: Path, monitor: Monitor) -> Holder | None:
    """Give the rollout up for good, after the step in flight; gives the controller that was asked, None when there was none to ask."""
    target = RolloutDirectory(directory)
    target.rollout()
    target.want(Wanted.ABORT)
    holder = holder_of(directory)
    if holder is None:
        with target.controlled(monitor) as log:
            log.append(Turned(time.time(), Turn.ABORTED, getpass.getuser()))
            target.forget_wanted()
    return holder


def _control(directory: Path, overrides: Mapping[str, object], monitor: Monitor, *, passes_gate: bool) -> Ended:
    target = RolloutDirectory(directory)
    rollout = target.rollout()
    policy = Policy.of({**rollout.policy.model_dump(), **overrides}, str(directory))
    ansible = Ansible(directory, target.project)
    with target.controlled(monitor) as log:
        state = RolloutState(rollout.course, target.events().events)
        if state.aborted:
            raise Refused(
                f"{directory}: this rollout was aborted", hint="plan a new one; hosts that are done have nothing left to do there"
            )
        controller = _Controller(target, log, state, policy, ansible, monitor)
        return controller.control(passes_gate=passes_gate)


class _Controller:
    """One controller, from taking the lease to giving it back."""

    def __init__(
        self, target: RolloutDirectory, log: EventLog, state: RolloutState, policy: Policy, ansible: Ansible, monitor: Monitor
    ) -> None:
        self._target = target
        self._log = log
        self._state = state
        self._policy = policy
        self._ansible = ansible
        self._monitor = monitor
        self._who = getpass.getuser()
        self._titles = {stage.name: stage.title for stage in state.course.stages}

    def control(self, *, passes_gate: bool) -> Ended:
        if self._target.wanted() is Wanted.PAUSE:  # asked of the controller before us
            self._target.forget_wanted()
        self._record(Turned(time.time(), Turn.STARTED, self._who))
        try:
            if self._policy.retry_failed:
                self._settle_batch()
                self._retry()
            if passes_gate and isinstance(gate := next_move(self._state, self._policy, time.time()), Gate):
                self._record(GatePassed(time.time(), gate.stage, self._who))
            end = self._go_on()
        except BaseException as error:
            # A signal arrives as what is no Exception.
            why = str(error) if isinstance(error, Exception) else "its controller was interrupted"
            self._record(Turned(time.time(), Turn.STOPPED, self._who, why))
            raise
        turn = Turn.FINISHED if isinstance(end, Done) else Turn.STOPPED
        self._record(Turned(time.time(), turn, self._who, "" if isinstance(end, Done) else end.why))
        return Ended(end, self._state)

    def _settle_batch(self) -> None:
        """Bring to the end of their stage those who had begun when the last controller ended; nobody is tried again before."""
        while self._state.in_flight and isinstance(move := next_move(self._state, self._policy, time.time()), Step):
            self._run_step(move)
            self._hear()

    def _retry(self) -> None:
        if self._state.out and not self._state.in_flight:
            self._record(HostsRetried(time.time(), tuple(self._state.out)))

    def _go_on(self) -> Done | Stop | Gate:
        waits_for = ""
        while True:
            self._hear()
            match next_move(self._state, self._policy, time.time()):
                case Step() as step:
                    self._run_step(step)
                case Skip(stage, hosts, why):
                    self._record(HostsSkipped(time.time(), stage, hosts, why))
                    self._monitor.emit(Note(f"skipped {', '.join(hosts)}: {why}"))
                case Wait(until, why):
                    if why != waits_for:
                        self._monitor.emit(Note(f"waiting until {time.strftime('%F %TZ', time.gmtime(until))}: {why}"))
                        waits_for = why
                    time.sleep(max(0.0, min(until - time.time(), _INTERVAL_S)))
                case end:
                    return end

    def _run_step(self, step: Step) -> None:
        self._record(StepBegan(time.time(), *step))
        name = f"{step.stage} {tag_name(step.tag)}"
        with phase(self._monitor, name, f"{self._titles[step.stage]}, {tag_name(step.tag)}: {_named(step.hosts)}"):
            outcomes = self._ansible.run(step, self._listen)
        self._record(StepEnded(time.time(), step.stage, step.tag, *outcomes))
        if again := len(step.hosts) - sum(map(len, outcomes)):
            self._monitor.emit(Note(f"{name} is run again on the other {again}: with that trouble it ended for all of them"))
        for what, troubles in (("failed", outcomes.failed), ("cannot be reached", outcomes.unreachable)):
            for host, why in troubles:
                self._monitor.emit(Note(f"{host} {what} in {name}: {why}"))

    def _listen(self, said: Said) -> None:
        """Write down, and pass on, what a node says while we wait for Ansible."""
        if isinstance(said.event, PhaseStarted):
            self._record(NodeReached(time.time(), said.host, said.event.phase, said.event.title))
            self._monitor.emit(Note(f"{said.host}: {said.event.title}"))
        elif isinstance(said.event, Note):
            self._monitor.emit(Note(f"{said.host}: {said.event.text}"))

    def _hear(self) -> None:
        """Do what somebody asked for by `pause` or `abort`."""
        wanted = self._target.wanted()
        if wanted is not None:
            self._record(Turned(time.time(), Turn.ABORTED if wanted is Wanted.ABORT else Turn.PAUSED, self._who))
            self._target.forget_wanted()

    def _record(self, event: RolloutEvent) -> None:
        """On the disk first: a state that is ahead of it would be lost with us."""
        self._log.append(event)
        self._state.apply(event)


def _named(hosts: tuple[str, ...]) -> str:
    return hosts[0] if len(hosts) == 1 else f"{hosts[0]} and {len(hosts) - 1} more"
