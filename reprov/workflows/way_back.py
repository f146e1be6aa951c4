"""What a rollback would do, decided before anything is changed: what is exchanged back, what comes along, and what forbids it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial

from reprov.adapters import returned
from reprov.adapters.files import opened_directory
from reprov.adapters.kept import OwnedByNode, immovable
from reprov.adapters.mounts import MountWatch, read_mounts
from reprov.adapters.previous import read_accounts
from reprov.adapters.release_reader import ReleaseFiles
from reprov.adapters.standing import read_standing
from reprov.adapters.survey import survey
from reprov.adapters.volumes import Volumes
from reprov.domain.blockers import refuse
from reprov.domain.comparison import Action, Blocker, Change
from reprov.domain.entry import Entry, Kind, is_below, show
from reprov.domain.fences import Fence
from reprov.domain.ground import find_ground
from reprov.domain.guards import AT_BOOT
from reprov.domain.journal import DirectoryChange, Journal, Written
from reprov.domain.labels import LabelChange
from reprov.domain.ownership import Ownership
from reprov.domain.post_progress import Progress
from reprov.domain.scan import Scan
from reprov.domain.staying import Staying
from reprov.domain.units import Op, OpKind, find_along, ordered
from reprov.errors import NotLive, Refused
from reprov.events import Monitor, Note, phase
from reprov.workflows import record
from reprov.workflows.carry import Carried, Trees, carry, changed_accounts, written_before
from reprov.workflows.choices import links_alone
from reprov.workflows.commit import Exchange
from reprov.workflows.node import Node
from reprov.workflows.owned import node_owns
from reprov.workflows.owners import OwnerSearch, refuse_owners


@dataclass(frozen=True, slots=True)
class Way:
    """A way back, decided before anything is changed."""

    todo: Exchange
    scan: Scan
    """The live tree, where what comes along is kept."""
    carried: Carried
    trees: Trees
    accounts: Mapping[str, bytes]
    """The account files that the previous tree gets, and those of update-alternatives, by path."""
    ownership: Ownership
    owned: OwnedByNode
    installed_paths: Mapping[str, Entry]
    """Of the installed release; empty where there is none."""


def find_way(
    node: Node,
    volumes: Volumes,
    watch: MountWatch,
    journal: Journal,
    installed: ReleaseFiles | None,
    previous: ReleaseFiles | None,
    apply_chown: bool,
    monitor: Monitor,
    failed: Progress | None = None,
) -> Way:
    """Look at the node, and find what is to be exchanged and what comes along. Raises `Refused` when something forbids it.

    `failed` is the phase after the commit that did not end well, if that is why the node goes back.
    """
    old_accounts = read_accounts(volumes, journal.volume_of)
    trees = Trees(installed, previous, returned.load(node.state.directory), old_accounts)
    # Of a tree that is no release, what is to be seen is what the other one knows.
    ownership, target = trees.release.ownership, trees.release.manifest.entries
    promised = node.promises(previous)
    with phase(monitor, "scan", "Reading the node", files=len(target)) as progress, opened_directory(node.root) as root_fd:
        unmanaged = [mount for mount in watch.mounts if mount.path not in journal.volumes]
        fences = find_ground(unmanaged, (), target, read_standing(node.root, root_fd, watch.mounts)).fences
        seen = survey(
            root_fd,
            target,
            ownership,
            volumes=journal.volumes,
            fences=fences,
            cache=record.load_live(node, installed),
            promised=promised,
            base=trees.before,
            labels=trees.release.labels,
            progress=progress,
        )
        carried = carry(volumes, seen, trees, journal, by_scripts=failed is not None)
        scan = carried.scan
        refuse(carried.blockers)
        accounts = {**changed_accounts(old_accounts, carried.accounts), **carried.choices.contents}
        for note in carried.choices.notes:
            monitor.emit(Note(note.text))
        staying = carried.removed | links_alone(journal, carried.choices)
        todo = reverse(journal, scan, staying, written_before(journal, volumes, accounts), monitor)
        _refuse_obstacles(root_fd, journal, scan, fences)
        if node.is_live:
            if failed is not None and failed.was_live:
                _tell_live(todo, monitor)
            else:
                _refuse_live(todo, installed, previous)
        find_staying = partial(Staying.in_rollback, scan, target, {op.path for op in todo.ops})
        owners = OwnerSearch(carried.moving, find_staying, watch.mounts, is_way_back=True).run(root_fd, monitor)
        # What the commit was allowed to change may go back without asking again.
        refuse_owners(owners, apply_chown=apply_chown or bool(journal.owners), is_live=node.is_live)
    # What scripts have made in shared places is nobody's.
    base = target.keys() | scan.entries.keys() if failed else target
    owned = node_owns(ownership, promised, target, base, carried.stays)
    installed_paths = installed.manifest.entries if installed else {}
    return Way(replace(todo, owners=owners.changes), scan, carried, trees, accounts, ownership, owned, installed_paths)


def reverse(journal: Journal, scan: Scan, removed: Collection[str], written: tuple[Written, ...], monitor: Monitor) -> Exchange:
    """The exchanges that undo a finished commit, with what is the node's now, and without what it has removed."""
    ops = [op for entry in journal.ops if entry.op.path not in removed and (op := _reversed_op(entry.op, scan, monitor))]
    along = find_along(scan, {op.path for op in ops if op.kind is OpKind.SWAP})
    directories = tuple(
        DirectoryChange(change.path, scan.entries[change.path], _as_before(change, scan.entries[change.path]))
        for change in journal.directories
        if scan.kind_at(change.path) is Kind.DIR
    )
    swapped = ordered((*ops, *along.carried), scan.volume_of("usr/bin"))
    labels = tuple(LabelChange(item.path, item.after, item.before) for item in journal.labels if item.before is not None)
    return Exchange(swapped, along.linked, along.rebuilt, directories, written, labels=labels)


