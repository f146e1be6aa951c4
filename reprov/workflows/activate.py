"""OSDs of a node brought up after an upgrade or a reinstall, and the proof that they are the same ones."""

import time
from dataclasses import dataclass, replace
from pathlib import Path

from reprov.adapters.activation_facts import read_facts
from reprov.adapters.ceph_activation import Activator
from reprov.adapters.osd_processes import running_osds
from reprov.domain.activation import ActivationFacts, Decision, Means, Method, State
from reprov.domain.activation_planner import decide
from reprov.domain.activation_proof import missing_osds, proven_before, proven_now
from reprov.domain.inventory import Osd
from reprov.domain.proof import Proof, ProvenOsd
from reprov.domain.proof_comparison import Difference
from reprov.errors import ReprovError
from reprov.events import Monitor, phase
from reprov.workflows.inventory import take_inventory
from reprov.workflows.node import require_root

_PATIENCE_S = 60
"""An OSD that comes back opens its device within seconds; one with a large log of changes takes longer."""
_PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class Activation:
    """What is to be done, before anything is."""

    decisions: tuple[Decision, ...]
    means: Means
    before: tuple[ProvenOsd, ...]
    """The OSDs that are to be there afterwards, with their ids: an earlier proof's, else those that were found."""

    @property
    def pending(self) -> tuple[Decision, ...]:
        """Those for which there is something to do."""
        return tuple(decision for decision in self.decisions if decision.method is not None)


@dataclass(frozen=True, slots=True)
class Activated:
    """An OSD and what became of it."""

    decision: Decision
    after: State
    problem: str = ""
    """Why it did not come up, or was left alone."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The node afterwards."""

    osds: tuple[Activated, ...]
    differences: tuple[Difference, ...]
    """Between the OSDs that were to be up and those that are."""
    remarks: tuple[str, ...] = ()


def plan_activation(root: Path, *, before: Proof | None = None, monitor: Monitor) -> Activation:
    """A decision for every OSD of the running system; `before` is an earlier proof, whose OSDs are to be up afterwards.

    Raises `Refused` unless root asks: nobody else could tell that there is no OSD.
    """
    require_root("look for the OSDs of a machine")
    facts = _facts(root, monitor)
    earlier = before.osds if before else ()
    return Activation(decide(facts, earlier), facts.means, proven_before(facts.osds, before))


def activate(root: Path, plan: Activation, *, monitor: Monitor) -> Outcome:
    """Carry a plan out. What fails or is left alone keeps no other OSD down. With nothing to do nothing is changed."""
    problems = {decision.osd: decision.reason for decision in plan.decisions if decision.reason}
    if plan.pending:
        with phase(monitor, "activate", "Activating OSDs"):
            problems |= _carry_out(root, plan)
            if plan.means.has_systemd:
                _wait_for({decision.osd.fsid for decision in plan.pending if decision.osd not in problems})
    facts = _facts(root, monitor)
    decisions = decide(facts, plan.before)
    now = {decision.osd.fsid: decision for decision in decisions if decision.osd.fsid}
    found = missing_osds(plan.before, proven_now(decisions, facts.running))
    osds = tuple(_activated(decision, now.get(decision.osd.fsid), problems.get(decision.osd, "")) for decision in plan.decisions)
    return Outcome(osds, found.differences, found.remarks)


def _activated(decision: Decision, now: Decision | None, problem: str) -> Activated:
    """What became of an OSD; that of ceph-disk may have told its id only now."""
    if now is None:
        return Activated(decision, State.LEFT_ALONE, problem)
    known = replace(decision, osd=replace(decision.osd, id=now.osd.id))
    if now.state in (State.RUNNING, State.READY):
        return Activated(known, now.state)
    return Activated(known, now.state, problem or "it was started, and does not run: see its journal")


def _facts(root: Path, monitor: Monitor) -> ActivationFacts:
    return read_facts(root, take_inventory(root, monitor=monitor))


def _carry_out(root: Path, plan: Activation) -> dict[Osd, str]:
    taken = {decision.osd.id: decision.osd.fsid for decision in plan.decisions if decision.osd.id is not None and decision.osd.fsid}
    activator = Activator(root, plan.means, taken)
    jobs = [(decision,) for decision in plan.pending if decision.method is not Method.ORCHESTRATOR]
    of_cluster = tuple(decision for decision in plan.pending if decision.method is Method.ORCHESTRATOR)
    problems: dict[Osd, str] = {}
    for job in (*jobs, *([of_cluster] if of_cluster else [])):  # the cluster is asked once for all of the host
        problem = ""
        try:
            activator.activate(job[0])
        except ReprovError as error:
            problem = error.message
        except OSError as error:
            problem = f"{error.filename or job[0].device}: {error.strerror}"
        if problem:
            problems |= {decision.osd: problem for decision in job}
    return problems


def _wait_for(fsids: set[str]) -> None:
    end = time.monotonic() + _PATIENCE_S
    while fsids - {process.fsid for process in running_osds()} and time.monotonic() < end:
        time.sleep(_PAUSE_S)
