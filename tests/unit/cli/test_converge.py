"""reprov converge: the rounds as a table, and what they mean for the exit status."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reprov.domain.check import Checked, CheckKind, CheckResult, Outcome
from reprov.domain.convergence import Converged, Effect, Round, ToolRun
from reprov.domain.rewritten import Rewritten
from reprov.workflows import converge as workflow

BAD = Checked((CheckResult("net", CheckKind.PROGRAM, Outcome.FAILED, "exit status 1: down", 0.5),))
FINE = Checked((CheckResult("net", CheckKind.PROGRAM, Outcome.PASSED, "", 0.5),))
CHANGED = ToolRun(Effect.CHANGED, ("File[/etc/motd]",), elapsed_s=3.25)
DONE = ToolRun(Effect.UNCHANGED, elapsed_s=2)
REWRITTEN = (Rewritten("usr/bin/x", "changed", "pkg"),)


@pytest.fixture
def converging(monkeypatch: pytest.MonkeyPatch, reprov: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """Runs `reprov converge` where this comes out."""

    def run(found: Converged, *words: str) -> Any:
        def converge_node(root: Path, *, looking: bool, monitor: object) -> Converged:
            assert (root, looking) == (tmp_path, "--check-only" in words)
            return found

        monkeypatch.setattr(workflow, "converge_node", converge_node)
        return reprov("converge", "--root", tmp_path, *words)

    return run


def test_rounds_that_end_well(converging: Callable[..., Any]) -> None:
    done = converging(Converged("puppet", (Round(2, 1, CHANGED, BAD), Round(2, 2, DONE, FINE)), "", REWRITTEN))
    assert (done.status, done.stdout.splitlines()) == (
        0,
        [
            "STEP  ROUND  RUN        CHANGED  FAILED  CHECKS   TOOK",
            "2         1  changed          1       0  net     3.2 s",
            "2         2  unchanged        0       0  passed  2.0 s",
            "changed: File[/etc/motd]",
            "# Rewritten by convergence, and the image's of pkg: the next upgrade undoes it, and convergence does it again.",
            "/usr/bin/x    (merge)",
        ],
    )


def test_rounds_that_do_not(converging: Callable[..., Any]) -> None:
    done = converging(Converged("puppet", (Round(None, 1, DONE, BAD),), "net failed: exit status 1: down"))
    assert (done.status, done.stdout.splitlines()[-1]) == (1, "not converged: net failed: exit status 1: down")


def test_what_never_settles_is_named(converging: Callable[..., Any]) -> None:
    done = converging(Converged("ansible", (Round(None, 1, CHANGED, None), Round(None, 2, CHANGED, None)), ""))
    assert (done.status, done.stdout.splitlines()[-1]) == (0, "changed in every run: File[/etc/motd]")


def test_a_look_tells_whether_there_is_something_to_do(converging: Callable[..., Any]) -> None:
    done = converging(Converged("puppet", (Round(None, 1, CHANGED, None),), ""), "--check-only")
    assert (done.status, done.stdout.splitlines()[-1]) == (3, "would change: File[/etc/motd]")
    assert converging(Converged("puppet", (Round(None, 1, DONE, None),), ""), "--check-only").status == 0


def test_as_json(converging: Callable[..., Any]) -> None:
    answer = json.loads(converging(Converged("puppet", (Round(None, 1, CHANGED, BAD),), "why", REWRITTEN), "--json").stdout)
    assert (answer["tool"], answer["converged"], answer["problem"], answer["unsettled"]) == ("puppet", False, "why", [])
    assert [(item["effect"], item["changed"], item["checks"][0]["message"]) for item in answer["rounds"]] == [
        ("changed", ["File[/etc/motd]"], "exit status 1: down")
    ]
    assert answer["rewritten"] == [{"path": "/usr/bin/x", "drift": "changed", "package": "pkg", "class": "merge", "line": "/usr/bin/x"}]
