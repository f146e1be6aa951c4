"""Interrupted -> finished or undone: what an earlier run left, judged by the journal and by what is really on disk."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from reprov.adapters.kept import OwnedByNode, release_all
from reprov.adapters.node_state import CANDIDATE
from reprov.adapters.release_reader import ReleaseFiles
from reprov.adapters.staging import set_aside, unstage
from reprov.adapters.volumes import Volumes, clear_probe, opened_volumes
from reprov.domain.deployment import IN_FLIGHT, Deployment, State
from reprov.domain.entry import ancestors_of
from reprov.domain.journal import Journal
from reprov.errors import NeedsAttention
from reprov.events import Event, Monitor, Note
from reprov.workflows.commit import (
    find_done,
    finish,
    forget_marks,
    has_staged,
    put_back_previous,
    release_ballast,
    signals_held,
    undo,
)
from reprov.workflows.node import Node, changing_node, now
from reprov.workflows.owned import node_owns
from reprov.workflows.pending import pending
from reprov.workflows.trial import waiting_for


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was found and done; empty when there was nothing to do."""

    done: str


def recover(root: Path, monitor: Monitor) -> Recovered:
    """Finish or undo whatever an interrupted run left on a node. Raises `NeedsAttention` when neither is possible."""
    listener = _Listener(monitor)
    with changing_node(root, "recover", listener, may_be_armed=True):
        return Recovered("; ".join(listener.notes))


class _Listener:
    """Passes events on, and remembers the notes, which are the answer of `recover`."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self.notes: list[str] = []

    def emit(self, event: Event) -> None:
        if isinstance(event, Note):
            self.notes.append(event.text)
        else:
            self._monitor.emit(event)


def settle(node: Node, monitor: Monitor, *, goes_on: bool = True) -> None:
    """Bring a node to rest before anything new begins; tells the monitor what it had to do.

    With `goes_on` that includes the phase after a commit. Raises `HopFailed` when that ends badly and the node is rolled back.
    """
    node.state.clear_unwritten()
    candidate = node.state.directory / CANDIDATE
    if candidate.exists():
        shutil.rmtree(candidate)  # of an upgrade that was killed
    if probed := node.state.probed():
        with opened_volumes(node.root, {volume for volume, _ in probed}) as volumes:
            for volume, directory in probed:
                clear_probe(volumes, volume, directory)
            volumes.sync()  # before nobody knows any more where to look
        node.state.forget_probes()
    deployment, journal = node.state.deployment(), node.state.journal()
    if (deployment.state in IN_FLIGHT and deployment.state is not State.ARMED) or journal is not None:
        _settle_commit(node, deployment, journal, monitor)
    if goes_on:
        _go_on(node, monitor)


def _go_on(node: Node, monitor: Monitor) -> None:
    """What runs after a commit, where that was interrupted."""
    if pending(node) is None:
        return
    if problem := waiting_for(node):
        monitor.emit(Note(problem))
        return
    # Imported here: most nodes have nothing to go on with.
    from reprov.workflows.after_commit import go_on

    with signals_held():
        finished = go_on(node, monitor)
    monitor.emit(Note(f"went on with what follows the commit: {finished.summary}"))
    if problem := waiting_for(node):
        monitor.emit(Note(problem))


def _settle_commit(node: Node, deployment: Deployment, journal: Journal | None, monitor: Monitor) -> None:
    names = journal.volumes if journal else deployment.volumes or ("",)
    with signals_held(), opened_volumes(node.root, names) as volumes:
        release_ballast(volumes)
        if journal is None:
            _abandon_unstarted(node, volumes, deployment, monitor)
        elif deployment.state in IN_FLIGHT:
            _undo_unsealed(node, volumes, deployment, journal, monitor)
        else:
            _finish_committed(node, volumes, deployment, journal, monitor)


def _abandon_unstarted(node: Node, volumes: Volumes, deployment: Deployment, monitor: Monitor) -> None:
    """No journal: nothing has been exchanged. Links of the node's own files must not stay: cron ignores what has two names."""
    if deployment.state is State.ROLLING_BACK:
        release_all(volumes, _ownership_of(node, deployment, None))
        if previous := node.state.previous_journal():
            forget_marks(volumes, previous)
        put_back_previous(volumes)
    elif deployment.state is State.COMMITTING:
        unstage(volumes)
    else:
        set_aside(volumes)
    node.state.write_deployment(deployment.abandoned(now()), note=f"given up while {deployment.state}")
    monitor.emit(Note(f"cleaned up after a run that ended while {deployment.state}; the node is as it was before it"))


def _undo_unsealed(node: Node, volumes: Volumes, deployment: Deployment, journal: Journal, monitor: Monitor) -> None:
    """Nobody has sealed it: even if every exchange is on disk, what was to be looked at before the seal may not have been."""
    owned = _ownership_of(node, deployment, journal)
    undo(node.state, volumes, journal, owned, monitor)
    if deployment.state is State.ROLLING_BACK:
        put_back_previous(volumes)
    else:
        unstage(volumes)
    node.state.write_deployment(deployment.abandoned(now()), note="undone after an interruption")
    monitor.emit(Note("undid an interrupted commit; the node is as it was before it"))


def _finish_committed(node: Node, volumes: Volumes, deployment: Deployment, journal: Journal, monitor: Monitor) -> None:
    """Every exchange was on disk before the state said so; what may be missing is the tidying. Checked while it still can be."""
    untouched = all(has_staged(volumes, volume) for volume in journal.volumes)
    if untouched and not _is_all_done(volumes, journal, monitor):
        raise NeedsAttention(
            f"the node says {deployment.state}, but not every exchange of that commit is on disk",
            hint="the disk lost what it had confirmed; keep /.reprov and ask for help",
        )
    finish(volumes, journal)
    node.state.finish_journal()
    monitor.emit(Note("finished an interrupted commit"))


def _is_all_done(volumes: Volumes, journal: Journal, monitor: Monitor) -> bool:
    try:
        return all(find_done(volumes, journal))
    except NeedsAttention as error:
        # The system has been running since the state was written: it may well have replaced a file that had been exchanged.
        monitor.emit(Note(f"{error.message}; taken as changed after the commit"))
        return True


def _ownership_of(node: Node, deployment: Deployment, journal: Journal | None) -> OwnedByNode:
    """What the interrupted commit took for the node's: by the lists of what it was about to install, and by promises."""
    releases = [ReleaseFiles.load(node.state.release_directory(name)) for name in (deployment.target, deployment.installed) if name]
    if not releases:
        return lambda path, is_dir: False
    target, base = releases[0].manifest.entries, releases[-1].manifest.entries
    return node_owns(releases[0].ownership, node.promises(*releases[1:]), target, base, _left_by_merge(journal))


def _left_by_merge(journal: Journal | None) -> Callable[[str], bool]:
    """What a merge had left to the node. Without a journal nobody knows; then only links in /etc can be the node's: staging makes none."""
    along = {*journal.rebuilt, *(item.path for item in journal.linked)} if journal else {"etc"}

    def stays(path: str) -> bool:
        return any(directory in along for directory in (path, *ancestors_of(path)))

    return stays
