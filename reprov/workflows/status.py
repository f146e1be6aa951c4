"""What a node says of itself: its deployment, and its history."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reprov.domain.deployment import Deployment
from reprov.workflows.hop_proof import last_proof
from reprov.workflows.node import inspect_node


@dataclass(frozen=True, slots=True)
class Status:
    """The deployment of a node."""

    deployment: Deployment
    interrupted: bool
    """True when a commit is in flight that nobody is carrying out: `recover` is due."""
    storage: str = ""
    """What the last storage proof says, in one line; "" where there is none."""


def status(root: Path) -> Status:
    """What the node's state file says. Raises `Refused` for what is no root."""
    node = inspect_node(root)
    return Status(node.state.deployment(), node.state.is_interrupted(), last_proof(node))


def history(root: Path) -> list[dict[str, Any]]:
    """Every change of state, oldest first."""
    return inspect_node(root).state.history()
