"""Inventory -> plan: everything that an upgrade would do to a node, without touching it."""

import os
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from reprov.adapters.files import opened_directory
from reprov.adapters.kept import immovable
from reprov.adapters.labels import find_label_changes
from reprov.adapters.mounts import MountWatch
from reprov.adapters.release_reader import ReleaseFiles
from reprov.adapters.rsync_program import installed_version
from reprov.adapters.source import fetch_release
from reprov.adapters.standing import read_standing
from reprov.adapters.survey import is_unchanged, survey
from reprov.adapters.volumes import can_clone, room_of
from reprov.domain.blockers import refuse
from reprov.domain.commit_time import CommitTime
from reprov.domain.comparison import Action, Blocker, Change, Comparison, compare
from reprov.domain.data_devices import DataDevices, Proving
from reprov.domain.entry import Entry, Kind, is_below, parent_of, show
from reprov.domain.ground import find_ground
from reprov.domain.kernels import keep_list
from reprov.domain.labels import LabelChange, Labelling, label_in
from reprov.domain.ownership import Owner, Promises
from reprov.domain.placement import Cost, How, costs, find_placements
from reprov.domain.plan import Plan, blockers_of_space
from reprov.domain.release import CONTEXTS_NAME, ReleaseId
from reprov.domain.rsync_version import OLDEST_VERSION, warning_of
from reprov.domain.rule_usage import count_matches
from reprov.domain.scan import Scan, Signature
from reprov.domain.source import Source
from reprov.domain.staying import Staying
from reprov.domain.units import Op, find_swaps
from reprov.errors import InvalidInput, Refused
from reprov.events import Monitor, Note, phase
from reprov.workflows import record
from reprov.workflows.boot_preflight import preflight_boot
from reprov.workflows.commit_time import with_time
from reprov.workflows.data_devices import find_data_devices
from reprov.workflows.fallback import fallback_kernels
from reprov.workflows.hot_fixes import judge_hot_fixes
from reprov.workflows.merging import merge
from reprov.workflows.node import Node, inspect_node
from reprov.workflows.owners import OwnerSearch
from reprov.workflows.record import known_of


@dataclass(frozen=True)
class Prepared:
    """A plan with the facts that it was made from; carrying it out needs no further look at the world."""

    plan: Plan
    target: ReleaseFiles
    installed: ReleaseFiles | None
    promised: Promises
    kernels: str
    """The list of the kernels that the node may fall back to, which are a part of that."""
    wanted: Mapping[str, Entry]
    """What the live tree is to be: the release's paths with what is merged."""
    contents: Mapping[str, bytes]
    """Of merged files, by digest."""
    seen: Scan
    """The node as it was found."""
    scan: Scan
    """The same, where what a merge leaves to the node is kept."""
    stays: Callable[[str], bool]
    """Whether a merge has left a path to the node."""
    scanned_at_ns: int
    """When the scan began."""
    watch: MountWatch
    owner_search: OwnerSearch
    data: DataDevices
    labels: tuple[LabelChange, ...] = ()
    """What of the node's own gets another SELinux label."""

    @property
    def labels_to_set(self) -> set[bytes]:
        """Every SELinux label that something new gets."""
        entries = [placement.entry for placement in self.plan.placements if placement.how is not How.LINK]
        entries += [change.after for change in self.plan.comparison.changes if change.after]
        return {label for entry in entries if (label := label_in(entry.xattrs))} | {change.after for change in self.labels}

    def look_again(self, root_fd: int, linked: Mapping[str, Signature]) -> Scan:
        """The node as it is now, merged again; the live files in `linked` have been linked since, which moved their ctime."""
        if is_unchanged(root_fd, self.seen, linked, scanned_at_ns=self.scanned_at_ns):
            return self.scan
        known = record.known_of(self.seen)
        seen = survey(
            root_fd,
            self.target.manifest.entries,
            self.target.ownership,
            volumes=self.scan.volumes,
            fences=self.scan.fenced,
            cache=replace(known, signatures={**known.signatures, **linked}),
            promised=self.promised,
            base=_paths_of(self.installed),
            labels=self.scan.labels,
        )
        return merge(root_fd, seen, self.target, self.installed).merged.scan


def choose_release(node: Node, role: str | None, version: str) -> ReleaseId:
    """The release that an operator named, the installed role by default. Raises `InvalidInput` when there is none."""
    if role is None:
        installed = node.state.deployment().installed
        if installed is None:
            raise InvalidInput("this node has no role yet", hint=f"name it: ROLE {version}")
        role = installed.role
    return ReleaseId.of(role, version)


