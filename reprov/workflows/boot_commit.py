"""Armed -> committed, or rolled back: what is done at a boot, before anything of the root runs.

The node's root is /, in the chroot of an initramfs or on a system that has just begun to come up. Nothing is decided anew: what has
changed since it was decided stops it, and the node boots as it is.
"""

import os
from collections.abc import Mapping
from enum import Enum
from pathlib import Path

from reprov.adapters.boot_mounts import mount_points, mounted
from reprov.adapters.mounts import MountWatch
from reprov.adapters.post_state import PostState
from reprov.adapters.release_reader import ReleaseFiles
from reprov.adapters.survey import survey
from reprov.adapters.volumes import opened_volumes
from reprov.domain.armed import Armed, ArmedKind
from reprov.domain.boot_hook import OFFLINE_PATHS
from reprov.domain.deployment import IN_FLIGHT, State
from reprov.domain.entry import Entry, show
from reprov.domain.labels import Labelling
from reprov.domain.quarantine import Quarantined
from reprov.domain.restarts import changed_paths
from reprov.domain.scan import is_moved
from reprov.errors import NeedsAttention, ReprovError
from reprov.events import Monitor, Note, phase
from reprov.workflows import record
from reprov.workflows.arm import disarm, forget, load_staged
from reprov.workflows.boot_hook import forget_offline_update
from reprov.workflows.commit import signals_held
from reprov.workflows.hop_commit import Hop, commit_hop
from reprov.workflows.merging import merge
from reprov.workflows.node import Node, inspect_at_boot, now
from reprov.workflows.pending import is_of_live_tree, pending
from reprov.workflows.recover import settle
from reprov.workflows.rollback import roll_back
from reprov.workflows.taken_into_use import take_back_into_use


class Done(Enum):
    """What has become of the node."""

    NOTHING = "nothing"
    """It is as it was, or has only been tidied up."""
    EXCHANGED = "exchanged"
    """It has other trees: what has been started from this root is of the ones before."""
    GIVEN_UP = "given up"
    """What was armed could not be done, and is forgotten; the node is as it was."""


def carry_out(root: Path, monitor: Monitor, *, recover_only: bool = False) -> Done:
    """Bring an interrupted change to rest, then do what is armed, unless `recover_only`.

    Raises `NeedsAttention` when the node could neither be brought to the one side nor to the other.
    """
    node = inspect_at_boot(root)
    if not node.state.exists:
        return Done.NOTHING
    with node.state.locked("what is to be done at the boot"):
        done = _recover(node, monitor)
        if recover_only:
            return done
        armed = _armed(node, monitor)
        if armed is None or done is Done.EXCHANGED:
            return done
        node = inspect_at_boot(root, Labelling.ENABLED if armed.labels else Labelling.DISABLED)
        return _carry_out(node, armed, monitor)


def _recover(node: Node, monitor: Monitor) -> Done:
    deployment, journal = node.state.deployment(), node.state.journal()
    names = journal.volumes if journal else deployment.volumes
    with mounted(mount_points(node.root).intersection(names)):
        settle(node, monitor, goes_on=False)
    return Done.EXCHANGED if journal is not None and deployment.state in IN_FLIGHT else Done.NOTHING


def _armed(node: Node, monitor: Monitor) -> Armed | None:
    """What is still to be done. What is left of something that is over, or cannot be read, is forgotten."""
    try:
        armed = node.state.armed()
    except NeedsAttention as error:
        disarm(node, error.message)
        return None
    deployment = node.state.deployment()
    if armed is None:
        return None
    waits_for = (State.COMMITTED,) if armed.kind is ArmedKind.TRIAL else (State.ARMED,)
    if deployment.state not in waits_for or deployment.transaction != armed.transaction:
        forget(node)
        return None
    if armed.kind is ArmedKind.TRIAL and os.uname().release == armed.kernel:
        return None  # it is judged when the system is up
    return armed


