"""Committed -> rolled back: the previous tree comes back, with the node's own files and identity of now."""

import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path

from reprov.adapters.discard import discard
from reprov.adapters.files import digest_at, opened_directory
from reprov.adapters.kept import OwnedByNode, immovable, release_all
from reprov.adapters.mounts import MountWatch
from reprov.adapters.node_state import INCOMING, PREVIOUS
from reprov.adapters.previous import changed_files, read_accounts, restore
from reprov.adapters.processes import has_selinux, sandboxed_processes
from reprov.adapters.release_reader import ReleaseFiles
from reprov.adapters.source import fetch_contents
from reprov.adapters.survey import survey
from reprov.adapters.volumes import Volumes, opened_volumes
from reprov.domain.comparison import Action, Change
from reprov.domain.deployment import Deployment, State
from reprov.domain.entry import Entry, Kind, is_below, show
from reprov.domain.guards import AT_BOOT, blockers_of_live_commit
from reprov.domain.journal import DirectoryChange, Journal, Written
from reprov.domain.release import ReleaseId
from reprov.domain.scan import Scan
from reprov.domain.source import Source
from reprov.domain.staying import Staying
from reprov.domain.units import Op, OpKind, find_along, ordered
from reprov.errors import NeedsAttention, Refused, ReprovError
from reprov.events import Monitor, Note, phase
from reprov.workflows import record
from reprov.workflows.carry import carry, change_previous, changed_accounts, refuse_accounts, written_before
from reprov.workflows.commit import (
    Exchange,
    commit,
    finish,
    forget_marks,
    put_back_previous,
    signals_held,
    take_previous,
    void_held_signals,
)
from reprov.workflows.edited import EditCheck, both
from reprov.workflows.identity import identity_check
from reprov.workflows.node import Node, changing_node, disk_errors_in_words, finishing, now
from reprov.workflows.owned import node_owns, nothing_stays
from reprov.workflows.owners import OwnerSearch, refuse_owners

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class RolledBack:
    """What a rollback did."""

    installed: ReleaseId | None
    """What the live tree is now; None when it is the one from before reprov."""
    left: ReleaseId | None
    """What it was; a second rollback would bring it back."""
    mixed_s: float
    """How long the live tree was neither the one nor the other."""
    accepted: tuple[str, ...]
    """Paths of the tree that came back that are not what they were, and that the operator accepted."""


def rollback(root: Path, *, accept_changed: bool, apply_chown: bool = False, monitor: Monitor) -> RolledBack:
    """Bring the previous tree back. Raises `Refused` when there is none, or when its files were written through and cannot be put right."""
    with changing_node(root, "rollback", monitor) as node:
        deployment, journal = node.state.deployment(), node.state.previous_journal()
        if not deployment.has_previous or journal is None:
            raise Refused("there is no previous tree to go back to", hint="`reprov status` shows what there is")
        with opened_volumes(node.root, journal.volumes) as volumes, MountWatch(node.root) as watch:
            installed, previous = _files(node, deployment.installed), _files(node, deployment.previous)
            with phase(monitor, "check", "Checking the previous tree"):
                accepted = _check_previous(node, volumes, journal, previous, deployment.source, accept_changed, monitor)
            target = installed.manifest.entries if installed else {}
            with phase(monitor, "scan", "Reading the node", files=len(target)) as progress, opened_directory(root) as root_fd:
                # A tree that is no release has nothing to merge with.
                ownership = installed.ownership if installed else (previous or _no_release()).ownership.without_merges()
                fences = [mount.path for mount in watch.mounts if mount.path and mount.path not in journal.volumes]
                cache = record.load_live(node, installed)
                promised = node.promises(previous)
                seen = survey(
                    root_fd,
                    # Of a tree that is no release, what the other one knows is looked at: the exchanges are in there.
                    (installed or previous or _no_release()).manifest.entries,
                    ownership,
                    volumes=journal.volumes,
                    fences=fences,
                    cache=cache,
                    promised=promised,
                    base=previous.manifest.entries if previous else (),
                    progress=progress,
                )
                old_accounts = read_accounts(volumes, journal.volume_of)
                carried = carry(volumes, seen, installed, previous, old_accounts, journal) if installed else None
                scan = carried.scan if carried else seen
                accounts = carried.accounts if carried else None
                refuse_accounts(accounts)
                new_accounts = changed_accounts(old_accounts, accounts)
                removed = carried.removed if carried else frozenset()
                todo = _reverse(journal, scan, removed, written_before(journal, volumes, new_accounts), monitor)
                _refuse_obstacles(root_fd, journal, scan)
                if node.is_live:
                    _refuse_live(todo, installed, previous)
                units = {op.path for op in todo.ops}
                search = OwnerSearch(carried.moving if carried else None, Staying.in_rollback(scan, target, units), watch.mounts)
                owners = search.run(root_fd, monitor)
                # What the commit was allowed to change may go back without asking again.
                refuse_owners(owners, apply_chown=apply_chown or bool(journal.owners), is_live=node.is_live)
                todo = replace(todo, owners=owners.changes)
            edits = EditCheck(volumes, scan, ownership, todo.ops)
            check = both(edits.after, identity_check(node.root, target, live=node.is_live))
            with signals_held():
                with phase(monitor, "commit", "Exchanging"), disk_errors_in_words("the rollback was given up"):
                    edits.before()
                    if carried:
                        change_previous(node, volumes, journal, previous, carried, new_accounts)
                    owned = node_owns(ownership, promised, target, target, carried.stays if carried else nothing_stays)
                    done, mixed_s = _exchange(node, volumes, deployment, todo, owned, watch, check, monitor)
                with phase(monitor, "finish", "Keeping the way back"), finishing("the previous tree is back"):
                    finish(volumes, done)
                    _swap_records(node, volumes, done, scan, installed, previous)
                    volumes.sync()  # without its record nobody could say later whether the way back is what it was
                    node.state.finish_journal()
                void_held_signals()
    return RolledBack(deployment.previous, deployment.installed, mixed_s, accepted)


