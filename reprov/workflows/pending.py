"""Whether the phase after a commit is still to be finished: asked by every command that changes a node, so it needs little."""

from reprov.adapters.post_state import PostState
from reprov.domain.deployment import State
from reprov.domain.post_progress import Progress
from reprov.workflows.node import Node


def pending(node: Node) -> Progress | None:
    """The phase after the commit that made the live tree, when it is not over; None when nothing is left to do."""
    progress = PostState(node.state.directory).progress()
    if progress is None or progress.end or node.state.deployment().state is not State.COMMITTED:
        return None
    return progress if is_of_live_tree(progress, node) else None


def is_of_live_tree(progress: Progress, node: Node) -> bool:
    """Whether it follows the commit that made the live tree."""
    journal = node.state.journal() or node.state.previous_journal()
    return journal is not None and journal.transaction == progress.transaction
