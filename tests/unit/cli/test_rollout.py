"""reprov rollout: what is told of a rollout, from its directory."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reprov.adapters.rollout_directory import RolloutDirectory, Wanted
from reprov.domain.rollout_events import NodeReached, RolloutEvent, StepBegan, Turn, Turned
from reprov.domain.rollout_file import Rollout
from reprov.domain.rollout_policy import Policy
from reprov.events import NullMonitor
from tests.rollouts import a_course, a_stage, lost, names, went

CONTROL, COMPUTE = a_stage(names(1, "c"), name="control"), a_stage(names(3))
COURSE = a_course(CONTROL, COMPUTE)
BEGAN = [Turned(0.0, Turn.STARTED, "me"), *went(CONTROL, ["c1"])]
HALFWAY = [*BEGAN, *went(COMPUTE, ["n1"], (1,)), StepBegan(65.0, "compute", 5, ("n1",))]
AT_SCAN = NodeReached(66.0, "n1", "scan", "Reading the node")


@pytest.fixture
def a_rollout(tmp_path: Path) -> Callable[..., Path]:
    """Makes the directory of a rollout in which so much has happened."""

    def make(*events: RolloutEvent) -> Path:
        directory = RolloutDirectory(tmp_path)
        directory.create(Rollout("re-image", "site", {"compute": "2.0", "control": "2.0"}, Policy(), COURSE))
        with directory.controlled(NullMonitor()) as log:
            for event in events:
                log.append(event)
        return tmp_path

    return make


@pytest.mark.parametrize(
    ("events", "status", "state"),
    [
        pytest.param([], 3, "not begun", id="not begun"),
        pytest.param(
            HALFWAY, 3, "interrupted: its controller ended without a word; `reprov rollout resume` goes on", id="its controller was killed"
        ),
        pytest.param(
            [*HALFWAY, Turned(70.0, Turn.STOPPED, "me", "Interrupted: 15")],
            3,
            "stopped: Interrupted: 15; `reprov rollout resume` goes on",
            id="stopped",
        ),
        pytest.param([*HALFWAY, Turned(70.0, Turn.ABORTED, "me")], 3, "aborted by me", id="aborted"),
        pytest.param(
            [*BEGAN, *went(COMPUTE, names(3)), Turned(70.0, Turn.FINISHED, "me")], 0, "finished: every host is done", id="finished"
        ),
        pytest.param(
            [*BEGAN, *went(COMPUTE, names(2)), *lost(COMPUTE, "n3", 1), Turned(70.0, Turn.FINISHED, "me")],
            1,
            "finished: 1 host given up",
            id="finished without everybody",
        ),
    ],
)
def test_how_a_rollout_stands(
    reprov: Callable[..., Any], a_rollout: Callable[..., Path], events: list[RolloutEvent], status: int, state: str
) -> None:
    done = reprov("rollout", "status", a_rollout(*events))
    assert (done.status, done.stdout.splitlines()[1]) == (status, f"state      {state}")


def test_the_whole_status(reprov: Callable[..., Any], a_rollout: Callable[..., Path]) -> None:
    directory = a_rollout(*BEGAN, *went(COMPUTE, ["n1"], (1,)), *lost(COMPUTE, "n1", 5), HALFWAY[0])
    assert reprov("rollout", "status", directory).stdout == (
        "rollout    re-image on site: compute 2.0, control 2.0\n"
        "state      interrupted: its controller ended without a word; `reprov rollout resume` goes on\n"
        "began      1970-01-01 00:00:00Z, last change 1970-01-01 00:00:00Z\n"
        "\n"
        "STAGE    DONE  HOSTS  STANDING             TITLE\n"
        "control     1      1  done                 the controls\n"
        "compute     0      3  to come, 1 given up  the computes\n"
        "\n"
        "HOST  OUTCOME  WHERE          WHY\n"
        "n1    failed   compute step5  it broke\n"
    )


def test_who_is_in_flight(reprov: Callable[..., Any], a_rollout: Callable[..., Path]) -> None:
    assert "in flight  compute step5: n1\n" in reprov("rollout", "status", a_rollout(*HALFWAY)).stdout


def test_what_those_in_flight_are_at(reprov: Callable[..., Any], a_rollout: Callable[..., Path]) -> None:
    assert "in flight  compute step5: n1 (Reading the node)\n" in reprov("rollout", "status", a_rollout(*HALFWAY, AT_SCAN)).stdout


def test_the_status_as_json(reprov: Callable[..., Any], a_rollout: Callable[..., Path]) -> None:
    found = json.loads(reprov("rollout", "status", a_rollout(*HALFWAY, AT_SCAN), "--json").stdout)
    assert found["releases"] == {"compute": "2.0", "control": "2.0"}
    assert found["status"]["in_flight"] == [{"host": "n1", "stage": "compute", "tag": 5, "reached": "Reading the node"}]
    assert [stage["done"] for stage in found["status"]["stages"]] == [1, 0]


def test_watching_ends_with_the_controller(reprov: Callable[..., Any], a_rollout: Callable[..., Path]) -> None:
    directory = a_rollout(*HALFWAY)
    assert reprov("rollout", "status", directory, "--watch").stdout == reprov("rollout", "status", directory).stdout


def test_a_pause_needs_a_controller(reprov: Callable[..., Any], a_rollout: Callable[..., Path]) -> None:
    directory = a_rollout(*HALFWAY)
    done = reprov("rollout", "pause", directory)
    assert (done.status, done.stderr) == (4, f"reprov: {directory}: nobody runs this rollout, so there is nothing to pause\n")
    with RolloutDirectory(directory).controlled(NullMonitor()):
        assert reprov("rollout", "pause", directory).stdout.startswith("asked ")
    assert RolloutDirectory(directory).wanted() is Wanted.PAUSE


def test_an_abort_needs_none(reprov: Callable[..., Any], a_rollout: Callable[..., Path]) -> None:
    directory = a_rollout(*HALFWAY)
    assert reprov("rollout", "abort", directory, "--yes").stdout == "aborted\n"
    assert RolloutDirectory(directory).wanted() is None
    assert "aborted by " in reprov("rollout", "status", directory).stdout


def test_the_report_goes_to_a_file(reprov: Callable[..., Any], a_rollout: Callable[..., Path], tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    assert reprov("rollout", "report", a_rollout(*HALFWAY), "--output", page).stdout == ""
    assert page.read_text().startswith("<!DOCTYPE html>")


def test_what_is_no_rollout(reprov: Callable[..., Any], tmp_path: Path) -> None:
    done = reprov("rollout", "status", tmp_path)
    assert (done.status, done.stderr) == (
        2,
        f"reprov: {tmp_path}: not a rollout: it has no rollout.json\nhint: `reprov rollout plan` makes one\n",
    )
