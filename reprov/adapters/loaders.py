"""Which boot loaders a root has, and where they keep what they boot."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from reprov.adapters.boot_files import opened_folder, viewed
from reprov.adapters.root_view import RootView
from reprov.domain.boot_entries import TRIAL_NAME, BootEntry
from reprov.domain.kernels import Initramfs, Making

_GRUB_PLACES = ("boot/grub", "boot/grub2")
_ESP_PLACES = ("efi", "boot/efi", "boot")
_ENTRIES = "loader/entries"
_SYSTEMD_BOOT = "EFI/systemd"
LOADER_CONF = "loader.conf"


@dataclass(frozen=True, slots=True)
class Grub:
    """GRUB with a configuration in the root."""

    place: str
    """The directory of grub.cfg, relative to the root."""
    prefix: str
    """What its programs' names begin with: `grub-`, or `grub2-` in the RPM family."""
    reads_entries: bool
    """True where the menu is made of files in /boot/loader/entries (blscfg)."""

    def program(self, name: str) -> str:
        """The name of one of its programs."""
        return self.prefix + name


@dataclass(frozen=True, slots=True)
class Entries:
    """A boot loader that reads a file for each kernel."""

    top: str
    """The mount point of the filesystem that the paths in the files begin at, relative to the root; "" for the root itself."""
    loader: str
    """The directory of loader.conf, relative to the root."""
    is_copied: bool
    """True where kernels and initramfs are copied to that filesystem: that of systemd-boot."""

    @property
    def place(self) -> str:
        """The directory of the entries."""
        return f"{self.loader}/entries"


@dataclass(frozen=True, slots=True)
class Loaders:
    """The boot loaders of a root; a disk may have both."""

    grub: Grub | None
    entries: Entries | None

    def __bool__(self) -> bool:
        return self.grub is not None or self.entries is not None

    @property
    def names(self) -> tuple[str, ...]:
        """What they are called."""
        systemd_boot = self.entries is not None and self.entries.is_copied
        return (*(("GRUB",) if self.grub else ()), *(("systemd-boot",) if systemd_boot else ()))


def find_loaders(root: Path) -> Loaders:
    """The boot loaders that are set up in a root: by their configuration, not by what is installed."""
    with viewed(root) as view:
        grub = _find_grub(view)
        return Loaders(grub, _find_systemd_boot(view) or (_entries_of_grub(root) if grub and grub.reads_entries else None))


def read_entries(root: Path, entries: Entries) -> tuple[BootEntry, ...]:
    """The entries that there are, by file name, but for that of a trial."""
    with viewed(root) as view:
        names = [name for name in view.names(entries.place) if name.endswith(".conf") and name != TRIAL_NAME]
        return tuple(BootEntry.parse(name, view.text(f"{entries.place}/{name}") or "") for name in names)


def images_in(root: Path) -> dict[str, int]:
    """The files in /boot, by name, with their sizes; none where there is no such directory."""
    with viewed(root) as view:
        if not view.is_directory("boot"):
            return {}
    with opened_folder(root, "boot") as boot:
        return boot.sizes()


def modules_in(root: Path) -> frozenset[str]:
    """The versions of which the root has modules."""
    with viewed(root) as view:
        return frozenset((*view.names("usr/lib/modules"), *view.names("lib/modules")))


def making_in(root: Path) -> Making | None:
    """How a root makes an initramfs; None where it cannot."""
    with viewed(root) as view:
        return making_of(view.is_program)


def making_of(has: Callable[[str], bool]) -> Making | None:
    """The same of a tree of which is known whether it has a path."""
    tool = next((tool for tool in Initramfs if has(tool.value)), None)
    return Making(tool, has("usr/bin/dpkg")) if tool else None


def _find_grub(view: RootView) -> Grub | None:
    place = next((place for place in _GRUB_PLACES if view.status(f"{place}/grub.cfg") is not None), None)
    if place is None:
        return None
    prefix = "grub2-" if any(view.is_program(f"usr/{folder}/grub2-editenv") for folder in ("bin", "sbin")) else "grub-"
    return Grub(place, prefix, any(line.split()[:1] == ["blscfg"] for line in (view.text(f"{place}/grub.cfg") or "").splitlines()))


def _find_systemd_boot(view: RootView) -> Entries | None:
    for place in _ESP_PLACES:
        if view.is_directory(f"{place}/{_ENTRIES}") and view.is_directory(f"{place}/{_SYSTEMD_BOOT}"):
            return Entries(place, f"{place}/loader", is_copied=True)
    return None


def _entries_of_grub(root: Path) -> Entries:
    return Entries("boot" if (root / "boot").is_mount() else "", "boot/loader", is_copied=False)
