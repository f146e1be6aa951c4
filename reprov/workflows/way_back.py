"""What a rollback would do, decided before anything is changed: what is exchanged back, what comes along, and what forbids it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial

from reprov.adapters.files import opened_directory
from reprov.adapters.kept import OwnedByNode, immovable
from reprov.adapters.mounts import MountWatch
from reprov.adapters.previous import read_accounts
from reprov.adapters.processes import has_selinux, sandboxed_processes
from reprov.adapters.release_reader import ReleaseFiles
from reprov.adapters.survey import survey
from reprov.adapters.volumes import Volumes
from reprov.domain.comparison import Action, Change
from reprov.domain.entry import Entry, Kind, is_below, show
from reprov.domain.guards import AT_BOOT, blockers_of_live_commit
from reprov.domain.journal import DirectoryChange, Journal, Written
from reprov.domain.ownership import Ownership
from reprov.domain.scan import Scan
from reprov.domain.staying import Staying
from reprov.domain.units import Op, OpKind, find_along, ordered
from reprov.errors import NeedsAttention, Refused
from reprov.events import Monitor, Note, phase
from reprov.workflows import record
from reprov.workflows.carry import Carried, carry, changed_accounts, refuse_accounts, written_before
from reprov.workflows.commit import Exchange
from reprov.workflows.node import Node
from reprov.workflows.owned import node_owns, nothing_stays
from reprov.workflows.owners import OwnerSearch, refuse_owners


@dataclass(frozen=True, slots=True)
class Way:
    """A way back, decided before anything is changed."""

    todo: Exchange
    scan: Scan
    """The live tree, where what comes along is kept."""
    carried: Carried | None
    """None where the live tree is no release, and nobody can say what of it has been changed."""
    accounts: Mapping[str, bytes]
    """The account files that the previous tree gets, by path."""
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
) -> Way:
    """Look at the node, and find what is to be exchanged and what comes along. Raises `Refused` when something forbids it."""
    target, before = _paths_of(installed), _paths_of(previous)
    # A tree that is no release has nothing to merge with, and what is to be seen of it is what the other one knows.
    ownership = installed.ownership if installed else (previous or _no_release()).ownership.without_merges()
    promised = node.promises(previous)
    with phase(monitor, "scan", "Reading the node", files=len(target)) as progress, opened_directory(node.root) as root_fd:
        seen = survey(
            root_fd,
            target or before,
            ownership,
            volumes=journal.volumes,
            fences=[mount.path for mount in watch.mounts if mount.path and mount.path not in journal.volumes],
            cache=record.load_live(node, installed),
            promised=promised,
            base=before,
            progress=progress,
        )
        old_accounts = read_accounts(volumes, journal.volume_of)
        carried = carry(volumes, seen, installed, previous, old_accounts, journal) if installed else None
        scan = carried.scan if carried else seen
        refuse_accounts(carried.accounts if carried else None)
        accounts = changed_accounts(old_accounts, carried.accounts if carried else None)
        removed = carried.removed if carried else frozenset()
        todo = reverse(journal, scan, removed, written_before(journal, volumes, accounts), monitor)
        _refuse_obstacles(root_fd, journal, scan)
        if node.is_live:
            _refuse_live(todo, installed, previous)
        find_staying = partial(Staying.in_rollback, scan, target, {op.path for op in todo.ops})
        owners = OwnerSearch(carried.moving if carried else None, find_staying, watch.mounts).run(root_fd, monitor)
        # What the commit was allowed to change may go back without asking again.
        refuse_owners(owners, apply_chown=apply_chown or bool(journal.owners), is_live=node.is_live)
    owned = node_owns(ownership, promised, target, target, carried.stays if carried else nothing_stays)
    return Way(replace(todo, owners=owners.changes), scan, carried, accounts, ownership, owned, target)


def _paths_of(release: ReleaseFiles | None) -> Mapping[str, Entry]:
    return release.manifest.entries if release else {}


def _no_release() -> ReleaseFiles:
    raise NeedsAttention("the node knows neither its installed nor its previous release", hint="/.reprov/state.json was changed by hand")


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
    return Exchange(swapped, along.linked, along.rebuilt, directories, written)


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


def _refuse_obstacles(root_fd: int, journal: Journal, scan: Scan) -> None:
    """What has come up since the commit and forbids to exchange a directory back."""
    swapped = [entry.op.path for entry in journal.ops if entry.op.kind is OpKind.SWAP]
    for path in (*scan.fenced, *scan.volumes):
        if path and any(is_below(path, unit) for unit in swapped):
            raise Refused(f"{show(path)} has been mounted since the upgrade", hint="unmount it for the rollback")
    along = find_along(scan, swapped)
    looked_at = [(path, False) for path in (*along.linked, *(op.path for op in along.carried))]
    stuck = immovable(root_fd, [*looked_at, *((path, True) for path in along.rebuilt), *((path, False) for path in swapped)])
    for path, flag in stuck.items():
        raise Refused(f"{show(path)} is {flag} and cannot come along", hint=f"chattr -{flag[0]} {show(path)} for the rollback")


def _refuse_live(todo: Exchange, installed: ReleaseFiles | None, previous: ReleaseFiles | None) -> None:
    """Going back changes what the two releases differ in; what a tree that is no release holds, nobody can say."""
    if installed is None or previous is None:
        raise Refused("one of the two trees is no release, so that nobody can say what changes", hint=AT_BOOT)
    here, there = installed.manifest.entries, previous.manifest.entries
    paths = (path for path in here.keys() | there.keys() if here.get(path) != there.get(path))
    changes = {path: Change(path, Action.REPLACE, "", here.get(path), there.get(path)) for path in paths}
    for blocker in blockers_of_live_commit(changes, todo.ops, sandboxed_processes(), labels=has_selinux()):
        raise Refused(f"{show(blocker.path)} {blocker.problem}", hint=blocker.hint)
