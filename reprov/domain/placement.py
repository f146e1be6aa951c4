"""Where the content of every staged path comes from, and what staging costs: decided before the first byte is written."""

import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from reprov.domain.comparison import Change, Comparison
from reprov.domain.entry import Entry, Kind, ancestors_of, is_below, parent_of
from reprov.domain.labels import without_label
from reprov.domain.scan import Scan
from reprov.domain.units import Op, OpKind, Swaps

_BLOCK_BYTES = 4096  # of ext4 and xfs as made by default; a coarser one only makes the estimate too high by little
_DIRECTORY_BYTES = 4096
# What a journal, its placeholders and the record of the previous tree may need besides the trees themselves.
_OVERHEAD_BYTES = 16 << 20
_OVERHEAD_INODES = 64
_OPERATORS_WRITE_HERE = ("etc/", "usr/local/")


class How(StrEnum):
    """How a staged path is made."""

    MAKE = "make"
    """A directory, symlink, device or fifo: from the entry alone."""
    LINK = "link"
    """A hard link of the unchanged live file."""
    COPY = "copy"
    """A copy of a live file with the same content; the filesystem's own clone where it has one."""
    WRITE = "write"
    """From content that the plan has at hand: merged files."""
    FETCH = "fetch"
    """From the server."""
    JOIN = "join"
    """A hard link of a path that is staged already."""


class Placement(NamedTuple):
    """One staged path."""

    entry: Entry
    volume: str
    how: How
    source: str
    """LINK, COPY: the live path; JOIN: the staged one; FETCH: the path that is fetched, once per content; WRITE: the digest."""

    @property
    def arrives(self) -> bool:
        """Whether this is the one path for which its content is fetched."""
        return self.how is How.FETCH and self.source == self.entry.path


@dataclass(frozen=True, slots=True)
class Cost:
    """What staging needs on one filesystem."""

    size_bytes: int
    inodes: int


def find_placements(
    swaps: Swaps,
    comparison: Comparison,
    target: Mapping[str, Entry],
    scan: Scan,
    clones: Mapping[str, bool],
    at_hand: Collection[str] = (),
) -> tuple[Placement, ...]:
    """A placement for every path of every staged tree, parents before children.

    `clones` says for each volume whether its filesystem can share blocks between files (FICLONE): there unchanged
    files are cloned, elsewhere linked, unless `may_link` forbids it. `at_hand` are digests of content that need not be fetched.
    """
    if not swaps.units:
        return ()
    changes = {change.path: change for change in comparison.changes}
    asked = {change.after.digest for change in comparison.changes if change.after is not None and change.after.digest}
    known_at = {entry.digest: path for path, entry in scan.entries.items() if entry.digest in asked and path not in scan.verdicts}
    placements: list[Placement] = []
    fetched: dict[str, str] = {}
    first_of_group: dict[tuple[str, int], Placement] = {}
    entries = sorted(_staged_entries(swaps, comparison, changes, target, scan))
    staged = {entry.path for entry, _ in entries}
    # A file that also has names outside what is staged: a clone would part them.
    apart = {entry.link_group for path, entry in target.items() if entry.link_group and path not in staged}
    for entry, volume in entries:
        clone = clones[volume] and entry.link_group not in apart
        if not (clone or entry.link_group or entry.path in changes or entry.kind is not Kind.FILE) and may_link(entry):
            placements.append(Placement(entry, volume, How.LINK, entry.path))  # nearly all of them
            continue
        placement = _place(entry, volume, changes.get(entry.path), scan, known_at, at_hand, fetched, clone)
        if entry.link_group:
            first = first_of_group.setdefault((volume, entry.link_group), placement)
            # Unchanged names of one live inode stay one inode when each is linked; everything else is joined here.
            if first is not placement and (first.how, placement.how) != (How.LINK, How.LINK):
                placement = Placement(entry, volume, How.JOIN, first.entry.path)
        placements.append(placement)
    return tuple(placements)


def may_link(entry: Entry) -> bool:
    """True when the live file and the previous tree's may be one inode.

    Not in /etc (cron and logrotate skip files with several links, editors write through), not in /usr/local, not what
    dpkg chmods before it unlinks it: setuid, setgid and capability files (reference: transaction-hazards, rows 2 and 3).
    """
    if entry.path.startswith(_OPERATORS_WRITE_HERE):
        return False
    if entry.mode & (stat.S_ISUID | stat.S_ISGID):
        return False
    return not entry.xattrs or not without_label(entry.xattrs)


