"""Plan -> staged -> committed -> confirmed: the upgrade of one node."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from reprov.adapters import returned
from reprov.adapters.files import opened_directory
from reprov.adapters.labels import has_selinux, keep_relabelling_out, unknown_labels
from reprov.adapters.node_state import CANDIDATE, NodeState
from reprov.adapters.post_state import PostState
from reprov.adapters.release_reader import ReleaseFiles
from reprov.adapters.staging import Staging, unstage
from reprov.adapters.volumes import Volumes, opened_volumes
from reprov.domain.comparison import Action
from reprov.domain.data_devices import Proving
from reprov.domain.deployment import State
from reprov.domain.entry import Kind, parent_of, show
from reprov.domain.journal import DirectoryChange, Written
from reprov.domain.kernels import FALLBACK
from reprov.domain.label_guard import blockers_of_labels
from reprov.domain.labels import Labelling
from reprov.domain.owner_change import OwnerChange
from reprov.domain.plan import Plan
from reprov.domain.post_script import PostScript
from reprov.domain.release import ReleaseId
from reprov.domain.scan import Scan, moved_between
from reprov.domain.source import Source
from reprov.domain.units import OpKind, find_along
from reprov.errors import HopFailed, NeedsAttention, Refused, ReprovError
from reprov.events import Monitor, phase
from reprov.workflows import record
from reprov.workflows.commit import Exchange, commit, finish, signals_held, void_held_signals
from reprov.workflows.edited import EditCheck, both
from reprov.workflows.hop_proof import prove_after, prove_before
from reprov.workflows.identity import identity_check
from reprov.workflows.node import Node, changing_node, disk_errors_in_words, finishing, now
from reprov.workflows.owned import node_owns
from reprov.workflows.owners import refuse_owners
from reprov.workflows.plan import Prepared, choose_release, prepared, refuse_blocked
from reprov.workflows.stage import stage

if TYPE_CHECKING:
    from reprov.domain.hop_proof import HopProof
    from reprov.workflows.after_commit import Finished

_CLOCK_TICK_NS = 20_000_000  # the kernel stamps ctime with a clock that may lag by a tick


@dataclass(frozen=True, slots=True)
class Upgraded:
    """What an upgrade did."""

    plan: Plan
    state: State | None
    """None when the node has never been changed and need not be."""
    mixed_s: float
    """How long the live tree was neither the old nor the new one."""
    after: "Finished | None" = None
    """What ran after the commit; None where nothing was to run."""
    proof: "HopProof | None" = None
    """That data devices were left alone; None where nothing is data, or nobody has looked."""


def upgrade(
    root: Path,
    source: Source,
    role: str | None,
    version: str,
    *,
    stage_only: bool,
    apply_chown: bool = False,
    proving: Proving = Proving.AUTO,
    labelling: Labelling = Labelling.AUTO,
    no_post: bool = False,
    retry: bool = False,
    monitor: Monitor,
) -> Upgraded:
    """Re-image a node: plan, stage, verify, exchange, and do what follows a commit, unless `no_post`.

    Raises `Refused` before anything is changed, among others for a release in quarantine, unless `retry`; `ReprovError` when all is
    as it was; `HopFailed` when what follows the commit failed, and the node was rolled back; `ProofFailed` when its data is not proved
    to be untouched, whatever release it has now.
    """
    with changing_node(root, f"upgrade to {' '.join(filter(None, (role, version)))}", monitor, labelling) as node:
        release = choose_release(node, role, version)
        if not retry:
            _refuse_quarantined(node, release)
        with opened_directory(root) as root_fd:
            keep_relabelling_out(root_fd)
        with (
            _candidate(node.state) as folder,
            prepared(node, source, release, folder, monitor, apply_chown=apply_chown, proving=proving, labelling=labelling) as ready,
        ):
            _refuse_another_tree_of_that_name(node, ready)
            refuse_blocked(ready.plan)
            if ready.plan.is_empty:
                return _adopt(node, ready, State.COMMITTED if no_post else State.CONFIRMED)
            refuse_owners(ready.plan.owners, apply_chown=apply_chown, is_live=node.is_live)
            if node.is_live and has_selinux():
                unknown = unknown_labels(ready.labels_to_set)
                refuse_blocked(ready.plan.blocked_by(blockers_of_labels(unknown, labels=ready.scan.labels)))
            _refuse_live(node, ready)
            proof = None if stage_only else prove_before(node, ready.data, f"upgrade to {release}", monitor)
            with opened_volumes(node.root, _touched_volumes(ready)) as volumes:
                with disk_errors_in_words("staging failed"):
                    staging = stage(node, ready, volumes, monitor)
                node.state.keep_release(ready.plan.release, ready.target.directory)
                if ready.installed and ready.installed.release.id.role != ready.plan.release.role:
                    node.state.promise(ready.installed.release.id.role, ready.installed.keep_lists)
                _promise_kernels(node, ready)
                if stage_only:
                    record.save_live(node, record.known_of(ready.look_again(volumes.root_fd, staging.linked)), ready.installed)
                    return Upgraded(ready.plan, State.STAGED, 0.0)
                owners = ready.owner_search.run(volumes.root_fd, monitor)
                refuse_owners(owners, apply_chown=apply_chown, is_live=node.is_live)
                _refuse_live(node, ready)  # again: fetching has taken its time
                if not no_post:
                    _write_what_follows(node, ready, volumes, monitor)
                try:
                    with signals_held():
                        done = _commit(node, ready, volumes, staging, owners.changes, monitor, goes_on=not no_post)
                        if not no_post:
                            done = _go_on(node, done, monitor)
                except HopFailed:
                    prove_after(node, proof, monitor, is_undone=True)
                    raise
            return replace(done, proof=prove_after(node, proof, monitor))


def _refuse_quarantined(node: Node, release: ReleaseId) -> None:
    for item in PostState(node.state.directory).quarantined():
        if item.release == release:
            raise item.refusal()


def _write_what_follows(node: Node, ready: Prepared, volumes: Volumes, monitor: Monitor) -> None:
    """The post-script, and all else that an interruption after the commit would leave to others. A node that was empty has none."""
    # Imported here, but before the commit: afterwards what is imported would come from another tree.
    from reprov.workflows.after_commit import begin
    from reprov.workflows.post_scripts import post_script_of

    if node.state.deployment().from_nothing:
        script = PostScript(None, ready.plan.release)
    else:
        script = post_script_of(node.root, ready, volumes)
    changed = [change.path for change in ready.plan.comparison.changes if change.action is not Action.METADATA]
    begin(node, script, ready.seen, changed, monitor)


def _go_on(node: Node, done: Upgraded, monitor: Monitor) -> Upgraded:
    from reprov.workflows.after_commit import go_on

    return replace(done, state=State.CONFIRMED, after=go_on(node, monitor))


def _promise_kernels(node: Node, ready: Prepared) -> None:
    """Whoever finishes or undoes this commit after a power cut must take the same kernels for the node's."""
    if ready.kernels:
        node.state.promise(FALLBACK, {"kernels.exclude": ready.kernels.encode()})
    else:
        node.state.forget_promise(FALLBACK)


