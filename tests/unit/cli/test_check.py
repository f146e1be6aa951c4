"""reprov check: results as a table, and the exit status."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reprov.domain.check import Case, Checked, CheckKind, CheckResult, Outcome
from reprov.workflows import checks as workflow

RESULTS = (
    CheckResult("test_a.py", CheckKind.TESTINFRA, Outcome.PASSED, "", 1.24, (Case("a", Outcome.PASSED), Case("b", Outcome.PASSED))),
    CheckResult("net", CheckKind.PROGRAM, Outcome.HUNG, "no answer within 2 s: \x1b[31m", 2.0),
)


@pytest.fixture
def checking(monkeypatch: pytest.MonkeyPatch, reprov: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """Runs `reprov check` where these come out."""

    def run(results: tuple[CheckResult, ...], *words: str) -> Any:
        def check_node(root: Path, names: tuple[str, ...], python: str, monitor: object) -> Checked:
            asked.append((root, names, python))
            return Checked(results)

        monkeypatch.setattr(workflow, "check_node", check_node)
        return reprov("check", "--root", tmp_path, *words)

    asked: list[tuple[Path, tuple[str, ...], str]] = []
    run.asked = asked  # type: ignore[attr-defined]
    return run


def test_a_table(checking: Callable[..., Any]) -> None:
    done = checking(RESULTS)
    assert (done.status, done.stdout.splitlines()) == (
        1,
        [
            "CHECK      KIND       OUTCOME  TESTS   TOOK  MESSAGE",
            "test_a.py  testinfra  passed       2  1.2 s",
            "net        program    hung         -  2.0 s  no answer within 2 s: \\x1b[31m",
        ],
    )


def test_all_passed_and_what_was_asked(checking: Callable[..., Any], tmp_path: Path) -> None:
    assert checking(RESULTS[:1], "test_a.py", "--python", "/opt/python").status == 0
    assert checking.asked == [(tmp_path, ("test_a.py",), "/opt/python")]  # type: ignore[attr-defined]
    assert (checking(()).status, checking(()).stdout) == (0, "no checks\n")


def test_as_json(checking: Callable[..., Any]) -> None:
    answer = json.loads(checking(RESULTS, "--json").stdout)
    assert (answer["fine"], [(item["name"], item["outcome"]) for item in answer["checks"]]) == (
        False,
        [("test_a.py", "passed"), ("net", "hung")],
    )
