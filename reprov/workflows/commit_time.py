"""When the exchange of a plan is to be: what speaks against the running system, asked when planning and again before it."""

from dataclasses import replace
from typing import TYPE_CHECKING

from reprov.adapters.labels import has_selinux, unknown_labels
from reprov.domain.blockers import refuse
from reprov.domain.commit_time import Chosen, CommitTime, choose_time
from reprov.domain.comparison import Blocker, Change
from reprov.domain.label_guard import blockers_of_labels
from reprov.workflows.node import Node

if TYPE_CHECKING:
    from reprov.workflows.plan import Prepared


def with_time(node: Node, ready: "Prepared", asked: CommitTime) -> "Prepared":
    """The same plan with when it will be, and with what forbids it then. A plan that does nothing is left as it is."""
    plan = ready.plan
    if plan.is_empty:
        return ready
    against = _against_live(node, ready)
    chosen = choose_time(asked, against)
    blockers = (*(against if chosen.time is CommitTime.LIVE else ()), *_against_any(node, ready))
    return replace(ready, plan=replace(plan.blocked_by(blockers), commit=chosen))


def choose_again(node: Node, ready: "Prepared", asked: CommitTime) -> Chosen:
    """The same when staging is done, which takes its time. Raises `Refused` for a live commit that something forbids by now."""
    against = _against_live(node, ready)
    chosen = choose_time(asked, against)
    if chosen.time is CommitTime.LIVE:
        refuse(against)
    return chosen


def _against_live(node: Node, ready: "Prepared") -> list[Blocker]:
    if not node.is_live:
        return []
    from reprov.workflows.live_guard import find_live_blockers

    swaps = ready.plan.swaps
    return find_live_blockers(_changes(ready), swaps.ops, swaps.linked, swaps.rebuilt)


def _against_any(node: Node, ready: "Prepared") -> list[Blocker]:
    """Why the running system cannot get this release, not even at its boot: staging is done while it runs."""
    if not node.is_live:
        return []
    from reprov.workflows.live_guard import find_kernel_blockers

    found = find_kernel_blockers(_changes(ready))
    if has_selinux():
        found += blockers_of_labels(unknown_labels(ready.labels_to_set), labels=ready.scan.labels)
    return found


def _changes(ready: "Prepared") -> dict[str, Change]:
    return {change.path: change for change in ready.plan.comparison.changes}