def costs(placements: Sequence[Placement], clones: Mapping[str, bool]) -> dict[str, Cost]:
    """What the placements need, by volume."""
    size_bytes: dict[str, int] = {"": _OVERHEAD_BYTES}
    inodes: dict[str, int] = {"": _OVERHEAD_INODES}
    for placement in placements:
        volume, entry = placement.volume, placement.entry
        size_bytes.setdefault(volume, _OVERHEAD_BYTES)
        inodes.setdefault(volume, _OVERHEAD_INODES)
        if placement.how in (How.LINK, How.JOIN):
            continue
        inodes[volume] += 1
        if entry.kind is Kind.DIR:
            size_bytes[volume] += _DIRECTORY_BYTES
        elif placement.how in (How.FETCH, How.WRITE) or (placement.how is How.COPY and not clones[volume]):
            size_bytes[volume] += _blocks(entry.size)
    return {volume: Cost(size_bytes[volume], inodes[volume]) for volume in size_bytes}


class Order(NamedTuple):
    """The placements by when they can be made."""

    local: list[Placement]
    """By the node itself, at once, parents before children."""
    arriving: dict[str, Placement]
    """What is fetched, by path: one for each content that the node does not have."""
    derived: list[Placement]
    """From something that is fetched, once it is there."""


def in_order(placements: Sequence[Placement]) -> Order:
    """When each of the placements of a plan can be made."""
    order = Order([], {}, [])
    fetched = {placement.entry.path for placement in placements if placement.how is How.FETCH}
    for placement in placements:
        if placement.how in (How.LINK, How.MAKE):  # nearly all of them
            order.local.append(placement)
        elif placement.arrives:
            order.arriving[placement.source] = placement
        elif placement.how in (How.FETCH, How.WRITE) or (placement.how is How.JOIN and placement.source in fetched):
            order.derived.append(placement)
        else:
            order.local.append(placement)
    return order


def _staged_entries(
    swaps: Swaps, comparison: Comparison, changes: Mapping[str, Change], target: Mapping[str, Entry], scan: Scan
) -> Iterator[tuple[Entry, str]]:
    """What the staged trees hold, with their volumes: the release's paths, and the node's directories that stay."""
    units = {op.path: op for op in swaps.units}
    carried = {op.path for op in swaps.ops if op.kind is OpKind.CARRY}
    unit_of: dict[str, Op] = {}
    for path, entry in target.items():
        unit = units.get(path) or unit_of.get(parent_of(path))
        if unit and path not in carried:  # what is in a directory that is carried comes with it
            unit_of[path] = unit
            if path in changes or (path in scan.entries and path not in scan.verdicts):
                yield entry, unit.volume
    stays = {kept.path for kept in comparison.kept if kept.path not in scan.verdicts}
    stays |= {path for path in scan.verdicts if any(is_below(path, directory) for directory in swaps.rebuilt)}
    stays |= carried | set(swaps.rebuilt)
    for path in stays:
        if scan.kind_at(path) is Kind.DIR and any(directory in units for directory in ancestors_of(path)):
            yield scan.entries[path], scan.volume_of(path)


def _place(
    entry: Entry,
    volume: str,
    change: Change | None,
    scan: Scan,
    known_at: Mapping[str, str],
    at_hand: Collection[str],
    fetched: dict[str, str],
    clones: bool,
) -> Placement:
    if entry.kind is not Kind.FILE:
        return Placement(entry, volume, How.MAKE, "")
    if change is None:
        how = How.LINK if may_link(entry) and not clones else How.COPY
        return Placement(entry, volume, how, entry.path)
    if entry.digest in known_at:
        # The same path where it has the content already: then only the metadata differs.
        live = scan.entries.get(entry.path)
        here = live is not None and live.digest == entry.digest and entry.path not in scan.verdicts
        return Placement(entry, volume, How.COPY, entry.path if here else known_at[entry.digest])
    if entry.digest in at_hand:
        return Placement(entry, volume, How.WRITE, entry.digest)
    return Placement(entry, volume, How.FETCH, fetched.setdefault(entry.digest, entry.path))


def _blocks(size_bytes: int) -> int:
    return -(-size_bytes // _BLOCK_BYTES) * _BLOCK_BYTES
