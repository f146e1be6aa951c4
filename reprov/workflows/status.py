"""What a node says of itself: its deployment, and its history."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reprov.adapters.health_state import HealthState
from reprov.adapters.post_state import PostState
from reprov.adapters.processes import boot_id
from reprov.domain.deployment import Deployment, State
from reprov.domain.post_progress import Progress
from reprov.domain.quarantine import Quarantined
from reprov.errors import NeedsAttention
from reprov.workflows.hop_proof import last_proof
from reprov.workflows.node import Node, inspect_node
from reprov.workflows.pending import is_of_live_tree, pending
from reprov.workflows.services import reboot_reasons
from reprov.workflows.trial import waiting_for


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
    armed: tuple[str, ...] = ()
    """Why what is in flight waits for the next boot; empty where nothing does."""
    quarantined: tuple[Quarantined, ...] = ()
    """The releases that are refused, because the node was rolled back from them."""
    confirm_within_s: float | None = None
    """How long the node still waits for `reprov confirm`, before it goes back; None where it waits for nobody's word."""


def status(root: Path) -> Status:
    """What the node's state file says. Raises `Refused` for what is no root."""
    node = inspect_node(root)
    deployment, post = node.state.deployment(), PostState(node.state.directory)
    after = _told_of(post.progress(), node)
    return Status(
        deployment,
        node.state.is_interrupted() or (pending(node) is not None and not waiting_for(node) and not node.state.is_held()),
        last_proof(node),
        reboot_reasons(node),
        after,
        _reasons_of_waiting(node, deployment),
        post.quarantined(),
        _waits_for_word_s(node),
    )


def _reasons_of_waiting(node: Node, deployment: Deployment) -> tuple[str, ...]:
    if deployment.state is not State.ARMED:
        return ()
    try:
        armed = node.state.armed()
    except NeedsAttention as error:
        return (error.message,)
    return armed.reasons if armed else ("what was armed is missing; `reprov disarm` forgets it",)


def _waits_for_word_s(node: Node) -> float | None:
    progress, own = pending(node), HealthState(node.state.directory)
    if progress is None or not own.patience().awaits_operator or own.is_confirmed(progress.transaction):
        return None
    deadline_s = own.deadline(boot_id())
    return max(0.0, deadline_s - time.monotonic()) if deadline_s is not None else None


def _told_of(after: Progress | None, node: Node) -> Progress | None:
    """What went well after a commit is not told any more when another one, or a rollback, has made the live tree since."""
    return None if after and after.end == "confirmed" and not is_of_live_tree(after, node) else after


def history(root: Path) -> list[dict[str, Any]]:
    """Every change of state, oldest first."""
    return inspect_node(root).state.history()
