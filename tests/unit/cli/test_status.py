"""reprov status, on the state files of a node."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reprov.adapters.health_state import HealthState
from reprov.adapters.node_state import NodeState
from reprov.adapters.post_state import PostState
from reprov.adapters.processes import boot_id
from reprov.domain.deployment import Deployment, State
from reprov.domain.health import Baseline, Network, Patience
from reprov.domain.journal import Journal
from reprov.domain.post_progress import Done, Progress
from reprov.domain.post_script import PostScript
from reprov.domain.quarantine import Quarantined
from tests.builders import ONE, TWO
from tests.proofs import a_hop_proof

AT = "2026-01-01T00:00:00Z"
COMMITTED = Deployment(State.COMMITTED, TWO, previous=ONE, has_previous=True, source="/srv", changed_at=AT)

TEXTS = {
    "never changed": (Deployment(), "reprov has never changed this node\n"),
    "installed, with a way back": (
        COMMITTED,
        f"state      committed since {AT}\ninstalled  base 1.1\nprevious   base 1.0\nsource     /srv\n",
    ),
    "installed from nothing": (
        Deployment(State.COMMITTED, ONE, source="/srv", changed_at=AT),
        f"state      committed since {AT}\ninstalled  base 1.0\nprevious   none\nsource     /srv\n",
    ),
    "back at the tree from before": (
        Deployment(State.ROLLED_BACK, None, previous=ONE, has_previous=True, source="/srv", changed_at=AT),
        f"state      rolled-back since {AT}\ninstalled  not a release\nprevious   base 1.0\nsource     /srv\n",
    ),
    "a way back to no release": (
        Deployment(State.COMMITTED, ONE, has_previous=True, source="/srv", changed_at=AT),
        f"state      committed since {AT}\ninstalled  base 1.0\nprevious   not a release\nsource     /srv\n",
    ),
    "staged": (
        Deployment(State.STAGED, ONE, TWO, source="/srv", changed_at=AT),
        f"state      staged since {AT}\ninstalled  base 1.0\ntarget     base 1.1\nprevious   none\nsource     /srv\n",
    ),
    "interrupted": (
        Deployment(State.STAGING, ONE, TWO, source="/srv", changed_at=AT),
        f"state      staging since {AT}\ninstalled  base 1.0\ntarget     base 1.1\nprevious   none\nsource     /srv\n"
        "interrupted: the next change, or `reprov recover`, finishes or undoes it\n",
    ),
}


def a_node(folder: Path, deployment: Deployment) -> Path:
    state = NodeState(folder)
    state.create()
    if deployment.state:
        state.write_deployment(deployment)
    return folder


@pytest.mark.parametrize(("deployment", "text"), TEXTS.values(), ids=TEXTS)
def test_what_the_node_is_was_and_is_about_to_be(reprov: Callable[..., Any], tmp_path: Path, deployment: Deployment, text: str) -> None:
    done = reprov("status", "--root", a_node(tmp_path, deployment))
    assert (done.status, done.stdout, done.stderr) == (0, text, "")


def test_json(reprov: Callable[..., Any], tmp_path: Path) -> None:
    assert json.loads(reprov("status", "--root", a_node(tmp_path, COMMITTED), "--json").stdout) == {
        "state": "committed",
        "installed": "base 1.1",
        "target": None,
        "previous": "base 1.0",
        "can_roll_back": True,
        "interrupted": False,
        "source": "/srv",
        "changed_at": AT,
        "storage": None,
        "armed": None,
        "confirm_within_s": None,
        "reboot": [],
        "steps": None,
        "quarantined": [],
    }


def test_the_last_proof_is_one_line(reprov: Callable[..., Any], tmp_path: Path) -> None:
    node = a_node(tmp_path, COMMITTED)
    (node / ".reprov/storage-proof.json").write_text(a_hop_proof("upgrade to base 1.1", first="2").to_json())
    assert (
        reprov("status", "--root", node).stdout.splitlines()[-1]
        == "storage    DATA PROOF FAILED after the upgrade to base 1.1: 1 difference"
    )
    assert json.loads(reprov("status", "--root", node, "--json").stdout)["storage"].startswith("DATA PROOF FAILED")
    (node / ".reprov/storage-proof.json").write_text("{")
    assert "storage    storage-proof.json cannot be read: " in reprov("status", "--root", node).stdout


def test_json_of_a_node_that_was_never_changed(reprov: Callable[..., Any], tmp_path: Path) -> None:
    found = json.loads(reprov("status", "--root", tmp_path, "--json").stdout)
    assert (found["state"], found["installed"], found["can_roll_back"], found["interrupted"]) == (None, None, False, False)


def test_what_is_no_root_is_refused(reprov: Callable[..., Any], tmp_path: Path) -> None:
    for name in ("photos", "letters", "a", "b"):
        (tmp_path / name).write_text("x")
    done = reprov("status", "--root", tmp_path)
    assert (done.status, done.stdout) == (4, "")
    assert done.stderr.splitlines()[0] == f"reprov: {tmp_path} is not the root of a node: it holds a, b, letters but no os-release"


def test_a_damaged_state_needs_a_person(reprov: Callable[..., Any], tmp_path: Path) -> None:
    (a_node(tmp_path, COMMITTED) / ".reprov/state.json").write_bytes(b"\xff")
    done = reprov("status", "--root", tmp_path)
    assert done.status == 6
    assert done.stderr.startswith(f"reprov: {tmp_path}/.reprov/state.json: the node's state cannot be read (")


def test_looking_changes_nothing(reprov: Callable[..., Any], tmp_path: Path) -> None:
    reprov("status", "--root", tmp_path)
    reprov("history", "--root", tmp_path)
    assert list(tmp_path.iterdir()) == []


PROGRESS = Progress("t", "", True, 3, 0, (Done("a.postinst", 0.1, False), Done("b.postinst", 0.1, True)))


@pytest.mark.parametrize(
    ("state", "end", "text"),
    [
        pytest.param(
            State.COMMITTED,
            "",
            "scripts    2 steps done, 3 from the scripts of the release\n"
            "interrupted: the next change, or `reprov recover`, finishes or undoes it\n",
            id="interrupted between two scripts",
        ),
        pytest.param(State.CONFIRMED, "confirmed", "scripts    2 steps\n", id="confirmed"),
        pytest.param(State.ROLLED_BACK, "c.postinst failed", "scripts    failed after 2 steps: c.postinst failed\n", id="rolled back"),
    ],
)
def test_what_ran_after_the_commit(reprov: Callable[..., Any], tmp_path: Path, state: State, end: str, text: str) -> None:
    node = a_node(tmp_path, replace(COMMITTED, state=state))
    NodeState(node).write_journal(Journal("t", ("",), (), (), (), ()))
    NodeState(node).finish_journal()
    PostState(NodeState(node).directory).begin(PostScript(ONE, TWO), replace(PROGRESS, end=end))
    assert reprov("status", "--root", node).stdout.removeprefix(TEXTS["installed, with a way back"][1].replace("committed", state)) == text


def test_a_node_that_waits_to_be_confirmed_says_how_long(
    reprov: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = a_node(tmp_path, COMMITTED)
    state = NodeState(node)
    state.write_journal(Journal("t", ("",), (), (), (), ()))
    state.finish_journal()
    PostState(state.directory).begin(PostScript(ONE, TWO), PROGRESS)
    own = HealthState(state.directory)
    own.begin(Baseline(Network()), Patience(timeout_s=90, awaits_operator=True))
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
    assert "confirm " not in reprov("status", "--root", node).stdout, "it waits for nobody yet"
    own.write_deadline(1042.0, boot_id())
    assert "confirm    `reprov confirm`, over a new connection, within 42.0 s, or it goes back\n" in reprov("status", "--root", node).stdout
    assert json.loads(reprov("status", "--root", node, "--json").stdout)["confirm_within_s"] == 42.0
    own.write_deadline(1042.0, "another boot")
    assert "confirm " not in reprov("status", "--root", node).stdout
    own.write_deadline(1042.0, boot_id())
    own.confirm("t")
    assert "confirm " not in reprov("status", "--root", node).stdout


def test_what_ran_after_a_commit_that_was_taken_back_is_not_told(reprov: Callable[..., Any], tmp_path: Path) -> None:
    node = a_node(tmp_path, replace(COMMITTED, state=State.ROLLED_BACK))
    NodeState(node).write_journal(Journal("another", ("",), (), (), (), ()))
    NodeState(node).finish_journal()
    PostState(NodeState(node).directory).begin(PostScript(ONE, TWO), replace(PROGRESS, end="confirmed"))
    assert "scripts" not in reprov("status", "--root", node).stdout


def test_a_release_in_quarantine(reprov: Callable[..., Any], tmp_path: Path) -> None:
    node = a_node(tmp_path, COMMITTED)
    PostState(NodeState(node).directory).quarantine(Quarantined(TWO, AT, "x.postinst failed"))
    assert reprov("status", "--root", node).stdout.endswith(f"refused    base 1.1 since {AT}: x.postinst failed\n")
