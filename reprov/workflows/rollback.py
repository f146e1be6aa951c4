"""Committed -> rolled back: the previous tree comes back, with the node's own files and identity of now."""

import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from reprov.adapters import returned
from reprov.adapters.discard import discard
from reprov.adapters.files import digest_at
from reprov.adapters.kept import OwnedByNode, release_all
from reprov.adapters.labels import keep_relabelling_out
from reprov.adapters.mounts import MountWatch
from reprov.adapters.node_state import INCOMING, PREVIOUS
from reprov.adapters.previous import changed_files, restore
from reprov.adapters.release_reader import ReleaseFiles
from reprov.adapters.source import fetch_contents
from reprov.adapters.volumes import Volumes, opened_volumes
from reprov.domain.commit_time import ASKED_FOR, CommitTime
from reprov.domain.data_devices import Proving
from reprov.domain.deployment import Deployment, State
from reprov.domain.entry import Entry, Kind, show
from reprov.domain.journal import Journal
from reprov.domain.labels import Labelling
from reprov.domain.post_progress import Progress
from reprov.domain.release import ReleaseId
from reprov.domain.restarts import changed_paths
from reprov.domain.scan import Scan
from reprov.domain.source import Source
from reprov.errors import NeedsAttention, NotLive, Refused, ReprovError
from reprov.events import Monitor, Note, phase
from reprov.workflows import record
from reprov.workflows.carry import change_previous, remember
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
from reprov.workflows.data_devices import find_data_devices
from reprov.workflows.edited import EditCheck, both
from reprov.workflows.hop_proof import prove_after, prove_before
from reprov.workflows.identity import identity_check
from reprov.workflows.node import Node, changing_node, disk_errors_in_words, finishing, now
from reprov.workflows.services import Settled
from reprov.workflows.taken_into_use import take_back_into_use
from reprov.workflows.trial_boot import withdraw
from reprov.workflows.way_back import find_way, refuse_unmounted

if TYPE_CHECKING:
    from reprov.domain.hop_proof import HopProof

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
    proof: "HopProof | None" = None
    """That data devices were left alone; None where nothing is data, or nobody has looked."""
    settled: Settled = field(default_factory=Settled)
    """What was done to the services of a running system."""
    armed: tuple[str, ...] = ()
    """Why it is left to the next boot, where it is; nothing has been exchanged then."""


def rollback(
    root: Path,
    *,
    accept_changed: bool,
    apply_chown: bool = False,
    proving: Proving = Proving.AUTO,
    labelling: Labelling = Labelling.AUTO,
    commit: CommitTime = CommitTime.AUTO,
    monitor: Monitor,
) -> RolledBack:
    """Bring the previous tree back, now or at the next boot.

    Raises `Refused` when there is none, or when its files were written through and cannot be put right; `ProofFailed` when it is
    back, but data is not proved to be untouched.
    """
    with changing_node(root, "rollback", monitor, labelling, goes_on=False) as node:
        deployment = node.state.deployment()
        _way_back_of(node, deployment)
        proof = prove_before(node, find_data_devices(node, proving, monitor), f"rollback to {_name(deployment.previous)}", monitor)
        changed = _changed(node, deployment)
        reasons: tuple[str, ...] = ASKED_FOR if commit is CommitTime.BOOT else ()
        if not reasons:
            try:
                done = roll_back(node, accept_changed=accept_changed, apply_chown=apply_chown, monitor=monitor)
            except NotLive as error:
                if commit is CommitTime.LIVE:
                    raise
                reasons = error.reasons
        if reasons:
            arm_way_back(node, reasons, accept_changed=accept_changed, monitor=monitor)
            return RolledBack(deployment.previous, deployment.installed, 0.0, (), armed=reasons)
        done = replace(done, settled=take_back_into_use(node, changed, monitor))
        return replace(done, proof=prove_after(node, proof, monitor))


