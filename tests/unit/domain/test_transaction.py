"""What holds for every node, release and lists: the plan touches nothing that is kept, and its exchanges make the release, or undo it.

The trees are generated and the exchanges are simulated (tests/simulation.py) on nested dicts of inodes.
"""

import pytest
from hypothesis import HealthCheck, assume, given, settings

from reprov.domain.comparison import Action, compare
from reprov.domain.entry import Kind, is_below, parent_of
from reprov.domain.ownership import Owner
from reprov.domain.placement import How
from reprov.domain.scan import Scan
from reprov.domain.units import Op, OpKind
from tests.builders import Case, cases
from tests.simulation import Inode, Machine, Planned, admissible, at_or_above, carried_out, exchange_all, plan_of, walk

EXAMPLES = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


@EXAMPLES
@given(cases())
def test_no_change_concerns_what_is_the_nodes_nor_what_lies_in_it(case: Case) -> None:
    planned = plan_of(case)
    fenced, keep = planned.scan.fenced, {path for path, verdict in planned.scan.verdicts.items() if verdict.owner is Owner.KEEP}
    kept = {item.path for item in planned.comparison.kept}
    for change in planned.comparison.changes:
        above = set(at_or_above(change.path))
        assert not above & fenced, "a mount that is none of ours"
        assert not above & keep, "something kept"
        assert change.path not in kept
        if change.path in planned.scan.verdicts:
            pytest.fail(f"{change} changes what exists and is add-only")


@EXAMPLES
@given(cases())
def test_every_path_of_the_node_is_the_releases_changed_or_kept_and_no_path_is_two_of_these(case: Case) -> None:
    planned = plan_of(case)
    changed = [change.path for change in planned.comparison.changes]
    kept = [item.path for item in planned.comparison.kept]
    assert changed == sorted(set(changed))
    assert kept == sorted(set(kept))
    assert not set(changed) & set(kept)
    for path in planned.scan.entries:
        assert path in case.target or path in changed or path in kept


@EXAMPLES
@given(cases())
def test_every_change_is_made_by_exactly_one_exchange_or_in_place(case: Case) -> None:
    planned = admissible(case)
    ops = {op.path: op for op in planned.swaps.ops}
    assert len(ops) == len(planned.swaps.ops), "two exchanges of one path"
    in_place = {change.path for change in planned.swaps.directories}
    assert len(in_place) == len(planned.swaps.directories)
    for change in planned.comparison.changes:
        nearest = next((ops[path] for path in at_or_above(change.path) if path in ops), None)
        if nearest is None or (nearest.kind is OpKind.CARRY):
            assert change.path in in_place
        else:
            assert change.path not in in_place
            assert nearest.kind is not OpKind.REMOVE or change.action is Action.DELETE


@EXAMPLES
@given(cases())
def test_nothing_that_cannot_be_moved_lies_in_what_an_exchange_moves(case: Case) -> None:
    planned = admissible(case)
    obstacles = {*planned.scan.fenced, *planned.scan.volumes, *case.stuck} - {""}
    for op in planned.swaps.ops:
        # A directory that holds an immutable file can be carried: its name moves, and what is in it does not notice.
        for path in obstacles - case.stuck if op.kind is OpKind.CARRY else obstacles:
            assert not is_below(path, op.path), f"{op} would move {path}"
        assert op.volume == planned.scan.volume_of(op.path)


@EXAMPLES
@given(cases())
def test_placements_make_every_path_of_every_unit_once_and_parents_first(case: Case) -> None:
    planned = admissible(case)
    made = [placement.entry.path for placement in planned.placements]
    assert made == sorted(set(made))
    ops = {op.path: op for op in planned.swaps.ops}
    for placement in planned.placements:
        path = placement.entry.path
        nearest = next(ops[place] for place in at_or_above(path) if place in ops)
        assert nearest.kind in (OpKind.SWAP, OpKind.CREATE) or (nearest.kind is OpKind.CARRY and nearest.path == path)
        assert placement.volume == nearest.volume
        assert path == nearest.path or parent_of(path) in made
    changed = {change.path for change in planned.comparison.changes}
    owned = {item.path for item in planned.comparison.kept}
    for path in case.target:
        kinds = [ops[place].kind for place in at_or_above(path) if place in ops]
        is_the_releases = path in changed or (path in planned.scan.entries and path not in owned)
        if kinds and kinds[0] in (OpKind.SWAP, OpKind.CREATE) and is_the_releases:
            assert path in made


