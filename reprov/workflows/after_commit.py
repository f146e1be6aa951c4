"""Committed -> confirmed, or rolled back: what runs on a node after its commit, in the order of `_carry_out`.

Everything that this needs is loaded before the commit: afterwards, the files of the running interpreter may be others.
"""

import os
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from reprov.adapters.debian_database import read_debian_tree
from reprov.adapters.files import opened_directory, read_at
from reprov.adapters.kept_watch import KeptWatch, read_kept, write_kept
from reprov.adapters.loaders import find_loaders
from reprov.adapters.post_state import PostState
from reprov.adapters.program_covers import MountSpace
from reprov.adapters.proof import boot_id
from reprov.adapters.release_reader import ReleaseFiles
from reprov.adapters.root_view import RootView
from reprov.adapters.step_files import StepFiles
from reprov.adapters.step_runner import StepRunner
from reprov.adapters.step_space import RunStep, live_space, require_space, root_space
from reprov.adapters.step_wrappers import cover_services
from reprov.adapters.survey import OWN_DIRECTORY
from reprov.adapters.times import put_times_back
from reprov.adapters.volumes import opened_volumes
from reprov.domain.check import Check, Checked
from reprov.domain.convergence import Converged
from reprov.domain.deployment import State
from reprov.domain.entry import Kind
from reprov.domain.health import Patience
from reprov.domain.kept_paths import kept_tops
from reprov.domain.late_triggers import late_trigger_steps
from reprov.domain.native_work import PROGRAMS, NativeFacts, native_steps
from reprov.domain.ownership import SHARED
from reprov.domain.post_progress import Done, Progress
from reprov.domain.post_script import PostScript, Step, Work, WorkKind
from reprov.domain.quarantine import Quarantined
from reprov.domain.release import ReleaseId
from reprov.domain.scan import Scan
from reprov.domain.trial import Verdict
from reprov.errors import HopFailed, NeedsAttention, ReprovError
from reprov.events import Monitor, Note, phase
from reprov.workflows.checks import RESULTS, checks_of, run_checks
from reprov.workflows.commit import signals_heard, signals_held, void_held_signals
from reprov.workflows.converge import CONVERGING, converge, hook_of_node
from reprov.workflows.data_devices import inventory_to_guard
from reprov.workflows.guarded import guarded
from reprov.workflows.health import load_way_back, recover_health, require_well, save_baseline, watch_no_more, watch_over
from reprov.workflows.hop_proof import begun_proof, prove_after
from reprov.workflows.node import Node, now
from reprov.workflows.pending import pending
from reprov.workflows.policy import label_what_was_made
from reprov.workflows.reboot import reboot_now
from reprov.workflows.rollback import arm_way_back, roll_back
from reprov.workflows.services import Settled, services_missing, want_reboot
from reprov.workflows.taken_into_use import InUse, take_back_into_use, take_into_use
from reprov.workflows.trial import judge, require_came_up
from reprov.workflows.trial_boot import await_kernel, confirm_kernel, end_trial

_SYNC_AFTER_S: Final = 2.0
"""A power cut costs what ran since the last sync: scripts are made to be run again."""
_TRIGGER_ROUNDS: Final = 5
_PROGRAM_FOLDERS: Final = ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin")
_MODULES: Final = "usr/lib/modules"
_OWN_MODULES: Final = ("updates", "extra", "weak-updates")
"""Where DKMS and its like put modules (depmod.d(5))."""
_HIDE: Final = 'for place; do mount -n -t tmpfs -o ro,nosuid,nodev,noexec,mode=0700 reprov-hidden "$place"; done'


