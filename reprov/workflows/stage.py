"""Plan -> staged: the next tree beside the live one, complete, on the disk, and read back."""

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress

from reprov.adapters.durable import write_durably
from reprov.adapters.files import digest_at
from reprov.adapters.node_state import INCOMING, LEFTOVER, NodeState
from reprov.adapters.source import fetch_contents
from reprov.adapters.staging import Staging, move_into, unstage
from reprov.adapters.survey import OWN_DIRECTORY
from reprov.adapters.volumes import Volumes, probe
from reprov.domain.comparison import Blocker
from reprov.domain.deployment import State
from reprov.domain.entry import Kind, parent_of
from reprov.domain.placement import Placement, in_order
from reprov.domain.plan import Plan
from reprov.domain.scan import Scan
from reprov.domain.source import Source
from reprov.domain.units import OpKind
from reprov.events import Monitor, NullMonitor, Progress, phase
from reprov.workflows.node import Node, now
from reprov.workflows.plan import Prepared, refuse_blocked

# Small enough that little is left to do when the last file has come, large enough that a sync is worth it.
_BATCH_BYTES = 64 << 20
_BATCH_FILES = 1000


def stage(node: Node, ready: Prepared, volumes: Volumes, monitor: Monitor) -> Staging:
    """Build the next tree beside the live one. Whatever goes wrong, nothing of it stays and the node is as it was."""
    plan = ready.plan
    deployment = node.state.deployment()
    staging_state = deployment.moved_to(
        State.STAGING,
        now(),
        target=plan.release,
        transaction=secrets.token_hex(8),
        from_nothing=not _has_a_system(ready.scan),
        target_source=plan.source,
        volumes=tuple(volumes.own_fds),
    )
    try:
        refuse_blocked(plan.blocked_by(_probe_parents(node.state, volumes, plan)))
        write_durably(node.state.directory / "plan.json", json.dumps(plan.to_fields()).encode())
        node.state.write_deployment(staging_state)
        staging = Staging(volumes, ready.scan, plan.placements, ready.contents)
        _fill(node, staging, plan, volumes, monitor)
        node.state.write_deployment(staging_state.moved_to(State.STAGED, now()))
    except BaseException:
        unstage(volumes)
        if node.state.deployment().state is State.STAGING:
            with suppress(OSError):  # a full disk has no room for this either; the next run finds that there is nothing to give up
                node.state.write_deployment(node.state.deployment().abandoned(now()), note="staging failed")
        raise
    return staging


def _has_a_system(scan: Scan) -> bool:
    """Whether there is a tree to go back to: directories alone are mount points, and kept files the identity of a node to be."""
    return any(entry.kind is not Kind.DIR and path not in scan.verdicts for path, entry in scan.entries.items())


def _probe_parents(state: NodeState, volumes: Volumes, plan: Plan) -> list[Blocker]:
    """Try exchange, link and mark in the real parent of every op."""
    parents = sorted({(op.volume, parent_of(op.path)) for op in plan.swaps.ops if op.kind is not OpKind.CARRY})
    with state.probing(parents):
        blockers = [
            Blocker(directory, problem, "mend that, or keep what lies there by a *.exclude list")
            for volume, directory in parents
            if (problem := probe(volumes, volume, directory))
        ]
        # Otherwise a power cut may bring a scratch file back, but not what says where to look for it: no filesystem keeps the order
        # of what happens on two disks, and btrfs, where fsync is used, not even that of two directories.
        volumes.sync()
    return blockers


def _fill(node: Node, staging: Staging, plan: Plan, volumes: Volumes, monitor: Monitor) -> None:
    """Make every placement. What the node has is linked, and what has arrived is checked, while the rest is under way."""
    local, arriving, derived = in_order(plan.placements)
    quiet = Progress(NullMonitor(), "stage")
    with _beside() as linker, _beside() as taker:
        linking = linker.submit(staging.build, local, quiet)
        with phase(monitor, "fetch", "Fetching content", files=len(arriving), size_bytes=plan.fetch_bytes) as fetched:
            intake = _Intake(staging, volumes, taker, linking, fetched)
            for volume, own_fd in volumes.own_fds.items():
                wanted = {volumes.inside(volume, path): placement for path, placement in arriving.items() if placement.volume == volume}
                _fetch(node, plan, volume, own_fd, wanted, intake)
            intake.close()
        with phase(monitor, "stage", "Staging the next tree", files=len(plan.placements)) as progress:
            written = linking.result()
            progress.advance(files=len(local))
            written += staging.build(derived, progress)
            staging.close()
            intake.wait()
            progress.advance(files=len(arriving))
        with phase(monitor, "verify", "Checking what was staged", files=len(arriving) + len(written)) as progress:
            progress.advance(files=len(arriving))
            volumes.sync()
            staging.verify(written, progress)
            staging.renew_signatures()


