"""Where a hook and checks run: on the running system under the data guard, in any other root in a sandbox without devices."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reprov.adapters.commands import Commands, SandboxedCommands
from reprov.events import Monitor
from reprov.workflows.guarded import guarded
from reprov.workflows.inventory import take_inventory


@contextmanager
def node_commands(root: Path, monitor: Monitor) -> Iterator[Commands]:
    """A place for programs of a node; everything that they started ends with it. Raises `Refused` where there can be none. Needs root."""
    if root == Path("/"):
        with guarded(take_inventory(root, monitor=monitor), root) as guard:
            yield guard
    else:
        yield SandboxedCommands(root)
