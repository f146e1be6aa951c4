"""Where the programs of a node run."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reprov.adapters.commands import SandboxedCommands
from reprov.events import NullMonitor
from reprov.workflows import node_commands as workflow


def test_on_the_running_system_under_the_guard_and_elsewhere_in_a_sandbox(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    @contextmanager
    def guarded(inventory: str, root: Path) -> Iterator[tuple[str, Path]]:
        yield inventory, root

    monkeypatch.setattr(workflow, "take_inventory", lambda root, monitor: f"inventory of {root}")
    monkeypatch.setattr(workflow, "guarded", guarded)
    with workflow.node_commands(Path("/"), NullMonitor()) as commands:
        assert repr(commands) == repr(("inventory of /", Path("/")))
    with workflow.node_commands(tmp_path, NullMonitor()) as commands:
        assert commands == SandboxedCommands(tmp_path)