class _Intake:
    """Files as they arrive: each is put in its place, and batches are written back, read back and compared beside."""

    def __init__(
        self,
        staging: Staging,
        volumes: Volumes,
        worker: ThreadPoolExecutor,
        linking: Future[list[Placement]],
        progress: Progress,
    ) -> None:
        self._staging = staging
        self._volumes = volumes
        self._worker = worker
        self._progress = progress
        self._batch: list[Placement] = []
        self._batch_bytes = 0
        self._linking = linking
        self._under_way: list[Future[None]] = []

    def take(self, placement: Placement) -> None:
        """A file has arrived: put it in its place. Raises what has gone wrong beside: a bad server is not listened to until its end."""
        self._batch += self._staging.build((placement,), self._progress)
        self._batch_bytes += placement.entry.size
        if self._batch_bytes >= _BATCH_BYTES or len(self._batch) >= _BATCH_FILES:
            self.close()
            if self._linking.done():
                self._linking.result()
            for earlier in self._under_way:
                if earlier.done():
                    earlier.result()

    def close(self) -> None:
        """No more files in this batch."""
        self._under_way.append(self._worker.submit(self._check, self._batch))
        self._batch, self._batch_bytes = [], 0

    def wait(self) -> None:
        """Until all that was taken is checked. Raises `ReprovError` for what is not as the manifest says."""
        for batch in self._under_way:
            batch.result()

    def _check(self, batch: list[Placement]) -> None:
        self._volumes.sync()
        self._staging.verify(batch, Progress(NullMonitor(), "verify"))


def _fetch(node: Node, plan: Plan, volume: str, own_fd: int, wanted: Mapping[str, Placement], intake: _Intake) -> None:
    """Get the content that the node has nowhere; `wanted` is by path inside the volume.

    It comes into a directory of its own, where a server that sends what nobody asked for finds neither a link of a live
    file nor a symlink.
    """
    missing = dict(wanted)
    for inside in _salvaged(own_fd, wanted):
        intake.take(missing.pop(inside))
    if missing:
        incoming = node.root / volume / OWN_DIRECTORY / INCOMING
        source = Source.parse(plan.source)
        fetch_contents(source, plan.release, volume, missing, incoming, lambda inside: intake.take(missing[inside]))


def _salvaged(own_fd: int, wanted: Mapping[str, Placement]) -> Iterator[str]:
    """Put content that an interrupted or staged-only run has fetched already where it would be fetched to, and give its path."""
    found: set[str] = set()
    for place in (INCOMING, LEFTOVER):
        try:
            os.stat(place, dir_fd=own_fd, follow_symlinks=False)
        except FileNotFoundError:
            continue
        for inside in wanted.keys() - found:
            try:
                status = os.stat(f"{place}/{inside}", dir_fd=own_fd, follow_symlinks=False)
                # A file with other names is a link into another tree, whose metadata is not ours to change.
                if status.st_nlink != 1 or digest_at(f"{place}/{inside}", dir_fd=own_fd) != wanted[inside].entry.digest:
                    continue
            except OSError:
                continue
            if place != INCOMING:
                move_into(f"{place}/{inside}", f"{INCOMING}/{inside}", dir_fd=own_fd)
            found.add(inside)
            yield inside


@contextmanager
def _beside() -> Iterator[ThreadPoolExecutor]:
    """A thread for what can be done beside; what it has not begun when something fails is not begun any more."""
    worker = ThreadPoolExecutor(1)
    try:
        yield worker
    finally:
        worker.shutdown(cancel_futures=True)
