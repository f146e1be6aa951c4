"""Before something is armed: that the next boot will carry it out, proved by what that boot reads, or a refusal.

The initramfs is looked into, made anew where it lacks the hook of the tree or has an older one, and looked into again.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from reprov.adapters.boot_files import opened_folder, viewed
from reprov.adapters.boot_hook import booted_hook, hook_digest, offer_offline_update, withdraw_offline_update
from reprov.adapters.boot_programs import BootPrograms, opened_programs
from reprov.adapters.loaders import Loaders, find_loaders, making_in, read_entries
from reprov.adapters.log_settling import settle
from reprov.domain.boot_hook import BootWay, carries
from reprov.domain.grub_menu import CONFIGURATION, entry_of, parse_menu
from reprov.domain.kernels import Making, in_order
from reprov.errors import Refused, ReprovError
from reprov.events import Monitor, Note, phase
from reprov.workflows.fallback import default_kernels
from reprov.workflows.initramfs import listing_of, renew_initramfs


class _Image(NamedTuple):
    """An initramfs as a boot loader reads it."""

    version: str
    path: str
    """Relative to the root; "" for a kernel that is booted without one."""


def ensure_boot_hook(root: Path, monitor: Monitor) -> BootWay:
    """Have the next boot carry out what will be armed, and say what does it: to be called before it is armed.

    The initramfs where that of the kernel that is booted when nobody chooses has the hook of the tree, or has got it now. Where no boot
    loader of the node's own says what that is, the hook must have been in what the system was started with. Else an offline update.
    Raises `Refused`, with what the node boots as it was, when neither can do it.
    """
    making = making_in(root)
    digest = hook_digest(root, making.tool) if making else ""
    if making and digest:
        loaders = find_loaders(root)
        images = _images(root, loaders)
        if images and all(image.path for image in images):
            _prove(root, loaders, making, images, digest, monitor)
            return BootWay.INITRAMFS
        if not loaders and root == Path("/") and booted_hook(root) == digest:
            return BootWay.INITRAMFS
    offer_offline_update(root)
    monitor.emit(Note("the initramfs cannot exchange trees here: the next boot is an offline update of systemd, which reboots once more"))
    return BootWay.OFFLINE_UPDATE


def forget_offline_update(root: Path) -> None:
    """Nothing is armed any more: remove what an offline update needed, if there is any of it."""
    withdraw_offline_update(root)


def _images(root: Path, loaders: Loaders) -> list[_Image]:
    """What is booted when nobody chooses, by each loader; empty where that cannot be told."""
    found = []
    versions = in_order(default_kernels(root, loaders))
    if loaders.grub and not loaders.grub.reads_entries:
        with viewed(root) as view:
            menu = parse_menu(view.text(f"{loaders.grub.place}/{CONFIGURATION}") or "")
        entries = [entry for version in versions if (entry := entry_of(menu, version))]
        found += [_Image(entry.version, f"boot/{entry.initramfs}" if entry.initramfs else "") for entry in entries]
    if loaders.entries:
        top = f"{loaders.entries.top}/" if loaders.entries.top else ""
        for known in read_entries(root, loaders.entries):
            if known.version in versions:
                found.append(_Image(known.version, top + known.initrd.lstrip("/") if known.initrd else ""))
    return found


def _prove(root: Path, loaders: Loaders, making: Making, images: Sequence[_Image], digest: str, monitor: Monitor) -> None:
    with opened_programs(root) as programs:
        for image in images:
            if _carries(programs, making, image, digest):
                continue
            with phase(monitor, "boot", f"Giving the initramfs of kernel {image.version} reprov's hook"):
                try:
                    _renew(programs, loaders, making, image)
                except (ReprovError, OSError) as error:
                    raise _refusal(image, str(error)) from None
            if not _carries(programs, making, image, digest):
                raise _refusal(image, f"/{image.path} was made anew, and still lacks it")


def _carries(programs: BootPrograms, making: Making, image: _Image, digest: str) -> bool:
    try:
        listing = listing_of(programs, making, f"/{image.path}")
    except ReprovError:
        return False  # no archive, or none that is whole: it is made anew
    if listing is None:
        raise _refusal(image, f"/{making.tool.lister}, which would tell, is missing")
    return carries(listing, digest)


def _renew(programs: BootPrograms, loaders: Loaders, making: Making, image: _Image) -> None:
    """Make the image anew, and have the boot loader read that."""
    root, name = programs.root, making.name_of(image.version)
    renew_initramfs(programs, making, image.version)
    settle(root / "boot")
    if loaders.entries and loaders.entries.is_copied and image.path.startswith(f"{loaders.entries.top}/"):
        folder, _, copied_name = image.path.rpartition("/")
        with opened_folder(root, "boot") as boot, opened_folder(root, folder) as place:
            place.copy(copied_name, boot, name)
        settle(root / loaders.entries.top)


def _refusal(image: _Image, reason: str) -> Refused:
    return Refused(
        f"the initramfs of kernel {image.version}, which the next boot uses, cannot be proved to carry reprov's hook: {reason}",
        hint="see the settings of initramfs-tools or dracut below /etc, and whether /boot has room; or let the change be made live",
    )
