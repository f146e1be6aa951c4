"""Whether the node waits for a new kernel to be tried, and what has become of it: asked by every command that changes a node."""

import os

from reprov.domain.trial import Awaited, Verdict
from reprov.errors import Refused, ReprovError
from reprov.workflows.node import Node
from reprov.workflows.pending import pending


def awaited(node: Node) -> Awaited | None:
    """The kernel that is on trial, or is to be; None where none is."""
    progress = pending(node)
    return progress.awaits if progress else None


def judge(node: Node) -> Verdict | None:
    """What has become of the trial; None where there is none. A root that does not run waits."""
    found = awaited(node)
    if found is None:
        return None
    # Imported here: most nodes wait for no kernel.
    from reprov.adapters.processes import boot_id

    return found.verdict(boot=boot_id(), kernel=os.uname().release) if node.is_live else Verdict.WAITS


def waiting_for(node: Node) -> str:
    """Why the node has to be rebooted before anything else; "" when it has not."""
    found = awaited(node)
    return f"the node waits for a reboot {found.reason}" if found and judge(node) is Verdict.WAITS else ""


def refuse_waiting(node: Node) -> None:
    """Raise `Refused` where a kernel is still to be tried: until then nobody knows which release the node keeps."""
    if problem := waiting_for(node):
        raise Refused(problem, hint="reboot it; or `reprov rollback` goes back to the release before")


def require_came_up(node: Node) -> None:
    """Raise `ReprovError` when the node runs another kernel than the one that was to be tried."""
    found = awaited(node)
    if found and judge(node) is Verdict.FAILED:
        raise ReprovError(found.failure, hint="the console, and the log of the boot before, say why")
