"""The kernels of a tree: which there are, which files make one up, and for which a node has to make an initramfs.

A kernel is its image in /boot together with its modules in /usr. An initramfs belongs to the node: what a release brings was made
for no machine in particular.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from reprov.domain.comparison import Blocker
from reprov.domain.entry import Entry, Kind
from reprov.domain.version_order import version_key

Kernels = Mapping[str, str]
"""By version, a digest of image and modules: two kernels of one version need not be the same."""

FALLBACK: Final = "@kernels"
"""The name under which a node remembers which kernels it was promised to keep; no role is called so."""

_IMAGE = "boot/vmlinuz-"
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~-]*")
_MODULES = ("usr/lib/modules/", "lib/modules/")
# What Debian and the RPM family install, or make, by the side of an image.
_BESIDE = ("vmlinuz-{}", "System.map-{}", "config-{}", "symvers-{}*", "initrd.img-{}", "initramfs-{}.img", ".vmlinuz-{}.hmac")
_INITRAMFS = re.compile(r"(?:initrd\.img-(?P<debian>.+)|initramfs-(?P<rpm>.+)\.img)")
# How an initramfs begins: cpio as it is (microcode, or all of it), gzip, zstd, xz, lz4, bzip2, lzma, lzo.
_BEGINNINGS = (b"070701", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"\x02\x21\x4c\x18", b"BZh", b"\x5d\0\0", b"\x89LZO")
_MARGIN = 1.25
_MENU_BYTES = 1 << 20


class Initramfs(StrEnum):
    """What makes an initramfs."""

    INITRAMFS_TOOLS = "usr/sbin/mkinitramfs"
    DRACUT = "usr/bin/dracut"

    @property
    def lister(self) -> str:
        """The program that lists what is in one."""
        return "usr/bin/lsinitramfs" if self is Initramfs.INITRAMFS_TOOLS else "usr/bin/lsinitrd"


@dataclass(frozen=True, slots=True)
class Making:
    """How the initramfs of a tree is made, and what it is called."""

    tool: Initramfs
    is_debian: bool

    def name_of(self, version: str) -> str:
        """The file name of a kernel's initramfs, in /boot."""
        return f"initrd.img-{version}" if self.is_debian else f"initramfs-{version}.img"

    def argv(self, version: str, output: str, *, is_running: bool) -> tuple[str, ...]:
        """The command that makes one. Where the tree is not the running system, nothing is left out that this machine does not need."""
        if self.tool is Initramfs.INITRAMFS_TOOLS:
            return "mkinitramfs", "-o", output, version
        general = () if is_running else ("--no-hostonly",)
        return "dracut", "--force", "--quiet", *general, "--kver", version, output


def kernels_of(tree: Mapping[str, Entry]) -> dict[str, str]:
    """The kernels of a tree that have an image and modules, oldest first."""
    images = {path.removeprefix(_IMAGE) for path in tree if path.startswith(_IMAGE)}
    digests = {version: hashlib.sha256(tree[_IMAGE + version].digest.encode()) for version in images if _VERSION.fullmatch(version)}
    with_modules = set()
    for path in sorted(path for path in tree if path.startswith(_MODULES)):
        version = path.partition("modules/")[2].partition("/")[0]
        if version in digests:
            with_modules.add(version)
            # Only modules: the indexes beside them are made again by depmod, and need not come out the same.
            if tree[path].kind is Kind.FILE and "/kernel/" in path:
                digests[version].update(f"{path}\0{tree[path].digest}\0".encode("utf-8", "surrogateescape"))
    return {version: digests[version].hexdigest() for version in in_order(with_modules)}


def in_order(versions: Iterable[str]) -> list[str]:
    """Versions of kernels, oldest first."""
    return sorted(versions, key=version_key)


def version_of_image(path: str) -> str:
    """The version in the name of an image ("/boot/vmlinuz-6.1"), wherever it lies; "" for any other file."""
    name = path.rpartition("/")[2]
    return name.removeprefix("vmlinuz-") if name.startswith("vmlinuz-") else ""


