"""Whether the boot loader on a disk is the one of the tree, and bringing it there when it is not."""

from pathlib import Path

from reprov.adapters.boot_files import opened_folder, viewed
from reprov.adapters.loaders import Entries, Grub
from reprov.adapters.root_view import RootView
from reprov.domain.boot import Firmware
from reprov.domain.loader_update import install_devices_of

_MODULE_SUFFIX = ".mod"
_SYSTEMD_BOOT = "usr/lib/systemd/boot/efi"
_REMOVABLE = "EFI/BOOT"
_DEBCONF = "var/cache/debconf/config.dat"


def is_outdated(root: Path, grub: Grub, firmware: Firmware) -> bool:
    """True when GRUB was installed for a firmware, and by another version than the tree has now.

    grub-install copies its modules beside grub.cfg: by them, one can tell which version is in the boot code, too.
    """
    installed, packaged = f"{grub.place}/{firmware.platform}", f"usr/lib/grub/{firmware.platform}"
    with viewed(root) as view:
        names = {name for name in view.names(packaged) if name.endswith(_MODULE_SUFFIX)}
        if not names or "normal.mod" not in view.names(installed):
            return False
        return any(view.read(f"{installed}/{name}") != view.read(f"{packaged}/{name}") for name in sorted(names))


def install_devices(root: Path) -> tuple[str, ...]:
    """The devices that Debian's grub-pc was told to install GRUB to; empty where nobody was asked."""
    with viewed(root) as view:
        return install_devices_of(view.text(_DEBCONF) or "")


def grub_names(root: Path, esp: str) -> tuple[str, ...]:
    """The names by which GRUB is installed in an ESP, as its directory there has them; BOOT is where any firmware looks."""
    with viewed(root) as view:
        folders = view.names(f"{esp}/EFI")
        return tuple(name for name in folders if _has_grub(view, f"{esp}/EFI/{name}"))


def renew_systemd_boot(root: Path, entries: Entries) -> bool:
    """Put the tree's systemd-boot into the ESP, where there is one; False when it is there already, or the tree has none."""
    done = False
    with viewed(root) as view:
        packaged = [name for name in view.names(_SYSTEMD_BOOT) if name.startswith("systemd-boot") and name.endswith(".efi")]
        before = {name: content for name in packaged if (content := view.read(f"{entries.top}/EFI/systemd/{name}")) is not None}
        removable = [
            (found, name)
            for found in view.names(f"{entries.top}/{_REMOVABLE}")
            for name, content in before.items()
            if view.read(f"{entries.top}/{_REMOVABLE}/{found}") == content
        ]
    for folder, copies in ((_REMOVABLE, removable), ("EFI/systemd", [(name, name) for name in before])):
        for place, name in copies:
            with opened_folder(root, f"{entries.top}/{folder}") as there, opened_folder(root, _SYSTEMD_BOOT) as source:
                done |= there.copy(place, source, name)
    return done


def _has_grub(view: RootView, folder: str) -> bool:
    return any(name.lower().startswith("grub") and name.lower().endswith(".efi") for name in view.names(folder))
