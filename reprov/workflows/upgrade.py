"""Plan -> staged -> committed -> confirmed: the upgrade of one node."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reprov.adapters.files import opened_directory
from reprov.adapters.labels import keep_relabelling_out
from reprov.adapters.node_state import CANDIDATE, NodeState
from reprov.adapters.post_state import PostState
from reprov.adapters.release_reader import ReleaseFiles
from reprov.adapters.staging import Staging
from reprov.adapters.volumes import Volumes, opened_volumes
from reprov.domain.commit_time import Chosen, CommitTime
from reprov.domain.comparison import Action
from reprov.domain.data_devices import Proving
from reprov.domain.deployment import State
from reprov.domain.entry import show
from reprov.domain.health import Patience
from reprov.domain.kernels import FALLBACK
from reprov.domain.labels import Labelling
from reprov.domain.owner_change import OwnerChange
from reprov.domain.plan import Plan
from reprov.domain.post_script import PostScript
from reprov.domain.release import ReleaseId
from reprov.domain.source import Source
from reprov.errors import HopFailed, Refused
from reprov.events import Monitor, Note
from reprov.workflows import record
from reprov.workflows.commit import signals_held, void_held_signals
from reprov.workflows.commit_time import choose_again
from reprov.workflows.hop_commit import Hop, commit_hop
from reprov.workflows.hop_proof import prove_after, prove_before
from reprov.workflows.node import Node, changing_node, disk_errors_in_words, now
from reprov.workflows.owners import refuse_owners
from reprov.workflows.plan import Prepared, choose_release, prepared, refuse_blocked
from reprov.workflows.stage import stage
from reprov.workflows.trial import refuse_waiting

if TYPE_CHECKING:
    from reprov.domain.hop_proof import HopProof
    from reprov.workflows.after_commit import Finished

    _Follow = Callable[[Node, Monitor], Finished | None]


@dataclass(frozen=True, slots=True)
class Upgraded:
    """What an upgrade did."""

    plan: Plan
    state: State | None
    """None when the node has never been changed and need not be."""
    mixed_s: float
    """How long the live tree was neither the old nor the new one."""
    after: "Finished | None" = None
    """What ran after the commit; None where nothing was to run, or nobody can tell what did."""
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
    commit: CommitTime = CommitTime.AUTO,
    reboots: bool = False,
    patience: Patience | None = None,
    monitor: Monitor,
) -> Upgraded:
    """Re-image a node: plan, stage, verify, exchange, and do what follows a commit, unless `no_post`.

    An exchange that has to wait for the next boot is armed; with `reboots` the node is to reboot by itself where that is next.
    Raises `Refused` before anything is changed, among others for a release in quarantine, unless `retry`; `ReprovError` when all is
    as it was; `HopFailed` when what follows the commit failed, and the node was rolled back; `ProofFailed` when its data is not proved
    to be untouched, whatever release it has now.
    """
    with changing_node(root, f"upgrade to {' '.join(filter(None, (role, version)))}", monitor, labelling, may_be_armed=True) as node:
        refuse_waiting(node)
        _take_over(node, monitor)
        release = choose_release(node, role, version)
        if not retry:
            _refuse_quarantined(node, release)
        with opened_directory(root) as root_fd:
            keep_relabelling_out(root_fd)
        with (
            _candidate(node.state) as folder,
            prepared(
                node,
                source,
                release,
                folder,
                monitor,
                apply_chown=apply_chown,
                proving=proving,
                labelling=labelling,
                commit=commit,
            ) as ready,
        ):
            _refuse_another_tree_of_that_name(node, ready)
            refuse_blocked(ready.plan)
            if ready.plan.is_empty:
                return _adopt(node, ready, State.COMMITTED if no_post else State.CONFIRMED)
            refuse_owners(ready.plan.owners, apply_chown=apply_chown, is_live=node.is_live)
            if ready.plan.commit.time is CommitTime.BOOT and not stage_only:
                _refuse_unbootable(node, ready, monitor)
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
                chosen = _settled_time(node, ready, commit, monitor)
                _keep_client(node)
                follow: _Follow | None = None
                if not no_post:
                    follow = _begin(node, ready, volumes, patience, monitor, at_boot=chosen.time is CommitTime.BOOT, reboots=reboots)
                hop = _hop_of(ready, owners.changes)
                if chosen.time is CommitTime.BOOT:
                    _arm(node, ready, hop, volumes, staging, chosen, monitor)
                    return Upgraded(replace(ready.plan, commit=chosen), State.ARMED, 0.0)
                try:
                    with signals_held():
                        done = _commit(node, ready, hop, volumes, staging, monitor)
                        if follow is None:
                            void_held_signals()
                        else:
                            after = follow(node, monitor)
                            done = replace(done, state=node.state.deployment().state, after=after)
                except HopFailed:
                    prove_after(node, proof, monitor, is_undone=True)
                    raise
            return replace(done, proof=prove_after(node, proof, monitor))


def _refuse_quarantined(node: Node, release: ReleaseId) -> None:
    for item in PostState(node.state.directory).quarantined():
        if item.release == release:
            raise item.refusal()


def _begin(
    node: Node, ready: Prepared, volumes: Volumes, patience: Patience | None, monitor: Monitor, *, at_boot: bool, reboots: bool
) -> "_Follow":
    """Write down the post-script, and all else that an interruption after the commit would leave to others; gives what goes on then.

    A node that was empty has no post-script.
    """
    # Imported here, but before the commit: afterwards what is imported would come from another tree.
    from reprov.workflows.after_commit import begin
    from reprov.workflows.hand_over import follower
    from reprov.workflows.post_scripts import post_script_of

    if node.state.deployment().from_nothing:
        script = PostScript(None, ready.plan.release)
    else:
        script = post_script_of(node.root, ready, volumes)
    changed = [change.path for change in ready.plan.comparison.changes if change.action is not Action.METADATA]
    begin(node, script, ready.seen, changed, monitor, at_boot=at_boot, reboots=reboots, patience=patience)
    return follower(node, ready.target.manifest.entries)


def _promise_kernels(node: Node, ready: Prepared) -> None:
    """Whoever finishes or undoes this commit after a power cut must take the same kernels for the node's."""
    if ready.kernels:
        node.state.promise(FALLBACK, {"kernels.exclude": ready.kernels.encode()})
    else:
        node.state.forget_promise(FALLBACK)


