"""reprov recover: what was finished or undone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reprov.errors import NeedsAttention
from reprov.workflows import recover as workflow
from reprov.workflows.recover import Recovered


@pytest.mark.parametrize(
    ("done", "text"),
    [
        pytest.param("", "nothing to do\n", id="a node at rest"),
        pytest.param("undid an interrupted commit", "undid an interrupted commit\n", id="an interrupted one"),
    ],
)
def test_what_was_done(monkeypatch: pytest.MonkeyPatch, reprov: Callable[..., Any], tmp_path: Path, done: str, text: str) -> None:
    monkeypatch.setattr(workflow, "recover", lambda root, monitor: Recovered(done))
    found = reprov("recover", "--root", tmp_path)
    assert (found.status, found.stdout, found.stderr) == (0, text, "")


def test_what_cannot_be_recovered_needs_a_person(monkeypatch: pytest.MonkeyPatch, reprov: Callable[..., Any], tmp_path: Path) -> None:
    def fail(root: Path, monitor: object) -> Recovered:
        raise NeedsAttention("/usr is neither what it was nor what it should become", hint="compare it")

    monkeypatch.setattr(workflow, "recover", fail)
    found = reprov("recover", "--root", tmp_path)
    message = "reprov: /usr is neither what it was nor what it should become\nhint: compare it\n"
    assert (found.status, found.stdout, found.stderr) == (6, "", message)
