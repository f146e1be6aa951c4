"""Going back: the exchanges that undo a finished commit, simulated like the commit itself."""

from hypothesis import HealthCheck, assume, given, settings

from reprov.domain.entry import Kind, ancestors_of, is_below
from reprov.domain.ownership import Owner
from reprov.domain.scan import volume_holding
from reprov.domain.units import OpKind, Swaps
from reprov.events import NullMonitor
from reprov.workflows.way_back import reverse
from tests.builders import Case, cases
from tests.simulation import Machine, admissible, at_or_above, carried_out, exchange_all, owned_in, walk


def leads_through_another_kind(machine: Machine, paths: list[str]) -> bool:
    """A path of the node's lies in a directory that was something else in the previous tree: such a rollback is refused."""
    for path in paths:
        for directory in ancestors_of(path):
            staged = machine.staged_at(volume_holding(path, tuple(machine.staged)), directory)
            if staged is not None and staged.entry.kind is not Kind.DIR:
                return True
    return False


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(cases())
def test_going_back_brings_the_images_paths_back_and_leaves_the_nodes_where_they_are(case: Case) -> None:
    planned = admissible(case)
    machine, journal = carried_out(case, planned)
    before = dict(walk(machine.live))
    exchange_all(machine, journal)
    machine.set_directories(change.after for change in planned.swaps.directories if change.after)
    machine.release_old_side(planned.swaps)

    scan = machine.rescan(case)
    held = dict(walk(machine.live))
    todo = reverse(journal, scan, (), (), NullMonitor())
    assume(not {op.path for op in todo.ops} & case.stuck)
    assume(not leads_through_another_kind(machine, [*todo.linked, *todo.rebuilt, *(op.path for op in todo.ops)]))
    back = Swaps(todo.ops, todo.linked, todo.rebuilt, ())
    undone = machine.prepare(back, owned_in(case), transaction="u")
    for entry in undone.ops:
        if entry.op.kind is OpKind.CREATE:
            machine.place_live(entry.op)
    for done, entry in enumerate(undone.ops):
        assert undone.find_done(machine.sides(undone)) == [True] * done + [False] * (len(undone.ops) - done)
        machine.exchange(entry.op)
    for entry in undone.ops:
        if entry.op.kind is OpKind.REMOVE:
            machine.clear_live_placeholder(entry.op)
    machine.set_directories(change.before for change in planned.swaps.directories if change.before)

    after = dict(walk(machine.live))
    for path, inode in before.items():
        whole = any(scan.verdicts[place].owner is Owner.KEEP for place in at_or_above(path) if place in scan.verdicts)
        if path in planned.scan.verdicts or path in planned.scan.fenced or whole:
            continue
        if any(place in planned.scan.fenced for place in at_or_above(path)):
            continue
        assert path in after, f"{path} did not come back"
        assert after[path].entry._replace(mtime_ns=0) == inode.entry._replace(mtime_ns=0), path
    for path, inode in held.items():
        owned = path in scan.verdicts or any(place in scan.fenced for place in at_or_above(path))
        if owned and inode.entry.kind is not Kind.DIR:
            assert after.get(path) is inode, f"{path} is the node's and was left behind"
    stays = {entry.op.path for entry in journal.ops if entry.op.kind is OpKind.CREATE} - {op.path for op in todo.ops}
    for path in after.keys() - before.keys():
        leads_there = any(is_below(owned, path) for owned in scan.verdicts)
        assert leads_there or any(place in scan.verdicts or place in stays for place in at_or_above(path)), f"{path} is nobody's"