def _files(node: Node, release: ReleaseId | None) -> ReleaseFiles | None:
    return ReleaseFiles.load(node.state.release_directory(release)) if release else None


def _no_release() -> ReleaseFiles:
    raise NeedsAttention("the node knows neither its installed nor its previous release", hint="/.reprov/state.json was changed by hand")


def _check_previous(
    node: Node, volumes: Volumes, journal: Journal, previous: ReleaseFiles | None, source: str, accept_changed: bool, monitor: Monitor
) -> tuple[str, ...]:
    """Find files that in-place writers changed through a shared inode, put right what can be, and refuse the rest by name."""
    known = record.load_previous(node, previous)
    if not known.entries and previous is not None:
        monitor.emit(Note("the record of the previous tree is missing (the commit was interrupted); it is taken as it is"))
    changed = changed_files(volumes, known, journal.volume_of)
    if not changed:
        return ()
    monitor.emit(Note(f"{len(changed)} files of the previous tree were changed since; restoring them"))
    beyond = _restore(node, volumes, journal, changed, previous, source, monitor)
    if beyond and not accept_changed:
        names = ", ".join(show(path) for path in beyond[:_SHOWN]) + (", ..." if len(beyond) > _SHOWN else "")
        raise Refused(
            f"{len(beyond)} files of the previous tree are not what they were: {names}",
            hint="make the source reachable, so that they can be fetched again, or go back with --accept-changed",
        )
    return tuple(beyond)


def _restore(
    node: Node, volumes: Volumes, journal: Journal, changed: list[Entry], previous: ReleaseFiles | None, source: str, monitor: Monitor
) -> list[str]:
    """Give changed files their recorded content and metadata back. Returns the paths for which that was not possible."""
    files = {entry.path: entry for entry in changed if entry.kind is Kind.FILE}
    beyond = [entry.path for entry in changed if entry.kind is not Kind.FILE]
    own_fd = volumes.own_fds[""]
    wanted: dict[str, Entry] = {}
    for path, entry in files.items():
        volume = journal.volume_of(path)
        if _digest(f"{PREVIOUS}/{volumes.inside(volume, path)}", volumes.own_fds[volume]) == entry.digest:
            restore(volumes, volume, entry, None)
        elif previous and path in previous.manifest.entries and previous.manifest.entries[path].digest == entry.digest:
            wanted[path] = entry
        else:
            beyond.append(path)
    if wanted and previous:
        try:
            fetch_contents(Source.parse(source), previous.release.id, "", wanted, node.state.directory / INCOMING, lambda path: None)
        except ReprovError as error:
            monitor.emit(Note(f"cannot fetch the changed files again: {error.message}"))
    for path, entry in wanted.items():
        content = f"{INCOMING}/{path}"
        if _digest(content, own_fd) == entry.digest:
            restore(volumes, journal.volume_of(path), entry, content)
        else:
            beyond.append(path)
    discard(INCOMING, dir_fd=own_fd)
    return sorted(beyond)


def _digest(name: str, dir_fd: int) -> str:
    try:
        return digest_at(name, dir_fd=dir_fd)
    except OSError:
        return ""


def _reverse(journal: Journal, scan: Scan, removed: Collection[str], written: tuple[Written, ...], monitor: Monitor) -> Exchange:
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


def _exchange(
    node: Node,
    volumes: Volumes,
    deployment: Deployment,
    todo: Exchange,
    owned: OwnedByNode,
    watch: MountWatch,
    check: Callable[[], None],
    monitor: Monitor,
) -> tuple[Journal, float]:
    rolling = deployment.moved_to(
        State.ROLLING_BACK, now(), target=deployment.previous, transaction=secrets.token_hex(8), volumes=tuple(volumes.own_fds)
    )

    def seal(mixed_s: float) -> None:
        node.state.write_deployment(rolling.committed(now(), State.ROLLED_BACK), mixed_s=round(mixed_s, 6))

    node.state.write_deployment(rolling)
    try:
        take_previous(volumes)
        return commit(node.state, volumes, rolling.transaction, todo, owned, watch, seal, check, monitor)
    except NeedsAttention:
        raise
    except BaseException as error:
        if node.state.journal() is None:  # undoing would have done it
            release_all(volumes, owned)
            if previous := node.state.previous_journal():
                forget_marks(volumes, previous)
        node.state.drop_journal()
        put_back_previous(volumes)
        node.state.write_deployment(rolling.abandoned(now()), note=f"undone: {error}")
        raise


def _swap_records(
    node: Node, volumes: Volumes, done: Journal, scan: Scan, installed: ReleaseFiles | None, previous: ReleaseFiles | None
) -> None:
    """The record of the tree that came back becomes the cache of the live one, and the other way round."""
    back = record.load_previous(node, previous)
    live, gone = record.after_rollback(done, scan, back)
    record.save_live(node, live, previous)
    record.save_previous(node, gone, installed)
