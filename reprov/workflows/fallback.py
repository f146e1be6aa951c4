"""The kernels that a node can go back to: what it runs, and what it boots when nobody chooses."""

import os
from pathlib import Path

from reprov.adapters.boot_files import viewed
from reprov.adapters.loaders import LOADER_CONF, Entries, Grub, Loaders, find_loaders, images_in, read_entries
from reprov.domain.boot_entries import boots, newest
from reprov.domain.grub_menu import CONFIGURATION, ENVIRONMENT, default_version, parse_environment
from reprov.domain.kernels import in_order, version_of_image


def fallback_kernels(root: Path, *, is_live: bool) -> list[str]:
    """The kernels that a node runs, or boots when nobody chooses: with their modules they must outlive the next upgrade.

    Empty where there is no boot loader: what such a node is started with is not on it.
    """
    loaders = find_loaders(root)
    wanted = default_kernels(root, loaders)
    if loaders and is_live:
        wanted.add(os.uname().release)
    return in_order(wanted & {version_of_image(name) for name in images_in(root)})


def default_kernels(root: Path, loaders: Loaders) -> set[str]:
    """The kernels that the boot loaders boot when nobody chooses, as far as that can be told."""
    grub, entries = loaders.grub, loaders.entries
    found = {_default_of_menu(root, grub)} if grub and not grub.reads_entries else set()
    if entries and entries.is_copied:
        found.add(_default_of_systemd_boot(root, entries))
    elif grub and entries:
        found.add(_default_of_saved(root, grub, entries))
    return found - {""}


def _default_of_menu(root: Path, grub: Grub) -> str:
    with viewed(root) as view:
        configuration = view.text(f"{grub.place}/{CONFIGURATION}") or ""
    return default_version(configuration, _environment(root, grub))


def _default_of_saved(root: Path, grub: Grub, entries: Entries) -> str:
    known = read_entries(root, entries)
    saved = _environment(root, grub).get("saved_entry", "")
    entry = next((entry for entry in known if entry.name == f"{saved}.conf"), newest(known))
    return entry.version if entry else ""


def _default_of_systemd_boot(root: Path, entries: Entries) -> str:
    known = read_entries(root, entries)
    with viewed(root) as view:
        text = view.text(f"{entries.loader}/{LOADER_CONF}") or ""
    return next((entry.version for entry in known if boots(text, entry, known)), "")


def _environment(root: Path, grub: Grub) -> dict[str, str]:
    with viewed(root) as view:
        return parse_environment(view.read(f"{grub.place}/{ENVIRONMENT}") or b"")
