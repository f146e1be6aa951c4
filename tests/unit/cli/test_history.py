"""reprov history, on the state files of a node."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reprov.adapters.node_state import NodeState
from reprov.domain.deployment import Deployment, State
from tests.builders import ONE, TWO


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """A node that was upgraded once."""
    state = NodeState(tmp_path)
    state.create()
    state.write_deployment(Deployment(State.STAGING, ONE, TWO, changed_at="t1"))
    state.write_deployment(Deployment(State.COMMITTED, TWO, changed_at="t2"), mixed_s=0.009, note="a note")
    return tmp_path


def test_a_line_for_each_change_of_state_the_oldest_first(reprov: Callable[..., Any], node: Path) -> None:
    done = reprov("history", "--root", node)
    assert (done.status, done.stdout) == (
        0,
        "WHEN  STATE      RELEASE   MIXED  NOTE\nt1    staging    base 1.1\nt2    committed  base 1.1   9 ms  a note\n",
    )


def test_json_has_everything(reprov: Callable[..., Any], node: Path) -> None:
    lines = json.loads(reprov("history", "--root", node, "--json").stdout)
    assert [line["state"] for line in lines] == ["staging", "committed"]
    assert lines[1] == {
        "at": "t2",
        "state": "committed",
        "installed": "base 1.1",
        "target": None,
        "transaction": "",
        "mixed_s": 0.009,
        "note": "a note",
    }


@pytest.mark.parametrize(("words", "text"), [((), "reprov has never changed this node\n"), (("--json",), "[]\n")], ids=["text", "json"])
def test_a_node_without_a_history(reprov: Callable[..., Any], tmp_path: Path, words: tuple[str, ...], text: str) -> None:
    assert reprov("history", "--root", tmp_path, *words).stdout == text