def carry_out(case: Case) -> tuple[Planned, Machine, Scan]:
    """The plan, the node after it, and what a survey finds there."""
    planned = admissible(case)
    assume(not straddles(case, planned))
    machine, journal = carried_out(case, planned)
    exchange_all(machine, journal)
    machine.set_directories(change.after for change in planned.swaps.directories if change.after)
    return planned, machine, machine.rescan(case)


def straddles(case: Case, planned: Planned) -> bool:
    """An unchanged file that must not be linked (setuid, in /etc) has names in and outside what swaps: the next plan joins them again."""
    copied = {item.entry.link_group for item in planned.placements if item.how is How.COPY} - {0}
    staged = {item.entry.path for item in planned.placements}
    changed = {change.path for change in planned.comparison.changes}
    return any(entry.link_group in copied and path not in staged | changed for path, entry in case.target.items())


@EXAMPLES
@given(cases(hard_links=False))
def test_the_exchanges_make_the_live_tree_the_release_and_a_second_plan_is_empty(case: Case) -> None:
    planned, machine, scan = carry_out(case)
    live = {path: inode.entry for path, inode in walk(machine.live)}
    closed = {item.path for item in planned.comparison.kept if item.path in case.target}
    for path, entry in case.target.items():
        if path and not any(place in closed or place in scan.fenced for place in at_or_above(path)):
            wanted = entry._replace(path="")
            assert live[path] == (wanted._replace(mtime_ns=live[path].mtime_ns) if entry.kind is Kind.DIR else wanted)
    again = compare(case.target, scan, case.ownership)
    assert again.blockers == ()
    assert again.changes == ()


@EXAMPLES
@given(cases())
def test_names_of_one_file_in_the_release_are_names_of_one_file_on_the_node_and_a_second_plan_is_empty(case: Case) -> None:
    _, _, scan = carry_out(case)
    assert compare(case.target, scan, case.ownership).changes == ()


def nodes_inodes(machine: Machine, planned: Planned) -> dict[str, Inode]:
    """The inodes that the node owns, by path, with everything in directories that are kept or fenced."""
    whole = planned.scan.fenced | {path for path, verdict in planned.scan.verdicts.items() if verdict.owner is Owner.KEEP}
    owned = {*whole, *planned.scan.verdicts, *(item.path for item in planned.comparison.kept)}
    return {path: inode for path, inode in walk(machine.live) if path in owned or any(place in whole for place in at_or_above(path))}


@EXAMPLES
@given(cases())
def test_the_nodes_own_files_are_the_same_inodes_at_the_same_paths_afterwards(case: Case) -> None:
    planned = admissible(case)
    machine, journal = carried_out(case, planned)
    before = nodes_inodes(machine, planned)
    exchange_all(machine, journal)
    after = dict(walk(machine.live))
    for path, inode in before.items():
        assert path in after, f"{path} is lost"
        if inode.entry.kind is not Kind.DIR:
            assert after[path] is inode, f"{path} is another file now"
        elif path in planned.scan.verdicts:
            assert after[path].entry == inode.entry


def back(machine: Machine, op: Op) -> None:
    """Undo one exchange as workflows.commit.undo does."""
    if op.kind is OpKind.REMOVE:
        machine.place_live(op)
    machine.exchange(op)


@settings(EXAMPLES, max_examples=120)
@given(cases())
def test_whatever_instant_a_commit_stops_at_is_recognised_and_undoing_it_restores_the_start(case: Case) -> None:
    planned = admissible(case)
    machine, journal = carried_out(case, planned)
    start = machine.picture()
    count = len(journal.ops)

    def recognised(done: int) -> bool:
        return journal.find_done(machine.sides(journal)) == [True] * done + [False] * (count - done)

    assert recognised(0), "before the placeholders are placed"
    creates = [entry.op for entry in journal.ops if entry.op.kind is OpKind.CREATE]
    for op in creates:
        machine.place_live(op)
        assert recognised(0), "between two placeholders"
    pictures = [machine.picture()]
    for done, entry in enumerate(journal.ops, start=1):
        machine.exchange(entry.op)
        assert recognised(done)
        pictures.append(machine.picture())
    for entry in journal.ops:
        if entry.op.kind is OpKind.REMOVE:
            machine.clear_live_placeholder(entry.op)
            assert recognised(count), "after all, while placeholders are cleared away"
    for done, entry in reversed(list(enumerate(journal.ops))):
        back(machine, entry.op)
        assert recognised(done), "in the middle of an undo"
        if OpKind.REMOVE not in [other.op.kind for other in journal.ops[: done + 1]]:
            assert machine.picture() == pictures[done]
    for op in creates:
        machine.clear_live_placeholder(op)
        assert recognised(0)
    assert machine.picture() == start