@contextmanager
def prepared(
    node: Node,
    source: Source,
    release: ReleaseId,
    folder: Path,
    monitor: Monitor,
    *,
    apply_chown: bool,
    proving: Proving = Proving.AUTO,
    labelling: Labelling = Labelling.AUTO,
    commit: CommitTime = CommitTime.AUTO,
) -> Iterator[Prepared]:
    """Fetch the release's own files into `folder`, scan the node, and plan.

    The plan may have blockers, without `apply_chown` also files that follow an account; it is the caller's to refuse.
    While the block lasts, the mount table is watched.
    """
    with phase(monitor, "release", f"Fetching the files of {release}"), ThreadPoolExecutor(2) as beside:
        before = node.state.deployment().installed
        fetching = beside.submit(fetch_release, source, release, folder, node.state.release_directory(release), before)
        installed = node.installed()
        if installed and installed.release.id != release:
            beside.submit(getattr, installed, "manifest_text")
        cache = record.load_live(node, installed)
        fetching.result()
        target = ReleaseFiles.load(folder, like=installed, local=node.local)
        _require_same(target, release)
        if not target.labels and labelling is Labelling.ENABLED:
            hint = "publish a tree with a policy, or leave --selinux at auto"
            raise Refused(f"{release} has no SELinux policy, and so no labels", hint=hint)
        if not target.labels and installed and installed.labels:
            installed = replace(installed, local=None)
            target = replace(target, like=installed)
            cache = record.load_live(node, installed)
        files = len(target.manifest.entries)
    with MountWatch(node.root) as watch, opened_directory(node.root) as root_fd:
        data = find_data_devices(node, proving, monitor)
        standing = read_standing(node.root, root_fd, watch.mounts)
        managed = target.release.filesystems
        ground = find_ground(watch.mounts, managed, target.manifest.entries, standing, data.by_mount_point(managed))
        scanned_at_ns = time.time_ns()
        with phase(monitor, "scan", "Reading the node", files=files) as progress:
            kernels = keep_list(fallback_kernels(node.root, is_live=node.is_live))
            promised = node.promises(installed, kernels=kernels)
            seen = survey(
                root_fd,
                target.manifest.entries,
                target.ownership,
                volumes=ground.volumes,
                fences=ground.fences,
                cache=cache,
                promised=promised,
                base=_paths_of(installed),
                labels=target.labels,
                progress=progress,
            )
        known = known_of(seen)
        if node.may_write and known.signatures != cache.signatures:
            record.save_live(node, known, installed)
        merging = merge(root_fd, seen, target, installed)
        wanted, scan = merging.merged.target, merging.merged.scan
        comparison = compare(wanted, scan, target.ownership, ground.fences)
        unlinkable = immovable(root_fd, _owned_by_node(scan))
        swaps = find_swaps({change.path: change for change in comparison.changes}, wanted, scan, unlinkable)
        clones = {volume: can_clone(node.root, volume) for volume in scan.volumes}
        placements = find_placements(swaps, comparison, wanted, scan, clones, merging.contents)
        needs = costs(placements, clones) if comparison.changes else {}
        label_changes = _label_changes(root_fd, scan, wanted, target, installed if cache.labels else None)
        owner_search = OwnerSearch(merging.accounts, partial(Staying.in_upgrade, scan, wanted, comparison), watch.mounts)
        owners = owner_search.run(root_fd, monitor)
        blockers = (
            *_blockers_of_machine(target),
            *_blockers_of_rsync(monitor),
            *comparison.blockers,
            *merging.blockers,
            *_blockers_of_flags(root_fd, swaps.ops, comparison.changes),
            *owners.refusals(apply_chown=apply_chown),
            *blockers_of_space(needs, {volume: room_of(node.root, volume) for volume in needs}),
            *_blockers_of_boot(node.root, installed, target, needs),
        )
        plan = Plan(
            release=release,
            installed=installed.release.id if installed else None,
            source=source.text,
            comparison=merging.merged.explain(comparison),
            conflicts=merging.merged.conflicts,
            notes=merging.accounts.notes if merging.accounts else (),
            alternatives=merging.alternatives,
            hot_fixes=judge_hot_fixes(root_fd, seen, installed, target, _replaced(comparison)),
            swaps=swaps,
            placements=placements,
            costs=needs,
            blockers=blockers,
            owners=owners,
            fences=ground.notes,
            data=data,
        )
        ready = Prepared(
            plan,
            target,
            installed,
            promised,
            kernels,
            wanted,
            merging.contents,
            seen,
            scan,
            merging.merged.stays,
            scanned_at_ns,
            watch,
            owner_search,
            data,
            label_changes,
        )
        yield with_time(node, ready, commit)


def refuse_blocked(plan: Plan) -> None:
    """Raise `Refused` with the first blocker of a plan that has any."""
    refuse(plan.blockers, more=" (and {} more: see `reprov plan`)")


