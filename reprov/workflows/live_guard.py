"""What runs on a node that forbids to exchange trees under it; loaded where a live commit is at hand, as no other change needs it."""

from collections.abc import Collection, Mapping, Sequence

from reprov.adapters.processes import node_facts, running_kernel
from reprov.adapters.tree_uses import uses_in
from reprov.domain.comparison import Blocker, Change
from reprov.domain.guards import blockers_of_live_commit
from reprov.domain.units import Op


def find_live_blockers(
    changes: Mapping[str, Change], ops: Sequence[Op], linked: Collection[str], rebuilt: Collection[str]
) -> list[Blocker]:
    """Why these exchanges must not happen on the running system now; `linked` and `rebuilt` are the node's own that come along."""
    uses = uses_in({op.path for op in ops})
    return blockers_of_live_commit(changes, ops, linked, rebuilt, uses, node_facts(), running_kernel())
