"""reprov verify: drift by package."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reprov.domain.labels import Labelling
from reprov.domain.packages import PackageChange
from reprov.errors import Refused
from reprov.workflows import verify as workflow
from reprov.workflows.verify import Drift, Verified
from tests.builders import ONE

DRIFT = (
    Drift("usr/bin/sh", "changed", "content differs", "dash"),
    Drift("usr/a\n", "added", "not in the release", ""),
    Drift("usr/bin/ash", "missing", "new in the release", "dash"),
)


@pytest.fixture
def verifying(monkeypatch: pytest.MonkeyPatch, reprov: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """Runs `reprov verify` where this comes out."""

    def run(found: Verified | Exception, *words: str, reading_all: bool = False) -> Any:
        def verify(root: Path, *, deep: bool, labelling: Labelling, monitor: object) -> Verified:
            assert (root, deep, labelling) == (tmp_path, reading_all, Labelling.AUTO)
            if isinstance(found, Exception):
                raise found
            return found

        monkeypatch.setattr(workflow, "verify", verify)
        return reprov("verify", "--root", tmp_path, *words)

    return run


def test_no_drift(verifying: Callable[..., Any]) -> None:
    done = verifying(Verified(ONE, 75123, ()), "--deep", reading_all=True)
    assert (done.status, done.stdout) == (0, "75,123 paths are as base 1.0 says\n")


def test_drift_is_listed_by_package_and_told_by_the_status(verifying: Callable[..., Any]) -> None:
    done = verifying(Verified(ONE, 3, DRIFT))
    assert (done.status, done.stdout.splitlines()) == (
        3,
        [
            "PACKAGE  DRIFT    PATH          REASON",
            "-        added    /usr/a\\n      not in the release",
            "dash     changed  /usr/bin/sh   content differs",
            "dash     missing  /usr/bin/ash  new in the release",
        ],
    )


@pytest.mark.parametrize(("drift", "status"), [((), 0), (DRIFT[:1], 3)], ids=["none", "some"])
def test_json(verifying: Callable[..., Any], drift: tuple[Drift, ...], status: int) -> None:
    done = verifying(Verified(ONE, 7, drift), "--json")
    rows = [{"path": "/usr/bin/sh", "drift": "changed", "reason": "content differs", "package": "dash"}] if drift else []
    assert (done.status, json.loads(done.stdout)) == (status, {"role": "base", "version": "1.0", "paths": 7, "packages": [], "drift": rows})


def test_a_node_that_reprov_did_not_install(verifying: Callable[..., Any]) -> None:
    done = verifying(Refused("this node was not installed by reprov"))
    assert (done.status, done.stderr) == (4, "reprov: this node was not installed by reprov\n")


def test_packages_that_were_changed_by_hand_come_first(verifying: Callable[..., Any]) -> None:
    fixes = (PackageChange("dash", "amd64", "upgraded", "1", "2"), PackageChange("vim", "amd64", "added", "", "9"))
    done = verifying(Verified(ONE, 3, DRIFT[:1], fixes))
    assert done.stdout.splitlines()[:4] == [
        "PACKAGE  BY HAND   RELEASE  NODE",
        "dash     upgraded  1        2",
        "vim      added     -        9",
        "",
    ]
    answer = json.loads(verifying(Verified(ONE, 3, DRIFT[:1], fixes), "--json").stdout)["packages"]
    assert answer[1] == {"name": "vim", "arch": "amd64", "change": "added", "before": "", "after": "9"}