def _refuse_live(node: Node, ready: Prepared) -> None:
    """Raise `Refused` when something that runs on a live node forbids to exchange anything under it."""
    if not node.is_live:
        return
    from reprov.workflows.live_guard import find_live_blockers

    changes, swaps = {change.path: change for change in ready.plan.comparison.changes}, ready.plan.swaps
    refuse_blocked(ready.plan.blocked_by(find_live_blockers(changes, swaps.ops, swaps.linked, swaps.rebuilt)))


def _touched_volumes(ready: Prepared) -> tuple[str, ...]:
    """The volumes that the plan writes to; the root's always, for the state and for what is fetched."""
    swaps = ready.plan.swaps
    return tuple(sorted({"", *(op.volume for op in swaps.ops), *(ready.scan.volume_of(change.path) for change in swaps.directories)}))


def _refuse_another_tree_of_that_name(node: Node, ready: Prepared) -> None:
    """The files of the installed and the previous release are needed as they are: another tree of the same name cannot replace them."""
    deployment = node.state.deployment()
    release = ready.plan.release
    if release not in (deployment.installed, deployment.previous):
        return
    known = ReleaseFiles.load(node.state.release_directory(release))
    if known.manifest_digest != ready.target.manifest_digest:
        raise Refused(
            f"{release} on the server is not the {release} that this node has",
            hint="a version was published again with other content; give it another version",
        )


def _adopt(node: Node, ready: Prepared, state: State) -> Upgraded:
    """The node's content is the release's already: at most its name changes."""
    deployment = node.state.deployment()
    if deployment.installed != ready.plan.release:
        node.state.keep_release(ready.plan.release, ready.target.directory)
        renamed = replace(
            deployment, state=deployment.state or state, installed=ready.plan.release, source=ready.plan.source, changed_at=now()
        )
        node.state.write_deployment(renamed, note="content was the release's already")
        record.save_live(node, record.known_of(ready.seen), ready.target)
        deployment = renamed
    return Upgraded(ready.plan, deployment.state, 0.0)


