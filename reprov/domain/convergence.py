"""What a run of Puppet or Ansible has done, whether there is to be another one, and what came of all of them."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from reprov.domain.check import Checked
from reprov.domain.puppet import ResourceStatus
from reprov.domain.rewritten import Rewritten

ROUNDS: Final = 5
"""Of the tool and the checks, for each step: as many as config-tools tried."""

_SIGNALLED: Final = 128
_NOT_FOUND: Final = 127
_PUPPET_CHANGED: Final = (2, 6)
_PUPPET_FAILED: Final = (4, 6)
_PUPPET_SAYS = re.compile(r"^(?:Error|Notice): (.+)$", re.MULTILINE)
_PUPPET_ERROR = re.compile(r"^Error: (.+)$", re.MULTILINE)
_SHOWN: Final = 500


class Effect(StrEnum):
    """What a run has done to the node; of one that only looks, what it would do."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ToolRun:
    """One run of the tool."""

    effect: Effect
    changed: tuple[str, ...] = ()
    """Resources or tasks."""
    failed: tuple[str, ...] = ()
    problem: str = ""
    """Why it failed, in a line."""
    is_final: bool = False
    """True when another run is of no use: it hung, was stopped, or is not installed."""
    elapsed_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Round:
    """A run and the checks after it."""

    step: int | None
    number: int
    """Of the step, from 1."""
    run: ToolRun
    checked: Checked | None
    """None where there is nothing to check, or no use in it."""

    @property
    def is_fine(self) -> bool:
        """True when neither the run nor a check has failed."""
        return self.run.effect is not Effect.FAILED and (self.checked is None or self.checked.is_fine)


class Next(StrEnum):
    """What follows a round."""

    AGAIN = "again"
    DONE = "done"
    GIVE_UP = "give up"


@dataclass(frozen=True, slots=True)
class Converged:
    """What came of a convergence."""

    tool: str
    rounds: tuple[Round, ...]
    problem: str
    """Why the node has not converged; "" when it has."""
    rewritten: tuple[Rewritten, ...] = ()
    """What of the image's the tool has written to, with the list lines that would let it."""

    @property
    def is_fine(self) -> bool:
        """True when the node has converged."""
        return not self.problem

    @property
    def unsettled(self) -> tuple[str, ...]:
        """What was changed even in the last round of a step: it would be again."""
        last = {round_.step: round_.run for round_ in self.rounds}
        return tuple(dict.fromkeys(name for run in last.values() for name in run.changed)) if self.is_fine else ()

    def to_fields(self) -> dict[str, Any]:
        """The fields of results.json and of --json."""
        return {
            "tool": self.tool,
            "converged": self.is_fine,
            "problem": self.problem or None,
            "rounds": [_fields(found) for found in self.rounds],
            "unsettled": list(self.unsettled),
            "rewritten": [found.to_fields() for found in self.rewritten],
        }


def next_of(rounds: Sequence[Round]) -> Next:
    """What follows the rounds that a step has had.

    It is done when the checks pass and the tool has nothing left to change. A tool that changes the very same things each time never
    has nothing left: that is done as well, and so is the last round when all is fine but not settled.
    """
    last = rounds[-1]
    if last.run.is_final:
        return Next.GIVE_UP
    if last.is_fine:
        repeats = len(rounds) > 1 and rounds[-2].is_fine and rounds[-2].run.changed == last.run.changed
        if last.run.effect is Effect.UNCHANGED or (repeats and last.run.changed) or len(rounds) >= ROUNDS:
            return Next.DONE
    return Next.GIVE_UP if len(rounds) >= ROUNDS else Next.AGAIN


def problem_of(rounds: Sequence[Round]) -> str:
    """Why a step was given up, in a line."""
    last = rounds[-1]
    where = f"step {last.step}: " if last.step is not None else ""
    if last.run.effect is Effect.FAILED:
        why = last.run.problem
    else:
        why = last.checked.problem if last.checked else ""
    tried = f" (after {len(rounds)} rounds)" if len(rounds) > 1 else ""
    return f"{where}{why}{tried}"