def arm_way_back(node: Node, reasons: tuple[str, ...], *, accept_changed: bool = False, note: str = "", monitor: Monitor) -> None:
    """Leave the rollback to the next boot, when the previous tree can be checked but nothing can be fetched any more.

    Raises `Refused` when the boot could not do it, with nothing armed.
    """
    # Imported here: most rollbacks are done at once.
    from reprov.workflows.arm import arm_rollback, refuse_unbootable

    deployment = node.state.deployment()
    journal = _way_back_of(node, deployment)
    refuse_unbootable(node, journal.volumes, monitor)
    with opened_volumes(node.root, journal.volumes) as volumes, phase(monitor, "check", "Checking the previous tree"):
        previous = _files(node, deployment.previous)
        _check_previous(node, volumes, journal, previous, deployment.source, accept_changed, monitor)
        volumes.sync()
    withdraw(node.root, monitor)
    arm_rollback(node, reasons, note=note, accept_changed=accept_changed)


def roll_back(
    node: Node, *, accept_changed: bool, apply_chown: bool, failed: Progress | None = None, note: str = "", monitor: Monitor
) -> RolledBack:
    """The same on a node that is held for a change, without a proof.

    `failed` is the phase after the commit that did not end well, if that is why; `note` is what history says of it.
    """
    deployment = node.state.deployment()
    journal = _way_back_of(node, deployment)
    withdraw(node.root, monitor)
    with opened_volumes(node.root, journal.volumes) as volumes, MountWatch(node.root) as watch:
        keep_relabelling_out(volumes.root_fd)
        installed, previous = _files(node, deployment.installed), _files(node, deployment.previous)
        with phase(monitor, "check", "Checking the previous tree"):
            accepted = _check_previous(node, volumes, journal, previous, deployment.source, accept_changed, monitor)
        way = find_way(node, volumes, watch, journal, installed, previous, apply_chown, monitor, failed)
        edits = EditCheck(volumes, way.scan, way.ownership, way.todo.ops)
        check = both(edits.after, identity_check(node.root, way.installed_paths, live=node.is_live))
        check = both(check, lambda: keep_relabelling_out(volumes.root_fd))
        with signals_held():
            with phase(monitor, "commit", "Exchanging"), disk_errors_in_words("the rollback was given up"):
                edits.before()
                change_previous(node, volumes, journal, previous, way.carried, way.accounts)
                if previous is None:
                    remember(node, volumes, journal, way.carried, way.trees, way.todo.ops, way.accounts)
                done, mixed_s = _exchange(node, volumes, deployment, way.todo, way.owned, watch, check, note, monitor)
            with phase(monitor, "finish", "Keeping the way back"), finishing("the previous tree is back"):
                finish(volumes, done)
                _swap_records(node, volumes, done, way.scan, installed, previous)
                volumes.sync()  # without its record nobody could say later whether the way back is what it was
                node.state.finish_journal()
                if previous:
                    returned.forget(node.state.directory)
                node.state.forget_armed()
            void_held_signals()
    return RolledBack(deployment.previous, deployment.installed, mixed_s, accepted)


def _changed(node: Node, deployment: Deployment) -> Collection[str]:
    """The paths whose content a rollback changes, as far as both trees are releases."""
    installed, previous = _files(node, deployment.installed), _files(node, deployment.previous)
    return changed_paths(installed.manifest.entries, previous.manifest.entries) if installed and previous else ()


def _way_back_of(node: Node, deployment: Deployment) -> Journal:
    """How the previous tree was replaced. Raises `Refused` when there is none, or a part of it is not mounted."""
    journal = node.state.previous_journal()
    if not deployment.has_previous or journal is None:
        raise Refused("there is no previous tree to go back to", hint="`reprov status` shows what there is")
    refuse_unmounted(node, journal)
    return journal


def _name(release: ReleaseId | None) -> str:
    return str(release) if release else "the tree from before reprov"


def _files(node: Node, release: ReleaseId | None) -> ReleaseFiles | None:
    return ReleaseFiles.load(node.state.release_directory(release), local=node.local) if release else None


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


def _exchange(
    node: Node,
    volumes: Volumes,
    deployment: Deployment,
    todo: Exchange,
    owned: OwnedByNode,
    watch: MountWatch,
    check: Callable[[], None],
    note: str,
    monitor: Monitor,
) -> tuple[Journal, float]:
    rolling = deployment.moved_to(
        State.ROLLING_BACK, now(), target=deployment.previous, transaction=secrets.token_hex(8), volumes=tuple(volumes.own_fds)
    )

    def seal(mixed_s: float) -> None:
        details = {"note": note} if note else {}
        node.state.write_deployment(rolling.committed(now(), State.ROLLED_BACK), mixed_s=round(mixed_s, 6), **details)

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