def _commit(
    node: Node,
    ready: Prepared,
    volumes: Volumes,
    staging: Staging,
    owners: tuple[OwnerChange, ...],
    monitor: Monitor,
    *,
    goes_on: bool,
) -> Upgraded:
    state, staged = node.state, node.state.deployment()

    def seal(mixed_s: float) -> None:
        conflicts = [show(conflict.path) for conflict in ready.plan.conflicts]
        state.write_deployment(state.deployment().committed(now()), mixed_s=round(mixed_s, 6), conflicts=conflicts)

    with phase(monitor, "commit", "Exchanging"), disk_errors_in_words("the exchange was given up"):
        try:
            now_there = ready.look_again(volumes.root_fd, staging.linked)
            todo = replace(_exchange_of(ready, now_there), owners=owners)
            base = ready.installed.manifest.entries if ready.installed else {}
            edits = EditCheck(volumes, now_there, ready.target.ownership, todo.ops)
            check = both(edits.after, identity_check(node.root, base, live=node.is_live))
            check = both(check, lambda: keep_relabelling_out(volumes.root_fd))
            state.write_deployment(staged.moved_to(State.COMMITTING, now()))
            owned = node_owns(ready.target.ownership, ready.promised, ready.target.manifest.entries, base, ready.stays)
            journal, mixed_s = commit(state, volumes, staged.transaction, todo, owned, ready.watch, seal, check, monitor)
        except NeedsAttention:
            raise
        except BaseException as error:
            state.drop_journal()  # it speaks of what is now to be removed
            unstage(volumes)
            state.write_deployment(state.deployment().abandoned(now()), note=f"undone: {error}")
            raise
    with phase(monitor, "finish", "Keeping the way back"), finishing(f"{ready.plan.release} is installed"):
        removing_since_ns = time.time_ns() - _CLOCK_TICK_NS
        finish(volumes, journal)
        live, previous = record.after_upgrade(journal, ready.scan, ready.wanted, {**staging.signatures, **staging.linked})
        if staged.has_previous:
            live = record.without_links_to(live, volumes, journal, previous=False, since_ns=removing_since_ns)
            previous = record.without_links_to(previous, volumes, journal, previous=True, since_ns=removing_since_ns)
        record.save_live(node, live, ready.target)
        record.save_previous(node, previous, ready.installed)
        volumes.sync()  # without its record nobody could say later whether the way back is what it was
        state.finish_journal()
        returned.forget(state.directory)
        state.forget_releases({release for release in (ready.plan.release, staged.installed) if release})
    if not goes_on:
        void_held_signals()
    return Upgraded(ready.plan, State.COMMITTED, mixed_s)


def _exchange_of(ready: Prepared, scan: Scan) -> Exchange:
    """What to exchange, with the node's own files as they are by now. Raises `ReprovError` when the plan no longer holds."""
    moved = moved_between(ready.scan, scan) if scan is not ready.scan else []
    swaps = ready.plan.swaps
    along = find_along(scan, {op.path for op in swaps.ops if op.kind is OpKind.SWAP})
    moved += [op.path for op in set(along.carried) ^ {op for op in swaps.ops if op.kind is OpKind.CARRY}]
    if moved:
        raise ReprovError(f"{show(moved[0])} changed since the plan was made", hint="something else is changing this node; run it again")
    return Exchange(swaps.ops, along.linked, along.rebuilt, _directory_changes(ready, scan), _written(ready), labels=ready.labels)


def _written(ready: Prepared) -> tuple[Written, ...]:
    """The files that are neither the release's nor, as a merge has left it, the node's."""
    release = ready.target.manifest.entries
    return tuple(
        Written(path, entry.digest)
        for path, entry in ready.wanted.items()
        if release.get(path) is not entry and entry.kind is Kind.FILE and (path not in release or release[path].digest != entry.digest)
    )


def _directory_changes(ready: Prepared, scan: Scan) -> tuple[DirectoryChange, ...]:
    """The live directories that are not exchanged but written to: what they look like, and what they will."""
    target, swaps = ready.wanted, ready.plan.swaps
    after = {}
    for op in swaps.ops:
        path = parent_of(op.path)
        if scan.kind_at(path) is Kind.DIR:
            mine = path in target and path not in scan.verdicts and target[path].kind is Kind.DIR
            after[path] = target[path] if mine else scan.entries[path]
    after.update({change.path: change.after for change in swaps.directories if change.after is not None})
    return tuple(DirectoryChange(path, scan.entries[path], after[path]) for path in sorted(after))


@contextmanager
def _candidate(state: NodeState) -> Iterator[Path]:
    """A directory for the files of a release that may yet be refused."""
    folder = state.directory / CANDIDATE
    folder.mkdir()
    try:
        yield folder
    finally:
        if folder.exists():
            shutil.rmtree(folder)