def puppet_run(status: int, resources: Sequence[ResourceStatus] | None, said: str, elapsed_s: float, *, looking: bool = False) -> ToolRun:
    """What Puppet's exit status (with --detailed-exitcodes) and its report mean.

    0: nothing to do, 2: changed, 4: failures, 6: both, 1: the run itself failed (puppet-agent(8), puppet-apply(8)).
    `resources` is None when it has left no report. With `looking` (--noop) the status is 0 always, and what is out of sync would be
    changed.
    """
    if status not in (0, *_PUPPET_CHANGED, *_PUPPET_FAILED):
        return _not_run("puppet", status, _last(_PUPPET_SAYS.findall(said), said), elapsed_s)
    found = resources or ()
    changed = tuple(item.name for item in found if (item.out_of_sync and not item.failed if looking else item.changed))
    failed = tuple(item.name for item in found if item.failed)
    if status in _PUPPET_FAILED:
        names = f"{', '.join(failed)}: " if failed else ""
        problem = f"puppet failed: {names}{_last(_PUPPET_ERROR.findall(said), said)}"
        return ToolRun(Effect.FAILED, changed, failed, problem, elapsed_s=elapsed_s)
    if status in _PUPPET_CHANGED or (looking and changed):
        return ToolRun(Effect.CHANGED, changed, elapsed_s=elapsed_s)
    return ToolRun(Effect.UNCHANGED, elapsed_s=elapsed_s)


def ansible_run(status: int, results: str, said: str, elapsed_s: float) -> ToolRun:
    """What Ansible's exit status and the lines of reprov's callback mean. Failures of a run that ends with 0 were rescued.

    What fails counts as no change: Ansible calls every command that ran a changed one.
    """
    tasks = [json.loads(line) for line in results.splitlines()]
    changed = tuple(dict.fromkeys(str(task["task"]) for task in tasks if task["changed"] and task["outcome"] == "ok"))
    if not status:
        return ToolRun(Effect.CHANGED if changed else Effect.UNCHANGED, changed, elapsed_s=elapsed_s)
    bad = [task for task in tasks if task["outcome"] in ("failed", "unreachable")]
    if not bad:
        return _not_run("ansible", status, _last([], said), elapsed_s)
    failed = tuple(dict.fromkeys(str(task["task"]) for task in bad))
    problem = f"ansible failed: {bad[-1]['task']}: {str(bad[-1]['message']).strip()[:_SHOWN]}"
    return ToolRun(Effect.FAILED, changed, failed, problem, elapsed_s=elapsed_s)


def stopped_run(problem: str, elapsed_s: float) -> ToolRun:
    """A run that was ended from outside: by its time-out, or by the guard."""
    return ToolRun(Effect.FAILED, problem=problem, is_final=True, elapsed_s=elapsed_s)


def _not_run(tool: str, status: int, last: str, elapsed_s: float) -> ToolRun:
    killed = f"{tool} was killed by signal {status - _SIGNALLED}" if status > _SIGNALLED else f"{tool} ended with status {status}: {last}"
    problem = f"{tool} is not installed: {last}" if status == _NOT_FOUND else killed
    return ToolRun(Effect.FAILED, problem=problem, is_final=status == _NOT_FOUND, elapsed_s=elapsed_s)


def _last(found: Sequence[str], said: str) -> str:
    lines = [*found] or [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1][:_SHOWN] if lines else "it said nothing"


def _fields(found: Round) -> dict[str, Any]:
    return {
        "step": found.step,
        "round": found.number,
        "effect": found.run.effect.value,
        "changed": list(found.run.changed),
        "failed": list(found.run.failed),
        "problem": found.run.problem or None,
        "elapsed_s": round(found.run.elapsed_s, 3),
        "checks": found.checked.to_fields()["checks"] if found.checked else [],
    }
