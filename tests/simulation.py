"""A node as nested dicts of inodes: what staging builds and what exchanges do, without a filesystem.

It follows adapters/staging.py, adapters/kept.py, adapters/exchange.py and workflows/commit.py step by step, and treats names and
inodes as the kernel does: an exchange swaps whatever is at two paths, subtrees and all.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

from hypothesis import assume

from reprov.adapters.kept import OwnedByNode
from reprov.domain.comparison import Comparison, compare
from reprov.domain.entry import Entry, Kind, ancestors_of, is_below, parent_of
from reprov.domain.journal import Identity, Journal, JournalOp, Side
from reprov.domain.placement import How, Placement, find_placements
from reprov.domain.scan import Scan, volume_holding
from reprov.domain.units import Op, OpKind, Swaps, find_swaps
from reprov.workflows.owned import node_owns
from tests.builders import Case, a_dir, a_file, scan_of


class Planned(NamedTuple):
    """Everything that is decided before a byte is staged."""

    scan: Scan
    comparison: Comparison
    swaps: Swaps
    placements: tuple[Placement, ...]


def plan_of(case: Case) -> Planned:
    """What `workflows.plan.prepared` decides."""
    scan = case.scan
    comparison = compare(case.target, scan, case.ownership)
    changes = {change.path: change for change in comparison.changes}
    swaps = find_swaps(changes, case.target, scan, dict.fromkeys(case.stuck, "immutable"))
    clones = dict.fromkeys(scan.volumes, case.clones)
    return Planned(scan, comparison, swaps, find_placements(swaps, comparison, case.target, scan, clones))


def admissible(case: Case) -> Planned:
    """The plan of a case, if nothing forbids to carry it out."""
    planned = plan_of(case)
    assume(not planned.comparison.blockers)
    touched = {op.path for op in planned.swaps.ops} | {parent_of(op.path) for op in planned.swaps.ops}
    assume(not touched & case.stuck)  # chattr +i on an op's path or its directory is a blocker of the workflow
    return planned


@dataclass(eq=False)
class Inode:
    """A file, or a directory with the inodes of its names."""

    number: int
    entry: Entry
    """Its path is "": an inode has no name."""
    names: dict[str, "Inode"] = field(default_factory=dict)
    mark: str = ""

    @property
    def identity(self) -> Identity:
        """As the journal knows it."""
        return Identity(self.number, 0)


class Machine:
    """The live tree of a node, and the staged trees of its volumes."""

    def __init__(self, live: dict[str, Entry], volumes: Iterable[str]) -> None:
        self._numbers = count(2)
        self._volumes = tuple(volumes)
        groups: dict[int, Inode] = {}
        self.live = self._new(live[""])
        for path, entry in sorted(live.items()):
            if path:
                inode = groups.get(entry.link_group) or self._new(entry)
                if entry.link_group:
                    groups[entry.link_group] = inode
                self.put(self.live, path, inode)
        self.staged = {volume: self._new(a_dir("")) for volume in self._volumes}
        self.placeholders = {volume: self._new(a_file("", "", 0)) for volume in self._volumes}

    def _new(self, entry: Entry) -> Inode:
        return Inode(next(self._numbers), entry._replace(path="", link_group=0))

    @staticmethod
    def find(tree: Inode, path: str) -> Inode | None:
        """What is at a path below an inode."""
        found: Inode | None = tree
        for name in path.split("/") if path else ():
            found = found.names.get(name) if found else None
        return found

    def put(self, tree: Inode, path: str, inode: Inode) -> None:
        """Give an inode a name; the directory must be there."""
        holder = self.find(tree, parent_of(path))
        assert holder is not None and holder.entry.kind is Kind.DIR, f"{parent_of(path)!r} is no directory to put {path!r} into"
        holder.names[path.rpartition("/")[2]] = inode

    def inside(self, volume: str, path: str) -> str:
        return path[len(volume) + 1 :] if volume else path

    def staged_at(self, volume: str, path: str) -> Inode | None:
        return self.find(self.staged[volume], self.inside(volume, path))

    def stage(self, placements: Sequence[Placement]) -> None:
        """adapters.staging.Staging.build."""
        volume_of: dict[str, str] = {}
        directories = []
        for placement in placements:
            entry, volume = placement.entry, placement.volume
            volume_of[entry.path] = volume
            self._make_directories(volume, parent_of(entry.path))
            if entry.kind is Kind.DIR:
                self._make_directories(volume, entry.path)
                directories.append(placement)
                continue
            assert self.staged_at(volume, entry.path) is None, f"{entry.path} is staged twice"
            self.put(self.staged[volume], self.inside(volume, entry.path), self._staged_inode(placement, volume_of))
        for placement in directories:
            made = self.staged_at(placement.volume, placement.entry.path)
            assert made is not None
            made.entry = placement.entry._replace(path="")

    def _staged_inode(self, placement: Placement, volume_of: dict[str, str]) -> Inode:
        entry = placement.entry
        match placement.how:
            case How.JOIN:
                source = self.staged_at(placement.volume, placement.source)
                assert source is not None, f"{entry.path} is joined to {placement.source}, which is not staged yet"
                return source
            case How.LINK | How.COPY:
                source = self.find(self.live, placement.source)
                assert source is not None and source.entry.digest == entry.digest, f"{placement.source} is not what {entry.path} needs"
                if placement.how is How.LINK:
                    assert source.entry.equals(entry._replace(path="")), f"{placement.source} is linked although its metadata differs"
                    return source
            case How.FETCH if placement.source != entry.path:
                source = self.staged_at(volume_of[placement.source], placement.source)
                assert source is not None and source.entry.digest == entry.digest
        return self._new(entry)

    def prepare(self, swaps: Swaps, owned: OwnedByNode, transaction: str = "t") -> Journal:
        """workflows.commit._prepare: link what is the node's, place placeholders, write down who is who, mark new tops."""
        for path in swaps.linked:
            self._link_kept(path)
        for directory in swaps.rebuilt:
            self._make_like_live(directory)
            rebuilt = self.find(self.live, directory)
            for path, inode in walk(rebuilt, directory + "/") if rebuilt else ():
                if not owned(path, inode.entry.kind is Kind.DIR):
                    continue
                if inode.entry.kind is Kind.DIR:
                    self._make_like_live(path)
                else:
                    self._link_kept(path)
        ops = []
        for op in swaps.ops:
            if op.kind is OpKind.REMOVE:
                self._make_directories(op.volume, parent_of(op.path))
                self.put(self.staged[op.volume], self.inside(op.volume, op.path), self.placeholders[op.volume])
            elif op.kind is OpKind.CARRY:
                self._make_like_live(op.path)
            live, staged = self.find(self.live, op.path), self.staged_at(op.volume, op.path)
            assert staged is not None, f"nothing is staged for {op}"
            assert (live is None) == (op.kind is OpKind.CREATE), f"{op}, but live is {live}"
            old = live or self.placeholders[op.volume]
            new, old = (old, staged) if op.kind is OpKind.CARRY else (staged, old)
            assert new is not old
            ops.append(JournalOp(op, new.identity, old.identity))
        for index, entry in enumerate(ops):
            if entry.op.kind in (OpKind.SWAP, OpKind.CREATE):
                top = self.staged_at(entry.op.volume, entry.op.path)
                assert top is not None
                top.mark = f"{transaction}:{index}"
        return Journal(transaction, self._volumes, tuple(ops), (), swaps.rebuilt, ())

    def place_live(self, op: Op) -> None:
        """Put the placeholder where a path is to be created (or, when undoing, was removed)."""
        if self.find(self.live, op.path) is None:
            self.put(self.live, op.path, self.placeholders[op.volume])

    def clear_live_placeholder(self, op: Op) -> None:
        """Take the placeholder away from a live path, and nothing else."""
        holder = self.find(self.live, parent_of(op.path))
        name = op.path.rpartition("/")[2]
        if holder and holder.names.get(name) is self.placeholders[op.volume]:
            del holder.names[name]

    def exchange(self, op: Op) -> None:
        """renameat2(RENAME_EXCHANGE) of the live and the staged path."""
        live, staged = self.find(self.live, op.path), self.staged_at(op.volume, op.path)
        assert live is not None and staged is not None, f"{op} has only one side"
        self.put(self.live, op.path, staged)
        self.put(self.staged[op.volume], self.inside(op.volume, op.path), live)

    def sides(self, journal: Journal) -> list[tuple[Side | None, Side | None]]:
        """What `find_done` is asked with."""
        return [
            (_side(self.find(self.live, op.path)), _side(self.staged_at(op.volume, op.path))) for op in (item.op for item in journal.ops)
        ]

    def release_old_side(self, swaps: Swaps) -> None:
        """adapters.kept.release_old_side: the node's files are the live tree's alone."""
        below = (path for path, _ in walk(self.live) if any(is_below(path, directory) for directory in swaps.rebuilt))
        for path in (*swaps.linked, *below):
            volume = volume_holding(path, self._volumes)
            staged = self.staged_at(volume, path)
            if staged is not None and staged is self.find(self.live, path) and staged.entry.kind is not Kind.DIR:
                holder = self.staged_at(volume, parent_of(path))
                assert holder is not None
                del holder.names[path.rpartition("/")[2]]

    def set_directories(self, wanted: Iterable[Entry]) -> None:
        """The metadata of directories that stay in place."""
        for entry in wanted:
            directory = self.find(self.live, entry.path)
            assert directory is not None
            directory.entry = entry._replace(path="")

    def picture(self) -> list[tuple[str, int]]:
        """Which inode is where, live and staged."""
        trees = [("live", self.live), *((f"staged {volume}", tree) for volume, tree in self.staged.items())]
        return [(f"{name}:{path}", inode.number) for name, tree in trees for path, inode in walk(tree)]

    def rescan(self, case: Case) -> Scan:
        """What a survey of the live tree finds now."""
        found = dict(walk(self.live))
        entries = {"": self.live.entry, **{path: inode.entry._replace(path=path) for path, inode in found.items()}}
        inodes = {"": self.live.number, **{path: inode.number for path, inode in found.items()}}
        return scan_of(
            entries,
            case.ownership,
            case.target,
            volumes=case.volumes,
            fenced=case.fenced,
            promised=case.promised,
            base=case.base,
            inodes=inodes,
        )

    def _link_kept(self, path: str) -> None:
        volume = volume_holding(path, self._volumes)
        self._make_like_live(parent_of(path))
        inode = self.find(self.live, path)
        assert inode is not None
        self.put(self.staged[volume], self.inside(volume, path), inode)

    def _make_directories(self, volume: str, path: str) -> None:
        for directory in (*ancestors_of(path), path):
            if len(directory) > len(volume) and self.staged_at(volume, directory) is None:
                self.put(self.staged[volume], self.inside(volume, directory), self._new(a_dir(directory)))

    def _make_like_live(self, path: str) -> None:
        volume = volume_holding(path, self._volumes)
        for directory in (*ancestors_of(path), path):
            live = self.find(self.live, directory)
            if len(directory) > len(volume) and live is not None:
                if self.staged_at(volume, directory) is None:
                    self.put(self.staged[volume], self.inside(volume, directory), self._new(live.entry))


