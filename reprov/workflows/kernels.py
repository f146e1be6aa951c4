"""Committed -> a node that boots its new kernel, and can go back to the old one.

The order is what makes it safe: an initramfs is complete before a menu names it, a menu offers the old kernel as long as that is
there, and what a killed run leaves is the menu of before with everything that it names.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from reprov.adapters.boot_files import opened_folder
from reprov.adapters.boot_programs import opened_programs
from reprov.adapters.loaders import Loaders, find_loaders, images_in, making_in, modules_in
from reprov.adapters.log_settling import settle
from reprov.domain import trial as kernel_trial
from reprov.domain.kernels import Kernels, Making, choose, in_order, orphans, reboot_reason, version_of_image
from reprov.errors import ReprovError
from reprov.events import Monitor, Note, phase
from reprov.workflows import entry_menu, grub_menu
from reprov.workflows.fallback import default_kernels
from reprov.workflows.initramfs import make_initramfs
from reprov.workflows.loader_update import renew_loaders


@dataclass(frozen=True, slots=True)
class Booted:
    """What a node boots after an upgrade or a rollback."""

    loaders: tuple[str, ...]
    """Empty for a node that no boot loader of its own starts: nothing was done."""
    made: tuple[str, ...] = ()
    """The kernels for which an initramfs was made."""
    default: str = ""
    """The kernel that is booted when nobody chooses, but for a trial."""
    trial: str = ""
    """The kernel that is booted once, by the next boot; "" for no trial."""
    on_trial: str = ""
    """The running kernel, as long as only its end settles the trial that this boot is; "" for no trial."""
    fallbacks: tuple[str, ...] = ()
    """The kernels of before that can be booted, too."""
    reboot_reason: str = ""
    """Why the running system should be rebooted; "" when it need not be, or does not run."""


def update_boot(root: Path, old: Kernels, new: Kernels, monitor: Monitor, *, renew: bool = False, trial_s: int = 0) -> Booted:
    """Make a committed tree bootable, by every boot loader that the node has.

    `old` and `new` are the kernels of the tree before and of this one (`domain.kernels.kernels_of` of their manifests); after a
    rollback they are given the other way round. `renew`: a package asks for a new initramfs. `trial_s`: the new kernel is booted once
    only, until `confirm_boot`, for which there is that long. A second run changes nothing, and one that was interrupted is finished by
    the next.

    Raises `ReprovError` with the boot menu of before in its place and everything that it names.
    """
    loaders = find_loaders(root)
    if not loaders:
        monitor.emit(Note("the node has no boot loader of its own: kernels are as the release has them"))
        return Booted(())
    if not new:
        monitor.emit(Note("the release has no kernel: what the node boots stays as it is"))
        return Booted(loaders.names)
    return _update(root, loaders, old, new, monitor, renew=renew, trial_s=trial_s)


def forget_trial(root: Path) -> None:
    """Have every boot loader boot what it boots when nobody chooses, a trial or not."""
    loaders = find_loaders(root)
    if not loaders:
        return
    with opened_programs(root) as programs:
        if loaders.grub:
            grub_menu.forget_trial(programs, loaders.grub)
        if loaders.entries:
            entry_menu.forget_trial(programs, loaders.entries)
    for place in _written_to(root, loaders):
        settle(place)


def confirm_boot(root: Path, new: Kernels, monitor: Monitor) -> Booted:
    """Have the newest kernel of the release booted from now on, which is the end of a trial."""
    return update_boot(root, new, new, monitor)


def _update(root: Path, loaders: Loaders, old: Kernels, new: Kernels, monitor: Monitor, *, renew: bool, trial_s: int) -> Booted:
    running = os.uname().release if root == Path("/") else ""
    by_default, wanted = default_kernels(root, loaders), in_order(new)[-1]
    trials = []
    with phase(monitor, "boot", "Making the kernels bootable") as progress, opened_programs(root) as programs:
        making = making_in(root)
        if making is None:
            raise ReprovError("the new tree cannot make an initramfs", hint="the role needs initramfs-tools or dracut")
        _remove_orphans(root)
        made = make_initramfs(programs, making, old, new, progress, renew=renew)
        renew_loaders(programs, loaders, monitor)
        offered = _offered(root, making, new)
        choice = choose(wanted, running=running, by_default=by_default, offered=offered, trial=trial_s > 0)
        if choice is not None and choice.back:
            choice = choice._replace(words=kernel_trial.trial_words(trial_s))
        if choice is not None and loaders.entries:
            trials.append(entry_menu.update_entries(programs, loaders.entries, offered, new, choice, monitor))
        if choice is not None and loaders.grub:
            trials.append(grub_menu.update_grub(programs, loaders.grub, loaders.entries, offered, choice, monitor))
    for place in _written_to(root, loaders):
        settle(place)
    is_trial = choice is not None and any(trials)
    default = in_order(by_default - {wanted})[0] if choice is None else choice.back if is_trial else wanted
    return Booted(
        loaders.names,
        tuple(made),
        default=default,
        trial=wanted if is_trial else "",
        on_trial=wanted if choice is None else "",
        fallbacks=tuple(in_order(offered.keys() - new.keys())),
        reboot_reason=kernel_trial.reboot_reason(wanted, default) if is_trial else reboot_reason(running, wanted, old, new),
    )


def _offered(root: Path, making: Making, new: Kernels) -> dict[str, str]:
    """Every kernel that the node can boot, with the file name of its initramfs: those of the release, and those that are left."""
    sizes = images_in(root)
    with_modules = modules_in(root)
    versions = [version for name in sizes if (version := version_of_image(name))]
    return {
        version: making.name_of(version)
        for version in in_order(versions)
        if version in with_modules and (version in new or sizes.get(making.name_of(version)))
    }


def _remove_orphans(root: Path) -> None:
    with opened_folder(root, "boot") as boot:
        for name in orphans(boot.sizes(), modules_in(root)):
            boot.remove(name)


def _written_to(root: Path, loaders: Loaders) -> list[Path]:
    places = {root / "boot", *((root / loaders.entries.top,) if loaders.entries else ())}
    return sorted(place for place in places if place.is_dir())
