"""The order of an activation: what fails keeps nobody down, the cluster is asked once, and what is up is compared with what was."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from reprov.domain.activation import ActivationFacts, Decision, Means, OsdProcess, State
from reprov.domain.inventory import DeviceRef, Inventory, Osd, OsdKind
from reprov.domain.proof import Proof, ProvenOsd
from reprov.errors import ReprovError
from reprov.events import NullMonitor
from reprov.workflows import activate as workflow

MEANS = Means("node-1", "c-1", has_systemd=True, has_ceph_volume=True, can_ask_cluster=True)
OSDS = tuple(Osd(number, f"f-{number}", "c-1", OsdKind.RAW, block=DeviceRef(f"/dev/sd{number}")) for number in (1, 2, 3))
ROOT = Path("/")


class Machine:
    """OSDs that run once they are activated."""

    def __init__(self) -> None:
        self.osds = OSDS
        self.means = MEANS
        self.running: dict[str, OsdProcess] = {}
        self.activated: list[str] = []
        self.fails: dict[int, ReprovError | OSError] = {}
        self.comes_up = True

    def facts(self, *_arguments: object, **_options: object) -> ActivationFacts:
        return ActivationFacts(self.osds, self.means, running=tuple(self.running.values()))

    def activate(self, decision: Decision) -> None:
        self.activated.append(decision.name)
        if error := self.fails.get(decision.osd.id or 0):
            raise error
        if self.comes_up:
            for osd in self.osds if decision.osd.kind is OsdKind.CEPHADM else [decision.osd]:
                self.running[osd.fsid] = OsdProcess(9, osd.id, osd.fsid, osd.cluster_fsid)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(workflow, "require_root", lambda _purpose: None)
    monkeypatch.setattr(workflow, "take_inventory", lambda *_arguments, **_options: Inventory())
    monkeypatch.setattr(workflow, "read_facts", made.facts)
    monkeypatch.setattr(workflow, "running_osds", lambda: tuple(made.running.values()))
    monkeypatch.setattr(workflow, "Activator", lambda *_arguments: made)
    monkeypatch.setattr(workflow, "_PATIENCE_S", 0)
    return made


def run(before: Proof | None = None) -> workflow.Outcome:
    plan = workflow.plan_activation(ROOT, before=before, monitor=NullMonitor())
    return workflow.activate(ROOT, plan, monitor=NullMonitor())


def states(outcome: workflow.Outcome) -> list[tuple[State, str]]:
    return [(osd.after, osd.problem) for osd in outcome.osds]


def test_every_osd_comes_up_once(machine: Machine) -> None:
    outcome = run()
    assert (states(outcome), outcome.differences) == ([(State.RUNNING, "")] * 3, ())
    assert machine.activated == ["osd.1", "osd.2", "osd.3"]
    assert (states(run()), machine.activated[3:]) == ([(State.RUNNING, "")] * 3, [])


@pytest.mark.parametrize(
    ("error", "problem"),
    [(ReprovError("it broke"), "it broke"), (OSError(5, "Input/output error", "/dev/sd2"), "/dev/sd2: Input/output error")],
)
def test_one_that_fails_keeps_no_other_down(machine: Machine, error: ReprovError | OSError, problem: str) -> None:
    machine.fails = {2: error}
    outcome = run()
    assert states(outcome) == [(State.RUNNING, ""), (State.DOWN, problem), (State.RUNNING, "")]
    assert [(item.device, item.after) for item in outcome.differences] == [("osd.2", "missing")]


def test_one_that_does_not_come_up_is_told(machine: Machine) -> None:
    machine.comes_up = False
    assert states(run()) == [(State.DOWN, "it was started, and does not run: see its journal")] * 3


def test_the_cluster_is_asked_once_for_all(machine: Machine) -> None:
    machine.osds = tuple(replace(osd, kind=OsdKind.CEPHADM) for osd in OSDS)
    assert states(run()) == [(State.RUNNING, "")] * 3
    assert machine.activated == ["osd.1"]


def test_a_no_of_the_cluster_is_told_of_all(machine: Machine) -> None:
    machine.osds = tuple(replace(osd, kind=OsdKind.CEPHADM) for osd in OSDS)
    machine.fails = {1: ReprovError("timed out")}
    assert states(run()) == [(State.DOWN, "timed out")] * 3


def test_one_whose_id_nobody_knew_has_it_afterwards(machine: Machine) -> None:
    machine.osds = (replace(OSDS[0], id=None, kind=OsdKind.CEPH_DISK, data=DeviceRef("/dev/sdx1")),)
    plan = workflow.plan_activation(ROOT, monitor=NullMonitor())
    machine.osds = OSDS[:1]
    assert [osd.decision.name for osd in workflow.activate(ROOT, plan, monitor=NullMonitor()).osds] == ["osd.1"]


def test_one_that_is_left_alone_is_missing_although_the_others_run(machine: Machine) -> None:
    machine.osds = (*OSDS[:2], replace(OSDS[2], cluster_fsid="c-9"))
    outcome = run()
    assert states(outcome)[2] == (State.LEFT_ALONE, "of cluster c-9, and the node is of c-1 (/etc/ceph/ceph.conf)")
    assert [item.device for item in outcome.differences] == ["osd.3"]


EXPECTED: dict[str, tuple[Callable[[Proof], Proof], list[str]]] = {
    "one that nothing is left of": (lambda proof: replace(proof, osds=(*proof.osds, ProvenOsd(9, "f-9", "c-1", "raw"))), ["osd.9"]),
    "one that is not here to stay": (lambda proof: replace(proof, osds=proof.osds[:2]), []),
}


@pytest.mark.parametrize(("change", "missing"), EXPECTED.values(), ids=EXPECTED)
def test_an_earlier_proof_says_who_has_to_be_there(machine: Machine, change: Callable[[Proof], Proof], missing: list[str]) -> None:
    assert machine.osds
    proof = Proof("", "", False, osds=tuple(ProvenOsd(osd.id, osd.fsid, "c-1", "raw") for osd in OSDS))
    assert [item.device for item in run(change(proof)).differences] == missing
