"""Staged -> armed: what is to be done at the next boot is written down, and can be forgotten until then."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from reprov.adapters import statcache
from reprov.adapters.boot_client import compile_client, keep_client
from reprov.adapters.boot_mounts import mount_points
from reprov.adapters.mounts import read_mounts
from reprov.adapters.node_state import ARMED_RECORD
from reprov.adapters.release_reader import ReleaseFiles
from reprov.adapters.staging import set_aside
from reprov.adapters.statcache import StatCache
from reprov.adapters.volumes import Volumes, opened_volumes
from reprov.domain.armed import Armed, ArmedKind
from reprov.domain.boot_hook import OFFLINE_PATHS
from reprov.domain.deployment import AT_REST, State
from reprov.domain.entry import show
from reprov.domain.release import ReleaseId
from reprov.domain.scan import Scan, Signature, moved_between
from reprov.errors import NeedsAttention, Refused, ReprovError
from reprov.events import Monitor
from reprov.workflows import record
from reprov.workflows.boot_hook import ensure_boot_hook, forget_offline_update
from reprov.workflows.hop_commit import Hop
from reprov.workflows.node import Node, changing_node, now


def refuse_unbootable(node: Node, volumes: Sequence[str], monitor: Monitor) -> None:
    """Have the next boot do what is armed. Raises `Refused` where it could not: no hook, or a filesystem that nobody would mount."""
    known = mount_points(node.root)
    points = {mount.path for mount in read_mounts(node.root)}
    for volume in volumes:
        if volume and volume in points and volume not in known:
            raise Refused(
                f"{show(volume)} is not in /etc/fstab, so that nobody would mount it at the boot",
                hint="write it there; or commit on the running system: --commit live",
            )
    ensure_boot_hook(node.root, monitor)


def arm_upgrade(
    node: Node,
    hop: Hop,
    now_there: Scan,
    volumes: Volumes,
    staged: Mapping[str, Signature],
    reasons: tuple[str, ...],
) -> None:
    """Leave the exchange of what is staged to the next boot; see `hop_commit.commit_hop` for what is given.

    Raises `ReprovError` when the node has changed since it was looked at, with nothing armed.
    """
    moved = moved_between(hop.scan, now_there) if now_there is not hop.scan else []
    if moved := [path for path in moved if path not in OFFLINE_PATHS]:
        raise ReprovError(f"{show(moved[0])} changed since the plan was made", hint="something else is changing this node; run it again")
    armed = Armed(
        ArmedKind.UPGRADE,
        node.state.deployment().transaction,
        reasons,
        tuple(volumes.own_fds),
        labels=now_there.labels,
        fences=tuple(sorted(now_there.fenced)),
        ops=hop.ops,
        directories=hop.directories,
        owners=hop.owners,
        relabelled=hop.labels,
        conflicts=hop.conflicts,
    )
    record.save_live(node, record.known_of(now_there), hop.installed)
    save_staged(node, hop, staged, labels=now_there.labels)
    volumes.sync()
    _arm(node, armed, node.state.deployment().target)


def arm_rollback(node: Node, reasons: tuple[str, ...], *, note: str = "", accept_changed: bool = False) -> None:
    """Leave the way back to the next boot; `note` is what history says of it. The caller knows that there is one."""
    deployment, journal = node.state.deployment(), node.state.previous_journal()
    assert journal is not None, "there is a way back"
    armed = Armed(
        ArmedKind.ROLLBACK,
        deployment.transaction,
        reasons,
        journal.volumes,
        labels=node.local is not None,
        note=note,
        accept_changed=accept_changed,
    )
    _arm(node, armed, deployment.previous)


def arm_trial(node: Node, kernel: str) -> None:
    """Have the next boot go back, unless it is one of this kernel: in a tree that waits for its kernel to come up."""
    deployment, journal = node.state.deployment(), node.state.previous_journal()
    assert journal is not None, "there is a way back"
    note = f"kernel {kernel} did not come up"
    labels = node.local is not None
    _write(node, Armed(ArmedKind.TRIAL, deployment.transaction, (), journal.volumes, labels=labels, kernel=kernel, note=note))


def disarm_node(root: Path, monitor: Monitor) -> bool:
    """Forget what an operator does not want any more; False where nothing was armed. Raises `Refused` for the trial of a kernel."""
    with changing_node(root, "disarm", monitor, goes_on=False, may_be_armed=True) as node:
        try:
            armed = node.state.armed()
        except NeedsAttention:
            armed = None
        if armed and armed.kind is ArmedKind.TRIAL and node.state.deployment().state is State.COMMITTED:
            raise Refused(
                f"kernel {armed.kernel} is on trial: a node that does not come up with it has to go back",
                hint="reboot; or go back now: `reprov rollback`",
            )
        is_armed = node.state.deployment().state is State.ARMED
        disarm(node, "disarmed")
    return is_armed


def disarm(node: Node, note: str) -> None:
    """Forget what is to be done at the next boot, or was about to be; what was staged serves the next run."""
    deployment = node.state.deployment()
    if deployment.state in AT_REST:
        with opened_volumes(node.root, deployment.volumes or ("",)) as volumes:
            set_aside(volumes)
        node.state.write_deployment(deployment.abandoned(now()), note=note)
    forget(node)


def forget(node: Node) -> None:
    """Nothing is to be done at the next boot any more, whatever the state of the node."""
    node.state.forget_armed()
    forget_offline_update(node.root)


def save_staged(node: Node, hop: Hop, staged: Mapping[str, Signature], *, labels: bool) -> None:
    """Write down what staging has made, for the record of the commit at the boot."""
    cache = StatCache({path: hop.wanted[path] for path in staged}, staged, labels)
    statcache.save(cache, node.state.directory / ARMED_RECORD, hop.target.as_published, hop.target.cache_key)


def load_staged(node: Node, target: ReleaseFiles) -> Mapping[str, Signature]:
    """What `save_staged` wrote; empty when it cannot be read any more."""
    return statcache.load(node.state.directory / ARMED_RECORD, target.as_published, target.cache_key).signatures


def _arm(node: Node, armed: Armed, target: ReleaseId | None) -> None:
    state = node.state
    _write(node, armed)
    volumes = armed.volumes if armed.kind is ArmedKind.UPGRADE else ()
    state.write_deployment(
        replace(state.deployment().moved_to(State.ARMED, now(), target=target), volumes=volumes),
        reasons=list(armed.reasons),
        note=armed.note,
    )


def _write(node: Node, armed: Armed) -> None:
    keep_client(node.state.directory)
    compile_client(node.state.directory)
    node.state.write_armed(armed)