def _keep_client(node: Node) -> None:
    """For whoever recovers this commit at a boot, or looks after it on the running system, whatever tree there is by then."""
    if not node.is_live:
        return  # whoever works on it from outside recovers it, too
    from reprov.adapters.boot_client import keep_client

    with disk_errors_in_words("reprov's own copy for the next boot cannot be kept"):
        keep_client(node.state.directory)


def _take_over(node: Node, monitor: Monitor) -> None:
    """What an earlier run has left to the next boot is replaced by this one."""
    if node.state.deployment().state is State.ARMED:
        from reprov.workflows.arm import disarm

        monitor.emit(Note(f"{node.state.deployment().target} is not to be exchanged at the next boot any more"))
        disarm(node, "taken back by another upgrade")


def _refuse_unbootable(node: Node, ready: Prepared, monitor: Monitor) -> None:
    """Before anything is fetched: whether the next boot would do what is to be armed. Raises `Refused`."""
    from reprov.workflows.arm import refuse_unbootable

    refuse_unbootable(node, _touched_volumes(ready), monitor)


def _settled_time(node: Node, ready: Prepared, asked: CommitTime, monitor: Monitor) -> Chosen:
    """When the exchange is, now that everything is staged, which has taken its time. Raises `Refused` when it cannot be."""
    chosen = choose_again(node, ready, asked)
    if chosen.time is not ready.plan.commit.time:
        if chosen.time is CommitTime.LIVE:
            return ready.plan.commit  # as the plan has said, and the boot is prepared
        monitor.emit(Note(f"the exchange has to wait for the next boot: {chosen.reasons[0]}"))
        _refuse_unbootable(node, ready, monitor)
    return chosen


def _hop_of(ready: Prepared, owners: tuple[OwnerChange, ...]) -> Hop:
    return Hop(
        target=ready.target,
        installed=ready.installed,
        promised=ready.promised,
        ops=ready.plan.swaps.ops,
        directories=tuple(change.after for change in ready.plan.swaps.directories if change.after is not None),
        wanted=ready.wanted,
        scan=ready.scan,
        stays=ready.stays,
        owners=owners,
        labels=ready.labels,
        conflicts=tuple(show(conflict.path) for conflict in ready.plan.conflicts),
    )


def _commit(node: Node, ready: Prepared, hop: Hop, volumes: Volumes, staging: Staging, monitor: Monitor) -> Upgraded:
    look = partial(ready.look_again, volumes.root_fd, staging.linked)
    return Upgraded(ready.plan, State.COMMITTED, commit_hop(node, hop, look, volumes, staging.known, ready.watch, monitor))


def _arm(
    node: Node,
    ready: Prepared,
    hop: Hop,
    volumes: Volumes,
    staging: Staging,
    chosen: Chosen,
    monitor: Monitor,
) -> None:
    from reprov.workflows.arm import arm_upgrade, disarm

    try:
        now_there = ready.look_again(volumes.root_fd, staging.linked)
        arm_upgrade(node, hop, now_there, volumes, staging.known, chosen.reasons)
    except BaseException as error:
        disarm(node, f"not armed: {error}")
        raise


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
