"""The question that linking and reconciling ask of the lists."""

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Final

from reprov.adapters.kept import OwnedByNode
from reprov.adapters.survey import NO_PROMISES
from reprov.domain.beside import original_of
from reprov.domain.entry import Entry, Kind, ancestors_of, parent_of
from reprov.domain.ownership import SHARED, Owner, Ownership, Promises

NO_PATHS: Final[Mapping[str, Entry]] = MappingProxyType({})


def nothing_stays(_path: str) -> bool:
    """The answer where no merge has left anything to the node."""
    return False


def node_owns(
    ownership: Ownership,
    promised: Promises = NO_PROMISES,
    target: Mapping[str, Entry] = NO_PATHS,
    base: Collection[str] = (),
    stays: Callable[[str], bool] = nothing_stays,
) -> OwnedByNode:
    """Whether a path is the node's.

    By the lists: kept or add-only; kept by a promise and unknown to the target; a matter of merging and unknown to both the
    target and the base, the release before it. By a merge: what `stays` says. What reprov laid beside a path of theirs
    is nobody's find: a merge has said whether it stays. Everything in an add-only directory that is none of the target's:
    no scan has looked into it, so no plan could show what the lists would have gone from there.
    """

    def lies_unread(path: str) -> bool:
        for directory in reversed(ancestors_of(path)):
            known = target.get(directory)
            if known is not None and known.kind is Kind.DIR:
                return False
            # Where the release has something else than a directory, a scan goes by what the lists say of that, too.
            kinds = (True,) if known is None else (True, False)
            if any(ownership.of(directory, is_dir=is_dir).owner not in SHARED for is_dir in kinds):
                return True
        return False

    def owned(path: str, is_dir: bool) -> bool:
        owner = ownership.of(path, is_dir=is_dir).owner
        if owner not in SHARED or stays(path):
            return True
        if path not in target and lies_unread(path):
            return True
        original = original_of(path)
        if path in target or (original and (parent_of(original) in target or parent_of(original) in base)):
            return False
        return (owner is Owner.MERGE and path not in base) or promised.of(path, is_dir=is_dir).owner is Owner.KEEP

    return owned
