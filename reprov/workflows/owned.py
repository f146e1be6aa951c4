"""The question that linking and reconciling ask of the lists."""

from collections.abc import Callable, Collection

from reprov.adapters.kept import OwnedByNode
from reprov.adapters.survey import NO_PROMISES
from reprov.domain.beside import original_of
from reprov.domain.entry import parent_of
from reprov.domain.ownership import SHARED, Owner, Ownership, Promises


def nothing_stays(_path: str) -> bool:
    """The answer where no merge has left anything to the node."""
    return False


def node_owns(
    ownership: Ownership,
    promised: Promises = NO_PROMISES,
    target: Collection[str] = (),
    base: Collection[str] = (),
    stays: Callable[[str], bool] = nothing_stays,
) -> OwnedByNode:
    """Whether a path is the node's.

    By the lists: kept or add-only; kept by a promise and unknown to the target; a matter of merging and unknown to both the
    target and the base, the release before it. By a merge: what `stays` says. What reprov laid beside a path of theirs
    is nobody's find: a merge has said whether it stays.
    """

    def owned(path: str, is_dir: bool) -> bool:
        owner = ownership.of(path, is_dir=is_dir).owner
        if owner not in SHARED or stays(path):
            return True
        original = original_of(path)
        if path in target or (original and (parent_of(original) in target or parent_of(original) in base)):
            return False
        return (owner is Owner.MERGE and path not in base) or promised.of(path, is_dir=is_dir).owner is Owner.KEEP

    return owned