def keep_list(versions: Iterable[str]) -> str:
    """The `*.exclude` list that keeps these kernels, all of what each needs to be booted; "" for none."""
    paths = []
    for version in in_order(version for version in versions if _VERSION.fullmatch(version)):
        paths += [f"/boot/{name.format(version)}" for name in _BESIDE]
        paths += [f"/{folder}{version}/" for folder in _MODULES]
    return (
        "# Kernels that the node falls back to until an upgrade is confirmed.\n" + "".join(f"{path}\n" for path in paths) if paths else ""
    )


def to_make(old: Kernels, new: Kernels, made: Kernels, present: Collection[str], *, renew: bool) -> list[str]:
    """The kernels of the new tree that need an initramfs, oldest first.

    `made` tells for which content the node has made one, `present` for which versions there is one at all. One that the old tree
    had and of which nothing is written down was made for what that had.
    """
    return [version for version in in_order(new) if renew or version not in present or made.get(version, old.get(version)) != new[version]]


def orphans(names: Iterable[str], modules: Collection[str]) -> list[str]:
    """Of the names in /boot, every initramfs whose kernel has neither an image nor modules."""
    found = sorted(names)
    gone = []
    for name in found:
        version = version_of_initramfs(name)
        if version and _VERSION.fullmatch(version) and version not in modules and f"vmlinuz-{version}" not in found:
            gone.append(name)
    return gone


def version_of_initramfs(name: str) -> str:
    """The version of the kernel that an initramfs is for, by its file name; "" for any other file."""
    match = _INITRAMFS.fullmatch(name)
    return (match["debian"] or match["rpm"]) if match else ""


def trouble_of_initramfs(beginning: bytes, listing: str | None, version: str) -> str:
    """What is wrong with an initramfs; "" for nothing. `listing` is None where the tree has no program for it."""
    if not beginning:
        return "it is empty"
    if listing is None:
        return "" if beginning.startswith(_BEGINNINGS) else "it is no archive that a kernel can read"
    return "" if re.search(rf"lib/modules/{re.escape(version)}/\S+\.ko\b", listing) else f"it holds no modules of {version}"


def room_needed_bytes(largest_initramfs_bytes: int, count: int) -> int:
    """What so many new initramfs and the menu need, when none is larger than a quarter more than the largest known one."""
    return int(largest_initramfs_bytes * count * _MARGIN) + _MENU_BYTES


def blocker_of_room(path: str, free_bytes: int, needed_bytes: int) -> list[Blocker]:
    """Why a filesystem is too small."""
    if free_bytes >= needed_bytes:
        return []
    missing_mib = -(-(needed_bytes - free_bytes) >> 20)
    hint = "remove kernels that are no longer needed (`apt-get purge`, `dnf remove`), or make the filesystem larger"
    return [Blocker(path, f"has no room for another kernel and its initramfs: {missing_mib} MiB are missing", hint)]


class Choice(NamedTuple):
    """What a node is to boot."""

    version: str
    back: str = ""
    """Where it goes back to after one boot of that; "" for no trial."""
    words: str = ""
    """What the kernel is told on its trial, besides what it is told always."""


def choose(wanted: str, *, running: str, by_default: Collection[str], offered: Collection[str], trial: bool) -> Choice | None:
    """How the newest kernel of a release is booted; None while it is on trial, which only its end may settle.

    `running` is "" for a node that does not run, `by_default` are the kernels that its boot loaders boot when nobody chooses.
    """
    others = in_order(set(by_default) - {wanted})
    if trial and running == wanted and others:
        return None
    back = running or (others[0] if others else "")
    return Choice(wanted, back if trial and back != wanted and back in offered else "")


def reboot_reason(running: str, default: str, old: Kernels, new: Kernels) -> str:
    """Why a node should be rebooted for its kernel; "" when it need not be, or is not running."""
    if running and running != default:
        return f"kernel {default} is installed, {running} is running"
    if running in old and running in new and old[running] != new[running]:
        return f"kernel {default} is installed in another build than the one that is running"
    return ""
