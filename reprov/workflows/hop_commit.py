"""Staged -> committed: what was decided about two trees is carried out, on a running system as at a boot."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from reprov.adapters import returned
from reprov.adapters.labels import keep_relabelling_out
from reprov.adapters.mounts import MountWatch
from reprov.adapters.release_reader import ReleaseFiles
from reprov.adapters.staging import unstage
from reprov.adapters.volumes import Volumes
from reprov.domain.deployment import State
from reprov.domain.entry import Entry, Kind, parent_of, show
from reprov.domain.journal import DirectoryChange, Written
from reprov.domain.labels import LabelChange
from reprov.domain.owner_change import OwnerChange
from reprov.domain.ownership import Promises
from reprov.domain.scan import CLOCK_TICK_NS, Scan, Signature, moved_between
from reprov.domain.units import Op, OpKind, find_along
from reprov.errors import NeedsAttention, ReprovError
from reprov.events import Monitor, phase
from reprov.workflows import record
from reprov.workflows.commit import Exchange, commit, finish
from reprov.workflows.edited import EditCheck, both
from reprov.workflows.identity import identity_check
from reprov.workflows.node import Node, disk_errors_in_words, finishing, now
from reprov.workflows.owned import node_owns


@dataclass(frozen=True, slots=True)
class Hop:
    """What a plan has decided, as far as the exchange needs it."""

    target: ReleaseFiles
    installed: ReleaseFiles | None
    promised: Promises
    ops: tuple[Op, ...]
    directories: tuple[Entry, ...]
    """Directories that do not swap, as they are to be."""
    wanted: Mapping[str, Entry]
    """What the live tree is to be: the release's paths with what is merged."""
    scan: Scan
    """The node as the plan saw it, where what a merge leaves to the node is kept."""
    stays: Callable[[str], bool]
    """Whether a merge has left a path to the node."""
    owners: tuple[OwnerChange, ...]
    labels: tuple[LabelChange, ...]
    conflicts: tuple[str, ...]
    """Shown paths that both sides changed, for the history."""


def commit_hop(
    node: Node, hop: Hop, look: Callable[[], Scan], volumes: Volumes, staged: Mapping[str, Signature], watch: MountWatch, monitor: Monitor
) -> float:
    """Exchange the trees, and keep the way back. Returns for how long the live tree was mixed, in seconds.

    `look` gives the node as it is by now, `staged` the signatures of what staging has made, and of what of the live tree it has
    linked. The caller holds signals. Raises what went wrong with everything as it was; `NeedsAttention` when it is not.
    """
    state, deployment = node.state, node.state.deployment()

    def seal(mixed_s: float) -> None:
        state.write_deployment(state.deployment().committed(now()), mixed_s=round(mixed_s, 6), conflicts=hop.conflicts)

    with phase(monitor, "commit", "Exchanging"), disk_errors_in_words("the exchange was given up"):
        try:
            now_there = look()
            todo = _exchange_of(hop, now_there)
            base = hop.installed.manifest.entries if hop.installed else {}
            edits = EditCheck(volumes, now_there, hop.target.ownership, todo.ops)
            check = both(edits.after, identity_check(node.root, base, live=node.is_live))
            check = both(check, lambda: keep_relabelling_out(volumes.root_fd))
            state.write_deployment(deployment.moved_to(State.COMMITTING, now()))
            owned = node_owns(hop.target.ownership, hop.promised, hop.target.manifest.entries, base, hop.stays)
            journal, mixed_s = commit(state, volumes, deployment.transaction, todo, owned, watch, seal, check, monitor)
        except NeedsAttention:
            raise
        except BaseException as error:
            state.drop_journal()  # it speaks of what is now to be removed
            unstage(volumes)
            state.write_deployment(state.deployment().abandoned(now()), note=f"undone: {error}")
            raise
    with phase(monitor, "finish", "Keeping the way back"), finishing(f"{hop.target.release.id} is installed"):
        removing_since_ns = time.time_ns() - CLOCK_TICK_NS
        finish(volumes, journal)
        live, previous = record.after_upgrade(journal, hop.scan, hop.wanted, staged)
        if deployment.has_previous:
            live = record.without_links_to(live, volumes, journal, previous=False, since_ns=removing_since_ns)
            previous = record.without_links_to(previous, volumes, journal, previous=True, since_ns=removing_since_ns)
        record.save_live(node, live, hop.target)
        record.save_previous(node, previous, hop.installed)
        volumes.sync()  # without its record nobody could say later whether the way back is what it was
        state.finish_journal()
        returned.forget(state.directory)
        state.forget_releases({release for release in (hop.target.release.id, deployment.installed) if release})
    return mixed_s


def _exchange_of(hop: Hop, scan: Scan) -> Exchange:
    """What to exchange, with the node's own files as they are by now. Raises `ReprovError` when the plan no longer holds."""
    moved = moved_between(hop.scan, scan) if scan is not hop.scan else []
    along = find_along(scan, {op.path for op in hop.ops if op.kind is OpKind.SWAP})
    moved += [op.path for op in set(along.carried) ^ {op for op in hop.ops if op.kind is OpKind.CARRY}]
    if moved:
        raise ReprovError(f"{show(moved[0])} changed since the plan was made", hint="something else is changing this node; run it again")
    directories = _directory_changes(hop, scan)
    return Exchange(hop.ops, along.linked, along.rebuilt, directories, _written(hop), hop.owners, hop.labels)


def _written(hop: Hop) -> tuple[Written, ...]:
    """The files that are neither the release's nor, as a merge has left it, the node's."""
    release = hop.target.manifest.entries
    return tuple(
        Written(path, entry.digest)
        for path, entry in hop.wanted.items()
        if release.get(path) is not entry and entry.kind is Kind.FILE and (path not in release or release[path].digest != entry.digest)
    )


def _directory_changes(hop: Hop, scan: Scan) -> tuple[DirectoryChange, ...]:
    """The live directories that are not exchanged but written to: what they look like, and what they will."""
    after = {}
    for op in hop.ops:
        path = parent_of(op.path)
        if scan.kind_at(path) is Kind.DIR:
            mine = path in hop.wanted and path not in scan.verdicts and hop.wanted[path].kind is Kind.DIR
            after[path] = hop.wanted[path] if mine else scan.entries[path]
    after.update({entry.path: entry for entry in hop.directories})
    return tuple(DirectoryChange(path, scan.entries[path], after[path]) for path in sorted(after))
