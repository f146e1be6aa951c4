"""What runs on a node that forbids to exchange trees under it; loaded where one is about to be changed, as nothing else needs it."""

from collections.abc import Collection, Mapping, Sequence

from reprov.adapters.processes import node_facts, running_kernel
from reprov.adapters.tree_uses import uses_in
from reprov.domain.comparison import Blocker, Change
from reprov.domain.guards import blockers_of_live_commit, blockers_of_modules
from reprov.domain.units import Op


def find_live_blockers(
    changes: Mapping[str, Change], ops: Sequence[Op], linked: Collection[str], rebuilt: Collection[str]
) -> list[Blocker]:
    """Why these exchanges must not happen on the running system now; `linked` and `rebuilt` are the node's own that come along."""
    return blockers_of_live_commit(changes, ops, linked, rebuilt, uses_in({op.path for op in ops}), node_facts())


def find_kernel_blockers(changes: Mapping[str, Change]) -> list[Blocker]:
    """Why the running system must not be changed in this way at all, not even at its boot."""
    return blockers_of_modules(changes, running_kernel())
