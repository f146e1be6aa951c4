"""reprov activate, with OSDs that are made up: what it prints and ends with."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reprov.domain.activation import Decision, Means, Method, State
from reprov.domain.inventory import DeviceRef, Osd, OsdKind
from reprov.domain.proof_comparison import Difference
from reprov.workflows import activate as workflow
from reprov.workflows.activate import Activated, Activation, Outcome

Reprov = Callable[..., Any]
FSID = "3a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
RAW = Osd(3, FSID, "c-1", OsdKind.RAW, block=DeviceRef("/dev/sda"))
DOWN = Decision(RAW, State.DOWN, Method.RAW, device="/dev/sda")
UP = Decision(replace(RAW, id=4), State.RUNNING)
ALONE = Decision(replace(RAW, id=None), State.LEFT_ALONE, reason="its db is missing")


class Machine:
    """What the workflow answers, and what it was asked for."""

    def __init__(self) -> None:
        self.decisions: tuple[Decision, ...] = (DOWN, UP)
        self.outcome = Outcome((), ())
        self.asked: list[str] = []

    def plan(self, _root: Path, *, before: object, monitor: object) -> Activation:
        self.asked.append("plan")
        return Activation(self.decisions, Means("node-1", has_systemd=True), ())

    def activate(self, _root: Path, plan: Activation, *, monitor: object) -> Outcome:
        self.asked.append("activate")
        return self.outcome


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(workflow, "plan_activation", made.plan)
    monkeypatch.setattr(workflow, "activate", made.activate)
    return made


def test_a_plan_shows_command_lines_and_does_nothing(reprov: Reprov, machine: Machine) -> None:
    done = reprov("activate", "--plan")
    assert (done.status, machine.asked) == (3, ["plan"])
    assert done.stdout.splitlines() == [
        "OSD    KIND  FSID                                  HOW",
        f"osd.3  raw   {FSID}  ceph-volume raw",
        f"osd.4  raw   {FSID}  running",
        "",
        "ceph-volume raw activate --device /dev/sda --no-systemd",
        "systemctl enable --runtime --now ceph-osd@3.service",
        "2 OSDs, 1 to bring up",
    ]


@pytest.mark.parametrize(
    ("decisions", "status"), [((UP,), 0), ((), 0), ((UP, DOWN), 3), ((ALONE, DOWN), 4)], ids=["up", "none", "down", "left alone"]
)
def test_a_plan_ends_with_what_there_is_to_do(reprov: Reprov, machine: Machine, decisions: tuple[Decision, ...], status: int) -> None:
    machine.decisions = decisions
    assert reprov("activate", "--plan").status == reprov("activate", "--plan", "--json").status == status


def test_a_plan_says_why_an_osd_is_left_alone(reprov: Reprov, machine: Machine) -> None:
    machine.decisions = (ALONE,)
    assert "osd.?: its db is missing\n1 OSD, 0 to bring up\n" in reprov("activate", "--plan").stdout


def test_json_of_a_plan_has_the_command_lines(reprov: Reprov) -> None:
    first = json.loads(reprov("activate", "--plan", "--json").stdout)["osds"][0]
    assert first == {
        "id": 3,
        "fsid": FSID,
        "cluster_fsid": "c-1",
        "kind": "raw",
        "state": "down",
        "method": "ceph-volume raw",
        "commands": [
            ["ceph-volume", "raw", "activate", "--device", "/dev/sda", "--no-systemd"],
            ["systemctl", "enable", "--runtime", "--now", "ceph-osd@3.service"],
        ],
        "problem": "",
    }


def test_all_are_up(reprov: Reprov, machine: Machine) -> None:
    machine.outcome = Outcome((Activated(DOWN, State.RUNNING), Activated(UP, State.RUNNING)), (), ("osd.4: new",))
    done = reprov("activate")
    assert (done.status, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "OSD    KIND  FSID                                  STATE",
        f"osd.3  raw   {FSID}  running",
        f"osd.4  raw   {FSID}  running",
        "",
        "osd.4: new",
        "2 OSDs, 1 brought up",
    ]


def test_one_that_is_not_up_is_a_failed_proof(reprov: Reprov, machine: Machine) -> None:
    machine.outcome = Outcome((Activated(DOWN, State.DOWN, "it\x1bbroke"),), (Difference("osd.3", "OSD", FSID, "missing"),))
    done = reprov("activate")
    assert done.status == 7
    assert done.stdout.splitlines()[-3:] == [r"osd.3: it\x1bbroke", f"osd.3: OSD {FSID}, now missing", "1 OSD, 0 brought up"]
    assert done.stderr == (
        "reprov: not every OSD is up as it was before: osd.3\nhint: find out why before this node, or any other, is changed again\n"
    )
    answer = json.loads(reprov("activate", "--json").stdout)
    assert answer["differences"] == [{"device": "osd.3", "what": "OSD", "before": FSID, "after": "missing"}]
    assert [(osd["state"], osd["problem"]) for osd in answer["osds"]] == [("down", "it\x1bbroke")]


def test_what_is_expected_has_to_be_a_proof(reprov: Reprov, machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("dear")
    done = reprov("activate", "--expect", tmp_path / "letter")
    assert (done.status, "letter: not a storage proof" in done.stderr, machine.asked) == (2, True, [])
