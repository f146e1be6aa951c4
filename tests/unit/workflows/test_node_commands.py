"""Where the programs of a node run."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from reprov.adapters.commands import LiveCommands, SandboxedCommands
from reprov.domain.data_devices import DataDevices
from reprov.errors import Refused
from reprov.events import NullMonitor
from reprov.workflows import node_commands as workflow


def test_on_the_running_system_under_the_guard_and_elsewhere_in_a_sandbox(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    @contextmanager
    def guarded(inventory: str, root: Path) -> Iterator[tuple[str, Path]]:
        yield inventory, root

    monkeypatch.setattr(workflow, "inventory_to_guard", lambda node, monitor: f"inventory of {node.root}")
    monkeypatch.setattr(workflow, "guarded", guarded)
    with workflow.node_commands(Path("/"), NullMonitor()) as commands:
        assert repr(commands) == repr(("inventory of /", Path("/")))
    with workflow.node_commands(tmp_path, NullMonitor()) as commands:
        assert commands == SandboxedCommands(tmp_path)


def test_a_running_system_without_data_devices_needs_no_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    class Space:
        def share_mounts(self) -> None:
            pass

    space: Any = Space()
    monkeypatch.setattr(workflow, "inventory_to_guard", lambda node, monitor: None)
    monkeypatch.setattr(workflow, "guard_space", lambda root: nullcontext(space))
    with workflow.node_commands(Path("/"), NullMonitor()) as commands:
        assert isinstance(commands, LiveCommands)
        assert commands.space is space


def test_nothing_runs_where_nobody_can_tell_what_is_data(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = DataDevices(problem="sfdisk: not installed (found a mount at /srv)")
    monkeypatch.setattr("reprov.workflows.data_devices.find_data_devices", lambda node, proving, monitor: problem)
    with pytest.raises(Refused, match=r"^data devices cannot be guarded: sfdisk: not installed \(found a mount at /srv\)$"):
        workflow.node_commands(Path("/"), NullMonitor()).__enter__()