def walk(tree: Inode, prefix: str = "") -> Iterator[tuple[str, Inode]]:
    """Every path below an inode, in order, parents first."""
    for name, inode in sorted(tree.names.items()):
        yield prefix + name, inode
        yield from walk(inode, f"{prefix}{name}/")


def _side(inode: Inode | None) -> Side | None:
    return Side(inode.identity, inode.mark) if inode else None


def at_or_above(path: str) -> Iterator[str]:
    """The path and every directory above it, the nearest first."""
    yield path
    yield from reversed(ancestors_of(path))


def owned_in(case: Case) -> OwnedByNode:
    """What a commit of the case takes for the node's."""
    return node_owns(case.ownership, case.promised, case.target)


def carried_out(case: Case, planned: Planned) -> tuple[Machine, Journal]:
    """The node with everything staged and linked, before the first exchange."""
    machine = Machine(case.live, planned.scan.volumes)
    machine.stage(planned.placements)
    return machine, machine.prepare(planned.swaps, owned_in(case))


def exchange_all(machine: Machine, journal: Journal) -> None:
    """workflows.commit._exchange_all, and clearing away what stands where something was removed."""
    for entry in journal.ops:
        if entry.op.kind is OpKind.CREATE:
            machine.place_live(entry.op)
    for entry in journal.ops:
        machine.exchange(entry.op)
    for entry in journal.ops:
        if entry.op.kind is OpKind.REMOVE:
            machine.clear_live_placeholder(entry.op)