@dataclass(frozen=True, slots=True)
class Finished:
    """What ran after a commit that is confirmed."""

    steps: int
    elapsed_s: float
    reboot_wanted_by: tuple[str, ...]
    """The scripts that asked for a reboot."""
    in_use: InUse
    converged: Converged | None
    """None for a node that nothing converges."""
    checked: Checked
    """Of the role's checks, where no convergence has asked them."""
    tried: str = ""
    """The kernel that has come up; "" where none was tried."""

    @property
    def reboot_reasons(self) -> tuple[str, ...]:
        """Why a reboot is wanted, in words."""
        return (*self.asked_for_reboot, *self.in_use.settled.reboot_reasons)

    @property
    def asked_for_reboot(self) -> tuple[str, ...]:
        """The reasons that are this hop's, and not those of a running system that has been looked at."""
        asked = (*(f"{script} asked for it" for script in self.reboot_wanted_by), self.in_use.booted.reboot_reason)
        return tuple(filter(None, asked))

    @property
    def summary(self) -> str:
        """In a line."""
        if self.tried:
            return f"kernel {self.tried} came up"
        return f"{self.steps} step{'' if self.steps == 1 else 's'} in {self.elapsed_s:.1f} s" if self.steps else "no script to run"


def begin(
    node: Node,
    script: PostScript,
    seen: Scan,
    changed: Collection[str],
    monitor: Monitor,
    *,
    at_boot: bool = False,
    reboots: bool = False,
    patience: Patience | None = None,
) -> None:
    """Write down, before a commit, what follows it; `changed` are the paths whose content it changes, now or `at_boot`.

    With `reboots`, a boot that brings the commit is followed by that of a kernel on trial, without anybody's asking for it.
    Raises `Refused` where it could not be run.
    """
    deployment = node.state.deployment()
    post = PostState(node.state.directory)
    was_live = node.is_live and not at_boot
    post.begin(script, Progress(deployment.transaction, boot_id(), was_live, len(script.steps), time.time_ns(), reboots=reboots))
    post.write_changed(changed)
    write_kept(post.directory, kept_tops(seen))
    if script.steps or script.works:
        require_space(node.root)
    if node.is_live:
        inventory_to_guard(node, monitor)
    save_baseline(node, patience)


def go_on(node: Node, monitor: Monitor) -> Finished:
    """Do what follows a commit, from where it was left. The caller holds signals; here they are heard, and count as a failure.

    The node is confirmed then, unless a new kernel is to be tried: after the reboot, this goes on with what is left.

    Raises `HopFailed` when something fails and the node is rolled back, `NeedsAttention` when not even that is possible; `ProofFailed`
    when a boot has come between, and data is not proved to be untouched since before it.
    """
    post = PostState(node.state.directory)
    progress = pending(node)
    assert progress is not None, "there is something to go on with"
    watch: KeptWatch | None = None
    try:
        with signals_heard():
            watch_over(node, monitor)
            load_way_back(node)
            script = post.script()
            progress = progress.taken_up(boot_id())
            post.write_progress(progress)
            if not progress.awaits and (script.steps or script.works):
                watch = KeptWatch(node.root, post.directory, read_kept(post.directory), is_live=node.is_live)
            if progress.awaits:
                finished = _judge_trial(node, progress, monitor)
            else:
                finished = _carry_out(node, post, script, progress, watch, monitor)
        if finished.in_use.booted.trial:
            _await_trial(node, finished)
        else:
            _confirm(node, post, finished)
    except BaseException as error:
        failure = _undo(node, post, progress, watch, error, monitor)
        raise failure from (error if isinstance(error, Exception) else None)
    watch_no_more(node)
    if node.is_live and not progress.was_live and not finished.in_use.booted.trial:
        prove_after(node, begun_proof(node, f"upgrade to {node.state.deployment().installed}"), monitor)
    return finished


def take_back(node: Node, error: BaseException, monitor: Monitor) -> ReprovError:
    """Take a commit back of which something is left to be done, for that reason; gives the error that says so."""
    post = PostState(node.state.directory)
    progress = pending(node)
    assert progress is not None, "there is something to take back"
    watch: KeptWatch | None = None
    with suppress(OSError, ReprovError):  # what scripts have taken away stays so, but the tree comes back
        script = post.script()
        if script.steps or script.works:
            watch = KeptWatch(node.root, post.directory, read_kept(post.directory), is_live=node.is_live)
    return _undo(node, post, progress, watch, error, monitor)


def _undo(node: Node, post: PostState, progress: Progress, watch: KeptWatch | None, error: BaseException, monitor: Monitor) -> ReprovError:
    failure = recover_health(node, _roll_back(node, post, progress, watch, error, monitor), monitor)
    watch_no_more(node)
    return failure