def _label_changes(
    root_fd: int, scan: Scan, wanted: Mapping[str, Entry], target: ReleaseFiles, installed: ReleaseFiles | None
) -> tuple[LabelChange, ...]:
    """What of the node's own the new policy labels otherwise than the installed one; with None, of all that has no label.

    That is a node which had no labels when it was last looked at, or of which nobody knows any more.
    """
    if not target.labels:
        return ()
    if installed and installed.release.files.get(CONTEXTS_NAME) == target.release.files[CONTEXTS_NAME]:
        return ()
    # Add-only directories of the release have been entered: what is in them is listed itself.
    paths = [
        (path, scan.kind_at(path) is Kind.DIR and (verdict.owner is Owner.KEEP or path not in wanted))
        for path, verdict in scan.verdicts.items()
        if path not in scan.fenced
    ]
    return find_label_changes(root_fd, paths, installed.contexts if installed else None, target.contexts)


def _replaced(comparison: Comparison) -> set[str]:
    """The paths whose content an upgrade replaces or removes."""
    return {change.path for change in comparison.changes if change.action is not Action.METADATA}


def _blockers_of_boot(root: Path, installed: ReleaseFiles | None, target: ReleaseFiles, needs: Mapping[str, Cost]) -> Iterable[Blocker]:
    before = installed.manifest.entries if installed else {}
    return preflight_boot(root, before, target.manifest.entries, {volume: cost.size_bytes for volume, cost in needs.items()})


def _paths_of(release: ReleaseFiles | None) -> Collection[str]:
    return release.manifest.entries if release else ()


def _require_same(target: ReleaseFiles, release: ReleaseId) -> None:
    if target.release.id != release:
        raise InvalidInput(f"the server gave {target.release.id} for {release}", hint="the store is damaged; publish the release again")


def _owned_by_node(scan: Scan) -> list[tuple[str, bool]]:
    """The node's paths directly inside directories that may swap; those below /etc are looked through, they would be rebuilt."""
    return [
        (path, scan.kind_at(path) is Kind.DIR and is_below(path, "etc"))
        for path, verdict in scan.verdicts.items()
        if parent_of(path) not in scan.verdicts
        and (verdict.owner is Owner.KEEP or scan.kind_at(path) is not Kind.DIR or is_below(path, "etc"))
    ]


def _blockers_of_machine(target: ReleaseFiles) -> list[Blocker]:
    machine = os.uname().machine
    if target.release.machine == machine:
        return []
    return [Blocker("", f"is a {machine} node, and the release is for {target.release.machine}", "build the role for this architecture")]


def _blockers_of_rsync(monitor: Monitor) -> list[Blocker]:
    version = installed_version()
    if warning := warning_of(version):
        monitor.emit(Note(warning))
    if version is None or version < OLDEST_VERSION:
        return [Blocker("", "has no rsync of version 3.2.0 or newer", "install one")]
    return []


def _blockers_of_flags(root_fd: int, ops: Sequence[Op], changes: Sequence[Change]) -> list[Blocker]:
    """Immutable and append-only paths that would change, and directories in which something would: somebody wanted them to stay.

    The kernel minds only what is exchanged itself, not what lies in a directory that is.
    """
    paths = {op.path for op in ops} | {change.path for change in changes if change.before is not None}
    paths |= {parent_of(path) for path in paths} | {parent_of(change.path) for change in changes}
    found = immovable(root_fd, [(path, False) for path in sorted(paths)])
    return [
        Blocker(path, f"is {flag} (chattr) and would have to be exchanged", f"chattr -{flag[0]} {show(path)}, or keep it by a list")
        for path, flag in found.items()
    ]


def plan_upgrade(
    root: Path,
    source: Source,
    role: str | None,
    version: str,
    monitor: Monitor,
    *,
    apply_chown: bool = False,
    proving: Proving = Proving.AUTO,
    labelling: Labelling = Labelling.AUTO,
    commit: CommitTime = CommitTime.AUTO,
    count_rules: bool = False,
) -> Plan:
    """The plan of an upgrade, with its blockers; nothing of the node is changed but the cache of what was read.

    With `count_rules` it says of every rule of the lists how many paths it matches.
    """
    node = inspect_node(root, labelling)
    if node.state.is_interrupted():
        monitor.emit(
            Note("a change of this node was interrupted; `reprov recover` finishes or undoes it, and this plan may then be another")
        )
    release = choose_release(node, role, version)
    with (
        tempfile.TemporaryDirectory(prefix="reprov-") as folder,
        prepared(
            node,
            source,
            release,
            Path(folder),
            monitor,
            apply_chown=apply_chown,
            proving=proving,
            labelling=labelling,
            commit=commit,
        ) as ready,
    ):
        if not count_rules:
            return ready.plan
        target = ready.target
        return replace(ready.plan, rules=count_matches(target.ownership, ready.seen.entries, target.manifest.entries))