def _carry_out(node: Node, armed: Armed, monitor: Monitor) -> Done:
    monitor.emit(
        Note(f"exchanging the trees, as decided before this boot: {armed.kind} to {node.state.deployment().target or 'what was before'}")
    )
    forget_offline_update(node.root)  # now: it would be a part of the tree to go back to
    try:
        with signals_held(), mounted(mount_points(node.root).intersection(armed.volumes)):
            if armed.kind is ArmedKind.UPGRADE:
                _upgrade(node, armed, monitor)
            else:
                _go_back(node, armed, monitor)
    except NeedsAttention:
        raise
    except (ReprovError, OSError) as error:
        reason = error.message if isinstance(error, ReprovError) else str(error)
        monitor.emit(Note(f"given up: {reason}"))
        disarm(node, f"given up at the boot: {reason}")
        if pending(node) is not None and armed.kind is not ArmedKind.UPGRADE:
            # Whoever goes on with what follows the commit would only arm the same again, and reboot for it, for ever.
            PostState(node.state.directory).end(f"{armed.note or 'the rollback was armed'}; it could not be done at the boot: {reason}")
        return Done.GIVEN_UP
    forget(node)
    monitor.emit(Note(f"{node.state.deployment().installed or 'the tree from before reprov'} is installed"))
    return Done.EXCHANGED


def _upgrade(node: Node, armed: Armed, monitor: Monitor) -> None:
    target_id = node.state.deployment().target
    assert target_id is not None, "an upgrade has a target"
    target, installed = ReleaseFiles.load(node.state.release_directory(target_id), local=node.local), node.installed()
    promised = node.promises(installed)
    with opened_volumes(node.root, armed.volumes) as volumes, MountWatch(node.root) as watch:
        known = record.load_live(node, installed)
        with phase(monitor, "scan", "Reading the node", files=len(target.manifest.entries)) as progress:
            seen = survey(
                volumes.root_fd,
                target.manifest.entries,
                target.ownership,
                volumes=armed.volumes,
                fences=frozenset(armed.fences),
                cache=known,
                promised=promised,
                base=installed.manifest.entries if installed else (),
                labels=armed.labels,
                progress=progress,
            )
        merged = merge(volumes.root_fd, seen, target, installed).merged
        _refuse_moved(known.entries, record.known_of(merged.scan).entries)
        hop = Hop(
            target=target,
            installed=installed,
            promised=promised,
            ops=armed.ops,
            directories=armed.directories,
            wanted=merged.target,
            scan=merged.scan,
            stays=merged.stays,
            owners=armed.owners,
            labels=armed.relabelled,
            conflicts=armed.conflicts,
        )
        commit_hop(node, hop, lambda: merged.scan, volumes, load_staged(node, target), watch, monitor)


def _go_back(node: Node, armed: Armed, monitor: Monitor) -> None:
    deployment, post = node.state.deployment(), PostState(node.state.directory)
    progress = post.progress()
    is_failure = bool(armed.note) and progress is not None and not progress.end and is_of_live_tree(progress, node)
    failed = progress if is_failure else None
    if armed.kind is ArmedKind.TRIAL and deployment.installed:
        post.quarantine(Quarantined(deployment.installed, now(), armed.note))
    trees = [ReleaseFiles.load(node.state.release_directory(name)) for name in (deployment.installed, deployment.previous) if name]
    roll_back(node, accept_changed=armed.accept_changed, apply_chown=True, failed=failed, note=armed.note, monitor=monitor)
    if failed:
        post.end(armed.note)
    changed = changed_paths(*(tree.manifest.entries for tree in trees)) if len(trees) == 2 else ()
    take_back_into_use(node, changed, monitor)


def _refuse_moved(before: Mapping[str, Entry], after: Mapping[str, Entry]) -> None:
    """Raise `ReprovError` when what release and node share is not what it was when the exchange was armed."""
    for path in sorted((before.keys() | after.keys()) - OFFLINE_PATHS):
        if is_moved(before.get(path), after.get(path)):
            raise ReprovError(f"{show(path)} changed after the exchange was armed")
