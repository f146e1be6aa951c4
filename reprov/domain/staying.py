"""What of a node stays as it is while trees are exchanged: where to look for the files of an id that moves."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Self

from reprov.domain.comparison import Action, Comparison
from reprov.domain.entry import ancestors_of, parent_of
from reprov.domain.scan import Scan


@dataclass(frozen=True, slots=True)
class Staying:
    """The paths that stay, by as few names as tell them all."""

    tops: tuple[str, ...]
    """Paths that stay with everything below them, in path order."""
    left_out: frozenset[str]
    """Paths below one of those that do not, with everything below them."""

    @classmethod
    def in_upgrade(cls, scan: Scan, target: Collection[str], comparison: Comparison) -> Self:
        """What is the node's, and what no release brought and nothing removes. `scan` and `target` have the merge in them."""
        deleted = {change.path for change in comparison.changes if change.action is Action.DELETE}
        return cls._of(scan, {path for path in scan.entries if path not in target and path not in deleted})

    @classmethod
    def in_rollback(cls, scan: Scan, target: Collection[str], units: Collection[str]) -> Self:
        """What is the node's, and what nobody brought. What lies in the `units` that are exchanged goes with them."""
        holding = {directory for path in scan.verdicts for directory in ancestors_of(path)}
        going = set(units)
        for path in sorted(scan.entries):  # directories before what they hold
            if parent_of(path) in going and path:
                going.add(path)
        return cls._of(scan, {path for path in scan.entries if path not in target and (path not in going or path in holding)})

    @classmethod
    def _of(cls, scan: Scan, others: Collection[str]) -> Self:
        stays = {*scan.verdicts, *scan.fenced, *others} & scan.entries.keys()
        tops = sorted(path for path in stays if not path or parent_of(path) not in stays)
        left_out = frozenset(path for path in scan.entries if path and path not in stays and parent_of(path) in stays)
        return cls(tuple(tops), left_out)
