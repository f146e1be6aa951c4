"""What a node says of itself: its deployment, and its history."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reprov.adapters.post_state import PostState
from reprov.domain.deployment import Deployment, State
from reprov.domain.post_progress import Progress
from reprov.domain.quarantine import Quarantined
from reprov.workflows.hop_proof import last_proof
from reprov.workflows.node import Node, inspect_node
from reprov.workflows.services import reboot_reasons


@dataclass(frozen=True, slots=True)
class Status:
    """The deployment of a node."""

    deployment: Deployment
    interrupted: bool
    """True when something is under way that nobody is carrying out: `recover` is due."""
    storage: str = ""
    """What the last storage proof says, in one line; "" where there is none."""
    reboot: tuple[str, ...] = ()
    """Why a reboot is wanted."""
    after: Progress | None = None
    """What ran, or is still to run, after the last commit; None where there is no such thing."""
    quarantined: tuple[Quarantined, ...] = ()
    """The releases that are refused, because the node was rolled back from them."""


def status(root: Path) -> Status:
    """What the node's state file says. Raises `Refused` for what is no root."""
    node = inspect_node(root)
    deployment, post = node.state.deployment(), PostState(node.state.directory)
    after = _told_of(post.progress(), node)
    is_pending = after is not None and not after.end and deployment.state is State.COMMITTED and _is_of(after, node)
    return Status(
        deployment,
        node.state.is_interrupted() or (is_pending and not node.state.is_held()),
        last_proof(node),
        reboot_reasons(node),
        after,
        post.quarantined(),
    )


def _told_of(after: Progress | None, node: Node) -> Progress | None:
    """What went well after a commit is not told any more when another one, or a rollback, has made the live tree since."""
    return None if after and after.end == "confirmed" and not _is_of(after, node) else after


def _is_of(after: Progress, node: Node) -> bool:
    """Whether it follows the commit that made the live tree."""
    journal = node.state.journal() or node.state.previous_journal()
    return journal is not None and journal.transaction == after.transaction


def history(root: Path) -> list[dict[str, Any]]:
    """Every change of state, oldest first."""
    return inspect_node(root).state.history()
