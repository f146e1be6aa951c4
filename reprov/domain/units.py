"""How a plan is carried out: which directories swap whole, which paths swap alone, and what comes along.

A *swap unit* is the largest directory that one exchange can replace: on one filesystem, no mount point in it, and
everything of the node's in it can be linked or carried (design/transaction.md, Commit). Everything here is decided
before a byte is staged.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from reprov.domain.comparison import Action, Change
from reprov.domain.entry import Entry, Kind, ancestors_of, is_below
from reprov.domain.scan import Scan

# PID 1, generators, udev and fstab readers run at any instant, so that /etc must be complete on both sides of the
# exchange: its kept directories are rebuilt with links beforehand instead of being carried across afterwards.
_REBUILT_IN = "etc"


class OpKind(StrEnum):
    """What an exchange does to the live path; every kind is the same system call and its own undo."""

    SWAP = "swap"
    CREATE = "create"
    """The live side is a placeholder."""
    REMOVE = "remove"
    """The staged side is a placeholder."""
    CARRY = "carry"
    """A kept directory comes back from the old side of the unit that has just been swapped."""


class Op(NamedTuple):
    """One exchange of a live path with the same path in the staging directory of its volume."""

    kind: OpKind
    path: str
    volume: str


class Along(NamedTuple):
    """What of the node's a set of swapped directories takes along."""

    linked: tuple[str, ...]
    rebuilt: tuple[str, ...]
    carried: tuple[Op, ...]


@dataclass(frozen=True, slots=True)
class Swaps:
    """The exchanges of a plan in the order in which they happen, and what the staged trees take over from the live one."""

    ops: tuple[Op, ...]
    linked: tuple[str, ...]
    """The node's files inside units: linked into the staged tree for the commit."""
    rebuilt: tuple[str, ...]
    """The node's directories inside units below /etc: made again with their files linked."""
    directories: tuple[Change, ...]
    """Directories that do not swap and whose metadata is set in place."""

    @property
    def units(self) -> tuple[Op, ...]:
        """The ops that bring staged content: all but carries and removals."""
        return tuple(op for op in self.ops if op.kind in (OpKind.SWAP, OpKind.CREATE))


def find_swaps(changes: Mapping[str, Change], target: Mapping[str, Entry], scan: Scan, unlinkable: Mapping[str, str]) -> Swaps:
    """Cut the changes into exchanges.

    `unlinkable` names the kept paths that can be neither linked nor moved (immutable files), with the reason; the
    directories that hold them fall apart into smaller units.
    """
    uncut = _directories_that_must_fall_apart(scan, unlinkable)
    touched = {directory for path in changes for directory in ancestors_of(path)}
    children: dict[str, list[str]] = {}
    for path in sorted((changes.keys() | touched) - {""}):
        children.setdefault(path.rpartition("/")[0], []).append(path)

    ops: list[Op] = []
    directories: list[Change] = []

    def place(path: str) -> None:
        change = changes.get(path)
        if change and change.action is Action.CREATE:
            ops.append(Op(OpKind.CREATE, path, scan.volume_of(path)))
        elif change and change.action is Action.DELETE:
            ops.append(Op(OpKind.REMOVE, path, scan.volume_of(path)))
        elif (change and not _stays_directory(change)) or (_swaps_whole(path, target, scan) and path not in uncut):
            ops.append(Op(OpKind.SWAP, path, scan.volume_of(path)))
        else:
            if change:
                directories.append(change)
            for child in children.get(path, ()):
                place(child)

    place("")
    along = find_along(scan, {op.path for op in ops if op.kind is OpKind.SWAP})
    entered: set[str] = set()
    while carried := {op.path for op in along.carried} - entered:
        # What the release changes in an add-only directory is changed in the node's own, once that has come back. A
        # directory of the image's in there swaps in its turn, and what of the node's is in that comes along.
        entered |= carried
        for path in sorted(carried):
            for child in children.get(path, ()):
                place(child)
        along = find_along(scan, {op.path for op in ops if op.kind is OpKind.SWAP})
    return Swaps(
        ops=ordered((*ops, *along.carried), scan.volume_of("usr/bin")),
        linked=along.linked,
        rebuilt=along.rebuilt,
        directories=tuple(directories),
    )


def find_along(scan: Scan, swapped: Collection[str]) -> Along:
    """What of the node's comes along when these paths swap: what is inside those that are directories, the topmost of it."""
    units = {path for path in swapped if scan.kind_at(path) is Kind.DIR}
    owned = {path for path in scan.verdicts if _is_topmost_in_unit(path, units, scan)}
    directories = {path for path in owned if scan.kind_at(path) is Kind.DIR}
    rebuilt = {path for path in directories if is_below(path, _REBUILT_IN)}
    return Along(
        linked=tuple(sorted(owned - directories)),
        rebuilt=tuple(sorted(rebuilt)),
        carried=tuple(Op(OpKind.CARRY, path, scan.volume_of(path)) for path in sorted(directories - rebuilt)),
    )


def _is_topmost_in_unit(path: str, units: set[str], scan: Scan) -> bool:
    """True when a unit holds the path, and nothing between the two is the node's (the unit itself may lie in what is)."""
    for directory in reversed(ancestors_of(path)):
        if directory in units:
            return True
        if directory in scan.verdicts:
            return False
    return False


def ordered(ops: Iterable[Op], usr_volume: str) -> tuple[Op, ...]:
    """/usr first and /etc last, one volume after the other, a carry after the unit that took its directory away (it sorts below it)."""
    ranks = {"usr": 0, "etc": 2}
    return tuple(sorted(ops, key=lambda op: (op.volume != usr_volume, op.volume, ranks.get(op.path.partition("/")[0], 1), op.path)))


def _directories_that_must_fall_apart(scan: Scan, unlinkable: Mapping[str, str]) -> set[str]:
    obstacles = {*scan.fenced, *scan.volumes, *unlinkable}
    return obstacles | {directory for path in obstacles for directory in ancestors_of(path)}


def _stays_directory(change: Change) -> bool:
    return change.before is not None and change.after is not None and change.before.kind is change.after.kind is Kind.DIR


def _swaps_whole(path: str, target: Mapping[str, Entry], scan: Scan) -> bool:
    return path in target and path not in scan.verdicts and target[path].kind is scan.kind_at(path) is Kind.DIR
