"""Committed by another process -> gone on by this one, the reprov of the tree that is now in place (`workflows.hand_over`)."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from reprov.adapters.health_state import HealthState
from reprov.adapters.kept_watch import read_kept
from reprov.adapters.mounts import require_namespace_of_init
from reprov.adapters.post_state import PostState
from reprov.domain.hand_over import Request
from reprov.domain.labels import Labelling
from reprov.errors import Refused
from reprov.events import Monitor
from reprov.workflows.after_commit import Finished, go_on
from reprov.workflows.commit import signals_held
from reprov.workflows.health import load_way_back
from reprov.workflows.node import Node, inspect_node, require_root
from reprov.workflows.pending import pending

_LOCK_FD: Final = 0


def take_over(root: Path, request: Request, answer: Callable[[], None], monitor: Monitor) -> Finished:
    """Go on with what follows a commit, in place of the process that has started this one, with the node's lock as standard input.

    `answer` is called when all is read and loaded, before anything is changed; up to there whatever is raised is a refusal, and the
    other process undoes the commit. Raises like `after_commit.go_on` from there on.
    """
    if request.problem:
        raise Refused(request.problem, hint="`reprov upgrade --commit boot` leaves the commit to a boot, and has nothing handed over")
    node = inspect_node(root, Labelling.ENABLED if request.labels else Labelling.DISABLED)
    require_root("change a node")
    require_namespace_of_init()
    with node.state.locked("what follows a commit", given_fd=_LOCK_FD):
        _read_all(node, request)
        load_way_back(node)
        answer()
        with signals_held():
            return go_on(node, monitor)


def _read_all(node: Node, request: Request) -> None:
    """Raise what keeps this reprov from going on: `Refused`, or `NeedsAttention` for what cannot be read."""
    progress = pending(node)
    if progress is None or progress.transaction != request.transaction:
        raise Refused("nothing is left to do after that commit", hint="`reprov status` says how far the node is")
    post = PostState(node.state.directory)
    post.script()
    read_kept(post.directory)
    HealthState(node.state.directory).baseline()
    node.installed()
