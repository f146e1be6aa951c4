"""The question that linking and reconciling ask of the lists."""

from collections.abc import Collection

from reprov.adapters.kept import OwnedByNode
from reprov.adapters.survey import NO_PROMISES
from reprov.domain.ownership import Owner, Ownership, Promises


def node_owns(ownership: Ownership, promised: Promises = NO_PROMISES, target: Collection[str] = ()) -> OwnedByNode:
    """Whether a path is the node's: kept or add-only by the lists, or unknown to the target and kept by other lists, as in `survey`."""

    def owned(path: str, is_dir: bool) -> bool:
        if ownership.of(path, is_dir=is_dir).owner is not Owner.IMAGE:
            return True
        return path not in target and promised.of(path, is_dir=is_dir).owner is Owner.KEEP

    return owned
