"""The question that reconciling asks of the lists."""

from reprov.adapters.kept import OwnedByNode
from reprov.domain.ownership import Owner, Ownership


def node_owns(ownership: Ownership) -> OwnedByNode:
    """Whether a path is kept or add-only under these lists."""
    return lambda path, is_dir: ownership.of(path, is_dir=is_dir).owner is not Owner.IMAGE
