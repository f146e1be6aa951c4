"""A kernel on trial -> what the node boots, or what it boots no more."""

from pathlib import Path

from reprov.adapters.post_state import PostState
from reprov.adapters.processes import boot_id
from reprov.adapters.trial_watchdog import end_watchdog
from reprov.domain.kernels import kernels_of
from reprov.domain.trial import Awaited
from reprov.errors import ReprovError
from reprov.events import Monitor, Note
from reprov.workflows.arm import arm_trial
from reprov.workflows.kernels import Booted, confirm_boot, forget_trial
from reprov.workflows.node import Node


def await_kernel(node: Node, booted: Booted) -> None:
    """Write down that all is done but the trial of the kernel that the next boot is of; the boot after that goes back by itself."""
    post = PostState(node.state.directory)
    progress = post.progress()
    assert progress is not None, "the trial follows a commit"
    post.write_progress(progress.waiting(Awaited(booted.trial, booted.default, boot_id())))
    arm_trial(node, booted.trial)


def confirm_kernel(node: Node, monitor: Monitor) -> Booted:
    """Have the kernel that was tried booted from now on. Raises `ReprovError` with the old one in its place."""
    installed = node.installed()
    return confirm_boot(node.root, kernels_of(installed.manifest.entries) if installed else {}, monitor)


def end_trial(node: Node) -> None:
    """Nothing that was set up for a trial is to happen any more."""
    node.state.forget_armed()
    if node.is_live:
        end_watchdog()


def withdraw(root: Path, monitor: Monitor) -> None:
    """Take the one-shot entry away before the tree of its kernel goes; what does not go well is said, and stops nothing."""
    try:
        forget_trial(root)
    except (ReprovError, OSError) as error:
        said = error.message if isinstance(error, ReprovError) else str(error)
        monitor.emit(Note(f"the next boot may be one of the kernel that was to be tried: {said}"))
