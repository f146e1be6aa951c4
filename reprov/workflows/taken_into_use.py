"""An exchanged tree is what the node boots and runs: its policies compiled, its kernels in the boot menu, its services settled.

After a commit whatever fails is an error, because there is a way back; after a rollback it is a note, because there is none.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from reprov.adapters.health_state import HealthState
from reprov.adapters.release_reader import ReleaseFiles
from reprov.domain import trial as kernel_trial
from reprov.domain.kernels import kernels_of
from reprov.domain.post_script import ServiceFact
from reprov.errors import ReprovError
from reprov.events import Monitor, Note
from reprov.workflows.kernels import Booted, update_boot
from reprov.workflows.node import Node
from reprov.workflows.policy import rebuild_policies
from reprov.workflows.services import Settled, services_down, settle_services

_BOOT_FOLDERS: Final = (
    *("boot/", "usr/lib/modules/", "lib/modules/", "usr/lib/grub/", "usr/lib/systemd/boot/"),
    *("etc/default/grub", "etc/grub.d/", "etc/kernel/", "etc/initramfs-tools/", "etc/dracut.conf"),
)
"""What a node boots goes by what lies here."""


@dataclass(frozen=True, slots=True)
class InUse:
    """What was done for the tree that a node has now."""

    booted: Booted
    settled: Settled


def take_into_use(
    node: Node,
    changed: Collection[str],
    facts: Sequence[ServiceFact],
    monitor: Monitor,
    *,
    renew_initramfs: bool = False,
    has_booted: bool = False,
) -> InUse:
    """After a commit that has changed these paths; `facts` are what scripts wanted of services. Outside of the data guard.

    `has_booted`: everything that runs has been started from this tree, so that nothing of it is still of the one before.

    A new kernel of the running system is to be tried first, where its boot loader can do that.

    Raises `ReprovError` for the first thing that fails, which names the unit when it is one, with the boot menu of before in its place.
    """
    _rebuild(node, changed, monitor)
    trial_s = kernel_trial.BOOT_S + HealthState(node.state.directory).patience().timeout_s if node.is_live else 0
    booted = _make_bootable(node, changed, monitor, renew=renew_initramfs, trial_s=trial_s)
    settled = settle_services(node.root, facts, () if has_booted else changed, monitor)
    if settled.failed:
        first = settled.failed[0]
        raise ReprovError(f"{first.unit} {first.problem}", hint=f"journalctl -u {first.unit}")
    return InUse(booted, settled)


def take_back_into_use(node: Node, changed: Collection[str], monitor: Monitor) -> Settled:
    """After a rollback that has changed these paths; what does not go well is said, and the tree is back all the same."""
    for step in (_rebuild, _make_bootable):
        try:
            step(node, changed, monitor)
        except (ReprovError, OSError) as error:
            monitor.emit(Note(f"after the rollback: {error.message if isinstance(error, ReprovError) else error}"))
    # What did not come up on the tree that was left runs nothing old, and nobody else would start it again.
    facts = [ServiceFact(unit, "start", "the way back") for unit in services_down(node)]
    settled = settle_services(node.root, facts, changed, monitor)
    for failure in settled.failed:
        monitor.emit(Note(f"after the rollback: {failure.unit} {failure.problem}"))
    return settled


def _rebuild(node: Node, changed: Collection[str], monitor: Monitor) -> None:
    installed = node.installed()
    rebuild_policies(node.root, changed, installed.manifest.entries if installed else (), monitor)


def _make_bootable(node: Node, changed: Collection[str], monitor: Monitor, *, renew: bool = False, trial_s: int = 0) -> Booted:
    if not renew and not any(path.startswith(_BOOT_FOLDERS) for path in changed):
        return Booted(())
    deployment = node.state.deployment()
    old, new = (
        kernels_of(ReleaseFiles.load(node.state.release_directory(release)).manifest.entries) if release else {}
        for release in (deployment.previous, deployment.installed)
    )
    return update_boot(node.root, old, new, monitor, renew=renew, trial_s=trial_s)