def _carry_out(node: Node, post: PostState, script: PostScript, progress: Progress, watch: KeptWatch | None, monitor: Monitor) -> Finished:
    """Everything that follows a commit, one after the other. Raises `ReprovError` for the first thing that fails."""
    began = time.monotonic()
    installed = node.installed()
    changed = post.changed()
    if watch:
        progress = _run_scripts(node, post, script, progress, watch, monitor)
    elapsed_s = time.monotonic() - began
    works = (*script.works, *progress.collected.works)
    in_use = take_into_use(
        node,
        changed,
        progress.collected.services,
        monitor,
        renew_initramfs=any(work.kind is WorkKind.INITRAMFS for work in works),
        has_booted=node.is_live and not progress.was_live,
    )
    converged, checked = _judge(node, installed, monitor)
    if node.local is not None:
        label_what_was_made(node.root)
    require_well(node, progress.transaction, monitor, is_last=not in_use.booted.trial)
    if in_use.booted.on_trial:  # the power failed before anybody had written down what was awaited
        confirm_kernel(node, monitor)
    return Finished(len(progress.done), elapsed_s, progress.reboot_wanted_by, in_use, converged, checked)


def _judge_trial(node: Node, progress: Progress, monitor: Monitor) -> Finished:
    """After the reboot for a new kernel: whether it came up, and what runs on it is well. Raises `ReprovError`."""
    require_came_up(node)
    installed = node.installed()
    for failure in services_missing(node):
        raise ReprovError(f"{failure.unit} {failure.problem}", hint=f"journalctl -u {failure.unit}")
    checked = _checked(node, checks_of(node, installed) if installed else (), monitor)
    require_well(node, progress.transaction, monitor)
    return Finished(
        0, 0.0, (), InUse(confirm_kernel(node, monitor), Settled()), None, checked, progress.awaits.version if progress.awaits else ""
    )


def _judge(node: Node, installed: ReleaseFiles | None, monitor: Monitor) -> tuple[Converged | None, Checked]:
    """Converge the node if anything does, in rounds that its role's checks judge; else ask these alone. Raises `ReprovError`."""
    checks = checks_of(node, installed) if installed else ()
    hook = hook_of_node(node.root, installed)
    if hook is None:
        return None, _checked(node, checks, monitor)
    converged = converge(node.root, hook, monitor, checks=checks)
    if not converged.is_fine:
        raise ReprovError(converged.problem, hint=f"{node.state.directory / CONVERGING} has what {hook.tool} said")
    return converged, Checked(())


def _checked(node: Node, checks: Sequence[Check], monitor: Monitor) -> Checked:
    checked = run_checks(node.root, checks, node.state.directory / RESULTS, monitor)
    if not checked.is_fine:
        raise ReprovError(checked.problem, hint=f"{node.state.directory / RESULTS} has what the checks said")
    return checked


def _run_scripts(node: Node, post: PostState, script: PostScript, progress: Progress, watch: KeptWatch, monitor: Monitor) -> Progress:
    journal = node.state.previous_journal()
    volumes = journal.volumes if journal else ("",)
    post.hold_ballast()
    with _opened_runner(node, post, script, volumes, monitor) as runner:
        run = _Run(node, post, progress, watch, runner, volumes)
        with phase(monitor, "scripts", "Running scripts", files=len(script.steps)) as told:
            for step in script.steps:
                run.step(step)
                told.advance(files=1)
            for step in run.late_triggers(script):
                run.step(step)
                told.advance(files=1)
        collected = run.progress.collected
        native = native_steps(_works_here(node, (*script.works, *collected.works)), collected.caches, _native_facts(node))
        with phase(monitor, "native", "Updating caches", files=len(native)) as told:
            for step in native:
                run.step(step)
                told.advance(files=1)
    _put_times_back(node, progress.began_ns)
    if problem := watch.identity_problem():
        raise ReprovError(f"after all scripts the node is not itself any more: {problem}")
    run.sync()
    post.release_ballast()
    return run.progress


