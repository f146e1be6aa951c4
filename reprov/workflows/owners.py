"""Accounts that move -> the files of the node that have to follow them: once for the plan, and once more for the commit."""

from collections.abc import Callable
from dataclasses import dataclass

from reprov.adapters.owners import find_owned
from reprov.adapters.running import running_under
from reprov.domain.accounts import MergedAccounts
from reprov.domain.blockers import refuse
from reprov.domain.mounts import Mount
from reprov.domain.owner_change import WantedIds
from reprov.domain.owner_plan import NO_OWNER_CHANGES, OwnerPlan, ids_claimed
from reprov.domain.staying import Staying
from reprov.events import Monitor, phase


@dataclass(frozen=True, slots=True)
class OwnerSearch:
    """Where and for what to look."""

    accounts: MergedAccounts | None
    """What becomes of the accounts; None where they are not merged."""
    find_staying: Callable[[], Staying]
    """Called when an account moves, and only then: it looks through every path of the node."""
    mounts: tuple[Mount, ...]
    is_way_back: bool = False
    """Whether accounts get ids that they had before: what else has them is not looked for then."""

    def run(self, root_fd: int, monitor: Monitor) -> OwnerPlan:
        """Which files follow accounts that move, as the node is now. Reads everything that is the node's, if any account moves."""
        if self.accounts is None or not (self.accounts.moved or self.accounts.leaving):
            return NO_OWNER_CHANGES
        with phase(monitor, "owners", "Looking for the files of accounts that move") as progress:
            moved, leaving = self.accounts.moved, self.accounts.leaving
            claimed = () if self.is_way_back else ids_claimed(moved, leaving)
            wanted = WantedIds.of((*moved, *leaving, *(item._replace(live_id=item.new_id) for item in claimed)))
            found = find_owned(root_fd, self.find_staying(), self.mounts, wanted, progress)
        return OwnerPlan.of(moved, leaving, found, claimed)


def refuse_owners(owners: OwnerPlan, *, apply_chown: bool, is_live: bool) -> None:
    """Raise `Refused` with the first reason why these owners must not change, or may not; on a live node also who runs as one."""
    running = owners.blockers_of(running_under(owners.wanted)) if is_live and owners.changes else ()
    refuse((*owners.refusals(apply_chown=apply_chown), *running), more=" (and {} more)")
