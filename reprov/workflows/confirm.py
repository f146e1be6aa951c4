"""Committed -> confirmed by somebody who can reach the node; or taken back, because nobody sees to it any more."""

import time
from pathlib import Path
from typing import Final

from reprov.adapters.health_state import HealthState
from reprov.adapters.lock_holder import end_holders
from reprov.adapters.post_state import PostState
from reprov.adapters.processes import boot_id
from reprov.domain.deployment import State
from reprov.domain.release import ReleaseId
from reprov.errors import HopFailed, Refused, ReprovError
from reprov.events import Monitor
from reprov.workflows.health import watch_no_more
from reprov.workflows.node import Node, changing_node, inspect_node, require_root
from reprov.workflows.pending import pending
from reprov.workflows.reboot import reboot_now
from reprov.workflows.recover import recover
from reprov.workflows.trial import refuse_waiting, waiting_for

_POLL_S: Final = 0.1
_HANGS_S: Final = 600.0
"""A rollback may have to read a large tree, and to fetch from a server that does not answer, before its first exchange."""


def confirm(root: Path, monitor: Monitor) -> ReleaseId | None:
    """Say that a node which waits for it can be reached; gives the release that is confirmed by now, None when nothing waits.

    Raises `Refused` while nothing can be confirmed yet, or not by this; `HopFailed` when it was too late.
    """
    node = inspect_node(root)
    require_root("confirm a node")
    progress = pending(node)
    if progress is None:
        return None
    refuse_waiting(node)
    own = HealthState(node.state.directory)
    if not own.patience().awaits_operator:
        raise Refused(
            "this node confirms itself once it is as well as before",
            hint="wait for it to end; `reprov recover` goes on with what was interrupted",
        )
    deadline_s = own.deadline(boot_id())
    if deadline_s is None:
        raise Refused("the node does not wait yet: what follows the commit still runs", hint="`reprov status` says how far it is")
    if time.monotonic() < deadline_s:
        own.confirm(progress.transaction)
        _wait_for_end(node, progress.transaction, monitor)
        refuse_waiting(node)
    deployment = node.state.deployment()
    if deployment.state is not State.CONFIRMED or pending(node) is not None:
        raise HopFailed("it is too late: the node goes back", hint="`reprov status` says to what")
    return deployment.installed


def confirm_at_boot(root: Path, monitor: Monitor) -> str:
    """Go on with what follows a commit, on a node that has been booted since; what was done, "" when there was nothing to do.

    Raises `HopFailed` when the node is not well and has been taken back, `NeedsAttention` when not even that is possible.
    """
    node = inspect_node(root)
    if not node.state.exists:
        return ""
    if pending(node) is None and node.state.journal() is None:
        # The commit was given up before its journal was there: what was prepared for it may still have to go.
        done = recover(root, monitor).done if node.state.is_interrupted() else ""
        PostState(node.state.directory).forget_unfinished()
        return done
    done = recover(root, monitor).done
    progress = pending(node)
    if progress and progress.reboots and (reason := waiting_for(node)):
        reboot_now(root, reason)
    return done


def take_back_overdue(root: Path, monitor: Monitor) -> None:
    """Take a live node back when whoever was to see to it after its commit is gone, and the time for that has passed.

    Asked every few seconds by a timer of systemd's, which ends once nothing is left to look after. Raises `HopFailed` for a node that
    has been taken back.
    """
    node = inspect_node(root)
    if node.state.is_held():
        _end_who_hangs(node)
        return
    if node.state.journal() is not None:
        with changing_node(root, "recover", monitor, goes_on=False):
            return  # killed in the middle of the exchange: that was finished or undone
    progress = pending(node)
    if progress is None or progress.awaits is not None:
        watch_no_more(node)
        return
    own = HealthState(node.state.directory)
    patience, deadline_s = own.patience(), own.deadline(boot_id())
    if deadline_s is None:  # nobody got that far: from now on there is as much time as there would have been
        own.write_deadline(time.monotonic() + patience.timeout_s, boot_id())
        return
    if time.monotonic() < deadline_s:
        return
    # Imported here: almost always there is nothing to take back.
    from reprov.workflows.after_commit import take_back

    with changing_node(root, "rollback", monitor, goes_on=False) as held:
        if pending(held) is not None:
            reason = f"reprov was ended after the commit, and nobody went on within {patience.timeout_s} s"
            raise take_back(held, ReprovError(reason), monitor)


def _end_who_hangs(node: Node) -> None:
    """End whoever holds a committed node and should long have confirmed it or gone back; the next look finds it free."""
    deadline_s = HealthState(node.state.directory).deadline(boot_id())
    if deadline_s is not None and time.monotonic() > deadline_s + _HANGS_S and pending(node) is not None:
        end_holders(node.state.directory / "lock")


def _wait_for_end(node: Node, transaction: str, monitor: Monitor) -> None:
    """Until whoever waits has heard it; when nobody is left who could, this goes on in its place."""
    while (progress := pending(node)) is not None and progress.transaction == transaction and not progress.awaits:
        if not node.state.is_held():
            with changing_node(node.root, "confirm", monitor):
                return
        time.sleep(_POLL_S)
