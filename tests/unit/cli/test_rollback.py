"""reprov rollback: what it answers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reprov.domain.data_devices import Proving
from reprov.domain.labels import Labelling
from reprov.domain.release import ReleaseId
from reprov.errors import Refused
from reprov.workflows import rollback as workflow
from reprov.workflows.rollback import RolledBack
from tests.builders import ONE, TWO
from tests.proofs import a_hop_proof


@pytest.fixture
def rolling(monkeypatch: pytest.MonkeyPatch, reprov: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """Runs `reprov rollback` where this comes out."""

    def run(found: RolledBack | Exception, *words: str, accepting: bool = False) -> Any:
        def rollback(root: Path, *, accept_changed: bool, apply_chown: bool, proving: Proving, **others: object) -> RolledBack:
            assert (root, accept_changed, apply_chown, proving) == (tmp_path, accepting, False, Proving.AUTO)
            assert others["labelling"] is Labelling.AUTO
            if isinstance(found, Exception):
                raise found
            return found

        monkeypatch.setattr(workflow, "rollback", rollback)
        return reprov("rollback", "--root", tmp_path, *words)

    return run


ANSWERS: dict[str, tuple[ReleaseId | None, ReleaseId | None, str]] = {
    "to a release": (ONE, TWO, "base 1.0 is back in 8 ms; base 1.1 is the way forward\n"),
    "to the tree from before": (None, ONE, "the tree from before reprov is back in 8 ms; base 1.0 is the way forward\n"),
    "forward from it again": (ONE, None, "base 1.0 is back in 8 ms; the tree from before reprov is the way forward\n"),
}


@pytest.mark.parametrize(("installed", "left", "text"), ANSWERS.values(), ids=ANSWERS)
def test_one_line_says_what_is_back(rolling: Callable[..., Any], installed: ReleaseId | None, left: ReleaseId | None, text: str) -> None:
    done = rolling(RolledBack(installed, left, 0.008, ()))
    assert (done.status, done.stdout) == (0, text)


def test_what_was_accepted_is_named(rolling: Callable[..., Any]) -> None:
    done = rolling(RolledBack(ONE, TWO, 0.008, ("usr/a\n", "usr/b")), "--accept-changed", accepting=True)
    assert done.stdout.splitlines()[1:] == ["not what it was: /usr/a\\n", "not what it was: /usr/b"]


def test_json(rolling: Callable[..., Any]) -> None:
    done = rolling(RolledBack(None, TWO, 0.008, ("usr/\udcff",)), "--json")
    assert json.loads(done.stdout) == {
        "installed": None,
        "left": "base 1.1",
        "mixed_s": 0.008,
        "armed": None,
        "accepted": ["/usr/\\xff"],
        "storage": None,
        "services": {"restarted": [], "reloaded": [], "left_alone": [], "failed": [], "reboot": []},
    }


def test_what_was_proved_is_said(rolling: Callable[..., Any]) -> None:
    done = rolling(RolledBack(ONE, TWO, 0.008, (), a_hop_proof("rollback to base 1.0")))
    assert done.stdout.splitlines()[1] == "1 data device and 1 OSD proved untouched by the rollback to base 1.0"


def test_no_way_back(rolling: Callable[..., Any]) -> None:
    done = rolling(Refused("there is no previous tree to go back to", hint="`reprov status` shows what there is"))
    assert (done.status, done.stdout) == (4, "")
    assert done.stderr == "reprov: there is no previous tree to go back to\nhint: `reprov status` shows what there is\n"