def _put_times_back(node: Node, since_ns: int) -> None:
    """What scripts have written again as it was is no drift from the release."""
    installed = node.installed()
    if installed is None:
        return
    ownership, entries = installed.ownership, installed.manifest.entries
    files = (entry for path, entry in entries.items() if entry.kind is Kind.FILE and ownership.of(path, is_dir=False).owner in SHARED)
    with opened_directory(node.root) as root_fd:
        put_times_back(files, since_ns, root_fd=root_fd)


class _Run:
    """Runs steps one after the other, and writes down how far it got."""

    def __init__(
        self, node: Node, post: PostState, progress: Progress, watch: KeptWatch, runner: StepRunner, volumes: Sequence[str]
    ) -> None:
        self.progress = progress
        self._node = node
        self._post = post
        self._watch = watch
        self._runner = runner
        self._volumes = volumes
        self._names = {item.script for item in progress.done}
        self._synced_at = time.monotonic()

    def step(self, step: Step) -> None:
        """Run one, unless that was done before. Raises `ReprovError` when the hop fails by it."""
        if step.script in self._names:
            return
        end = self._runner.run(step, len(self.progress.done) + 1)
        if failure := end.failure(step):
            raise ReprovError(failure, hint=f"{end.log} has what it said")
        if problem := self._watch.problem():
            raise ReprovError(f"{step.script}: {problem}", hint=f"{end.log} has what it said")
        is_synced = time.monotonic() - self._synced_at > _SYNC_AFTER_S
        if is_synced:
            self.sync()
        item = Done(step.script, end.elapsed_s, end.wants_reboot, end.collected, is_synced)
        self._post.add_done(item)
        self.progress = self.progress.with_done(item)
        self._names.add(step.script)

    def sync(self) -> None:
        """Have everything on the disks."""
        with opened_volumes(self._node.root, self._volumes) as volumes:
            volumes.sync()
        self._synced_at = time.monotonic()

    def late_triggers(self, script: PostScript) -> Iterator[Step]:
        """Steps for the triggers that scripts have activated and the post-script has no step for, until there is none left."""
        for _ in range(_TRIGGER_ROUNDS):
            activated = self.progress.collected.triggers
            if not activated:
                return
            with opened_directory(self._node.root) as root_fd:
                tree = read_debian_tree(partial(read_at, dir_fd=root_fd), str(self._node.root))
            steps = late_trigger_steps(activated, tree, script.steps, self._names)
            if not steps:
                return
            yield from steps


@contextmanager
def _opened_runner(node: Node, post: PostState, script: PostScript, volumes: Sequence[str], monitor: Monitor) -> Iterator[StepRunner]:
    """The place where steps run: under the guard where the running system has data devices, in a sandbox with --root."""
    opened: list[tuple[MountSpace, StepFiles]] = []

    def prepare(space: MountSpace) -> None:
        hidden = (os.fspath(Path(node.root, volume, OWN_DIRECTORY)) for volume in volumes)
        space.run(("sh", "-euc", _HIDE, "sh", *(place for place in hidden if Path(place).is_dir())))
        files = StepFiles.opened(space, script.steps)
        opened.append((space, files))
        cover_services(space)

    def runner(run: RunStep) -> StepRunner:
        ((space, files),) = opened
        return StepRunner(space, files, run, post.directory)

    try:
        if not node.is_live:
            with root_space(node.root, prepare) as run:
                yield runner(run)
            return
        inventory = inventory_to_guard(node, monitor)
        if inventory is None:
            with live_space(prepare) as run:
                yield runner(run)
            return
        with guarded(inventory, node.root, prepare=prepare) as guard:
            yield runner(guard.run)
    finally:
        for _, files in opened:
            os.close(files.trace_fd)


def _works_here(node: Node, works: Iterable[Work]) -> tuple[Work, ...]:
    """Without the initramfs where a boot loader starts the node: that one is made with the menu (`_make_bootable`)."""
    has_loader = bool(find_loaders(node.root))
    return tuple(work for work in works if not (has_loader and work.kind is WorkKind.INITRAMFS))