def _reversed_op(op: Op, scan: Scan, monitor: Monitor) -> Op | None:
    """The op that undoes one; None for a carry, which is found anew, and where there is nothing to take away."""
    is_there = scan.kind_at(op.path) is not None
    match op.kind:
        case OpKind.SWAP if is_there:
            return op
        case OpKind.SWAP | OpKind.REMOVE:
            return op._replace(kind=OpKind.SWAP if is_there else OpKind.CREATE)
        case OpKind.CREATE if is_there:
            # What the upgrade created and the node owns since may hold data by now: it stays.
            if any(is_below(path, op.path) for path in scan.verdicts):
                monitor.emit(Note(f"{show(op.path)} stays: the upgrade made it, but it holds what is the node's"))
                return None
            return op._replace(kind=OpKind.REMOVE)
    return None


def _as_before(change: DirectoryChange, now_is: Entry) -> Entry:
    """What a directory in place goes back to: its old metadata if the commit changed it, else that of now with the old time."""
    if change.before._replace(mtime_ns=0) == change.after._replace(mtime_ns=0):
        return now_is._replace(mtime_ns=change.before.mtime_ns)
    return change.before


def refuse_unmounted(node: Node, journal: Journal) -> None:
    """Raise `Refused` when a filesystem that the commit worked on should be mounted and is not: the way back lies on it."""
    with opened_directory(node.root) as root_fd:
        waiting = read_standing(node.root, root_fd, read_mounts(node.root)).waiting
    for volume in journal.volumes:
        if volume in waiting:
            fence = Fence.not_mounted(volume, is_wanted=True)
            raise Refused(f"{show(volume)} {fence.problem}, and a part of the previous tree lies on it", hint="mount it first")


def _refuse_obstacles(root_fd: int, journal: Journal, scan: Scan, fences: Mapping[str, Fence]) -> None:
    """What has come up since the commit and forbids to exchange a directory back."""
    swapped = [entry.op.path for entry in journal.ops if entry.op.kind is OpKind.SWAP]
    for path in sorted((*scan.fenced, *scan.volumes)):
        unit = next((unit for unit in swapped if path and is_below(path, unit)), None)
        if unit is None:
            continue
        fence = fences.get(path, Fence.mount(path))
        if fence.is_mount:
            raise Refused(f"{show(path)} has been mounted since the upgrade", hint="unmount it for the rollback")
        raise Refused(
            f"{show(path)} {fence.problem}, which it was not at the upgrade: {show(unit)} cannot go back as a whole",
            hint=f"move it out of {show(unit)} for the rollback",
        )
    along = find_along(scan, swapped)
    looked_at = [(path, False) for path in (*along.linked, *(op.path for op in along.carried))]
    stuck = immovable(root_fd, [*looked_at, *((path, True) for path in along.rebuilt), *((path, False) for path in swapped)])
    for path, flag in stuck.items():
        raise Refused(f"{show(path)} is {flag} and cannot come along", hint=f"chattr -{flag[0]} {show(path)} for the rollback")


def _refuse_live(todo: Exchange, installed: ReleaseFiles | None, previous: ReleaseFiles | None) -> None:
    """Going back changes what the two releases differ in; what a tree that is no release holds, nobody can say. Raises `NotLive`."""
    blockers = _blockers_of_live(todo, _changes_between(installed, previous))
    if blockers:
        reasons = tuple(blocker.text for blocker in blockers)
        raise NotLive(reasons[0], hint=blockers[0].hint, reasons=reasons)


def _tell_live(todo: Exchange, monitor: Monitor) -> None:
    """What has come up since a commit a moment ago, which was fit for the running system, must not keep a failed node from going back."""
    for blocker in _blockers_of_live(todo, {}):
        monitor.emit(Note(f"going back all the same: {blocker.text}"))


def _blockers_of_live(todo: Exchange, changes: Mapping[str, Change]) -> list[Blocker]:
    from reprov.workflows.live_guard import find_live_blockers

    return find_live_blockers(changes, todo.ops, todo.linked, todo.rebuilt)


def _changes_between(installed: ReleaseFiles | None, previous: ReleaseFiles | None) -> dict[str, Change]:
    if installed is None or previous is None:
        raise NotLive("one of the two trees is no release, so that nobody can say what changes", hint=AT_BOOT)
    here, there = installed.manifest.entries, previous.manifest.entries
    paths = (path for path in here.keys() | there.keys() if here.get(path) != there.get(path))
    return {path: Change(path, Action.REPLACE, "", here.get(path), there.get(path)) for path in paths}
