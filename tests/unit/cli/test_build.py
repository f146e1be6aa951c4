"""reprov build: what it answers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reprov.domain.release import ReleaseId
from reprov.domain.resolved_role import ResolvedRole
from reprov.workflows import build as workflow
from reprov.workflows.build import Built

FOLDER = Path("/srv/reprov/build/compute/2026.11.2")


@pytest.fixture
def building(monkeypatch: pytest.MonkeyPatch, reprov: Callable[..., Any]) -> Callable[..., Any]:
    """Runs `reprov build compute` where a tree on this parent comes out."""

    def run(parent: ReleaseId | None, *words: str) -> Any:
        release = ReleaseId("compute", "2026.11.2")
        role = ResolvedRole(release, parent, "debian", "bookworm", (), (), (), (), (), ())
        monkeypatch.setattr(workflow, "build", lambda *arguments: Built(role, FOLDER, 74_321, 151.4))
        return reprov("build", "compute", "--version", release.version, "--store", "/srv/reprov", *words)

    return run


@pytest.mark.parametrize(
    ("parent", "on"), [pytest.param(ReleaseId("base", "2026.11.2"), " on base 2026.11.2", id="derived"), pytest.param(None, "", id="first")]
)
def test_what_was_built_and_on_a_line_of_its_own_where(building: Callable[..., Any], parent: ReleaseId | None, on: str) -> None:
    done = building(parent)
    assert (done.status, done.stdout) == (0, f"built compute 2026.11.2{on}: 74,321 files in 2 min 31 s\n  {FOLDER}\n")


def test_json(building: Callable[..., Any]) -> None:
    assert json.loads(building(None, "--json").stdout) == {
        "role": "compute",
        "version": "2026.11.2",
        "parent": None,
        "folder": str(FOLDER),
        "files": 74_321,
        "new_ids": [],
        "elapsed_s": 151.4,
    }