def _native_facts(node: Node) -> NativeFacts:
    with opened_directory(node.root) as root_fd:
        view = RootView(root_fd)
        programs = [name for name in PROGRAMS if any(view.is_program(f"{folder}/{name}") for folder in _PROGRAM_FOLDERS)]
        kernels = [name for name in view.names(_MODULES) if view.status(f"{_MODULES}/{name}/modules.order") is not None]
        unindexed = [name for name in kernels if not _has_index(view, name)]
    return NativeFacts(programs, tuple(kernels), tuple(unindexed), node.is_live)


def _has_index(view: RootView, kernel: str) -> bool:
    folder = f"{_MODULES}/{kernel}"
    return view.status(f"{folder}/modules.dep") is not None and not any(view.status(f"{folder}/{name}") for name in _OWN_MODULES)


def _await_trial(node: Node, finished: Finished) -> None:
    """All is well so far: the node stays committed, and its next boot tries the kernel."""
    want_reboot(node.root, finished.asked_for_reboot)
    await_kernel(node, finished.in_use.booted)
    void_held_signals()


def _confirm(node: Node, post: PostState, finished: Finished) -> None:
    deployment = node.state.deployment()
    details: dict[str, object] = {"steps": finished.steps, "note": finished.summary} if finished.steps or finished.tried else {}
    if finished.reboot_reasons:
        details["reboot"] = finished.reboot_reasons
        want_reboot(node.root, finished.asked_for_reboot)
    node.state.write_deployment(deployment.moved_to(State.CONFIRMED, now()), **details)
    post.end("confirmed")
    end_trial(node)
    if deployment.installed:
        post.lift_quarantine(deployment.installed)
    void_held_signals()


def _roll_back(
    node: Node, post: PostState, progress: Progress, watch: KeptWatch | None, error: BaseException, monitor: Monitor
) -> ReprovError:
    """Take the commit back; gives the error that says so. Nothing that goes wrong beside it keeps the node from its rollback."""
    reason, hint = _reason(error)
    release, before = node.state.deployment().installed, node.state.deployment().previous
    with signals_held():
        with suppress(OSError):
            post.release_ballast()
        with suppress(OSError, ReprovError):
            if release:
                post.quarantine(Quarantined(release, now(), reason))
        beyond: tuple[str, ...] = ()
        if watch:
            with suppress(OSError, ReprovError):
                beyond = watch.restore()
        for path in beyond:
            monitor.emit(Note(f"{path} cannot be brought back"))
        try:
            if node.is_live and (not progress.was_live or judge(node) is Verdict.CAME_UP):
                return _go_back_at_boot(node, reason, monitor)
            roll_back(node, accept_changed=False, apply_chown=True, failed=progress, note=reason, monitor=monitor)
        except (ReprovError, OSError) as second:
            said = second.message if isinstance(second, ReprovError) else str(second)
            return NeedsAttention(
                f"{reason}; and the node could not be rolled back: {said}",
                hint=second.hint if isinstance(second, ReprovError) and second.hint else "`reprov rollback` tries it again",
            )
        post.end(reason)
        take_back_into_use(node, post.changed(), monitor)
    name = _name(before)
    return HopFailed(f"{reason}; {name} is back", hint=f"{hint}; `reprov upgrade --retry` tries {release} again")


def _go_back_at_boot(node: Node, reason: str, monitor: Monitor) -> HopFailed:
    """What a boot has brought, a boot takes back; nobody may be there to ask for it."""
    name = _name(node.state.deployment().previous)
    arm_way_back(node, (reason,), note=reason, monitor=monitor)
    reboot_now(node.root, reason)
    return HopFailed(f"{reason}; the node reboots, and {name} is back then")


def _reason(error: BaseException) -> tuple[str, str]:
    """What went wrong, and where to look."""
    if isinstance(error, ReprovError):
        return error.message, error.hint or "`reprov history` says when"
    if isinstance(error, OSError):
        return f"what follows the commit failed: {error.strerror or error}", "`reprov history` says when"
    if isinstance(error, Exception):
        return f"what follows the commit failed: {type(error).__name__}: {error}", "this is a bug in reprov: report it"
    return "somebody asked reprov to stop while scripts ran", "let it run to its end"


def _name(release: ReleaseId | None) -> str:
    return str(release) if release else "the tree from before reprov"
