"""reprov pkgmngr: the state as a table."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reprov.workflows import package_managers as workflow
from reprov.workflows.package_managers import ManagerState

STATES = (
    ManagerState("apt", "usr/local/sbin/apt", is_active=False, is_stopped_by_path=True),
    ManagerState("dnf", "usr/local/sbin/dnf", is_active=False, is_stopped_by_path=False),
    ManagerState("yum", "usr/local/sbin/yum", is_active=True, is_stopped_by_path=False),
)


@pytest.mark.parametrize("what", ["deactivate", "activate", "status"])
def test_the_state_afterwards(what: str, monkeypatch: pytest.MonkeyPatch, reprov: Callable[..., Any], tmp_path: Path) -> None:
    for name in ("deactivate", "activate", "status"):
        monkeypatch.setattr(workflow, name, lambda root, name=name: STATES if name == what else ())
    done = reprov("pkgmngr", what, "--root", tmp_path)
    assert (done.status, done.stdout.splitlines()) == (
        0,
        [
            "PACKAGE MANAGER  STATE        BY",
            "apt              deactivated  /usr/local/sbin/apt, and by dpkg itself",
            "dnf              deactivated  /usr/local/sbin/dnf",
            "yum              active       -",
        ],
    )


def test_another_word_is_no_word_of_it(reprov: Callable[..., Any]) -> None:
    assert reprov("pkgmngr", "disable").status == 2
