"""Where a hook and checks run: on the running system under the data guard, in any other root in a sandbox without devices."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reprov.adapters.commands import Commands, LiveCommands, SandboxedCommands
from reprov.adapters.guard_space import guard_space
from reprov.events import Monitor
from reprov.workflows.data_devices import inventory_to_guard
from reprov.workflows.guarded import guarded
from reprov.workflows.node import inspect_node


@contextmanager
def node_commands(root: Path, monitor: Monitor) -> Iterator[Commands]:
    """A place for programs of a node; everything that they started ends with it. Raises `Refused` where there can be none. Needs root.

    A running system without data devices has nothing to guard.
    """
    if root != Path("/"):
        yield SandboxedCommands(root)
        return
    inventory = inventory_to_guard(inspect_node(root), monitor)
    if inventory is not None:
        with guarded(inventory, root) as guard:
            yield guard
    else:
        with guard_space(root) as space:
            space.share_mounts()
            yield LiveCommands(space)
