"""Before a commit: whether the node will be able to boot the kernels of the release. Nothing of the node is changed."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from reprov.adapters.boot_room import free_bytes, obstacles, same_filesystem
from reprov.adapters.loaders import Grub, Loaders, find_loaders, images_in, making_of
from reprov.domain.comparison import Blocker
from reprov.domain.entry import Entry
from reprov.domain.grub_menu import CONFIGURATION, ENVIRONMENT
from reprov.domain.kernels import Making, blocker_of_room, kernels_of, room_needed_bytes, to_make, version_of_initramfs

_NO_NEEDS: Final[Mapping[str, int]] = MappingProxyType({})
_GRUB_PROGRAMS: Final = (("usr/sbin", "mkconfig"), ("usr/bin", "editenv"), ("usr/sbin", "probe"))


def preflight_boot(
    root: Path, before: Mapping[str, Entry], after: Mapping[str, Entry], needs_bytes: Mapping[str, int] = _NO_NEEDS
) -> tuple[Blocker, ...]:
    """What would keep `update_boot` from working once the release is there; empty when nothing would.

    `before` and `after` are the paths of the installed release and of the one to come, `needs_bytes` is by volume what staging that takes.
    """
    loaders = find_loaders(root)
    if not loaders or not kernels_of(after):
        return ()
    making = making_of(lambda path: path in after)
    if making is None:
        hint = "the role needs initramfs-tools or dracut, or no kernel"
        return (Blocker("boot", "cannot get an initramfs: the release has no program that makes one", hint),)
    return (
        *(_blockers_of_programs(loaders.grub, after) if loaders.grub else ()),
        *_blockers_of_writing(root, loaders),
        *_blockers_of_room(root, loaders, making, before, after, needs_bytes),
    )


def _blockers_of_programs(grub: Grub, after: Mapping[str, Entry]) -> Iterator[Blocker]:
    for folder, name in _GRUB_PROGRAMS:
        program = grub.program(name)
        if not any(f"{place}/{program}" in after for place in (folder, "usr/bin", "usr/sbin")):
            yield Blocker(f"{folder}/{program}", "is missing in the release, and the node boots by GRUB", "the role needs grub2-common")
            return


def _blockers_of_writing(root: Path, loaders: Loaders) -> Iterator[Blocker]:
    places: dict[str, tuple[str, ...]] = {"boot": ()}
    if loaders.grub:
        places[loaders.grub.place] = (CONFIGURATION, ENVIRONMENT)
    if loaders.entries:
        places |= {loaders.entries.top or "boot": (), loaders.entries.place: ()}
    for directory, names in places.items():
        for found in obstacles(root, directory, names):
            yield Blocker(found.path, found.problem, found.hint)


def _blockers_of_room(
    root: Path,
    loaders: Loaders,
    making: Making,
    before: Mapping[str, Entry],
    after: Mapping[str, Entry],
    needs_bytes: Mapping[str, int],
) -> list[Blocker]:
    """Each new initramfs is made beside the one that it replaces, which is the release's own where that has one."""
    # Imported here: most plans are of nodes without a boot loader of their own.
    from reprov.workflows.initramfs import kernels_made

    old, new, sizes = kernels_of(before), kernels_of(after), images_in(root)
    wanted = to_make(old, new, kernels_made(root), [version for version in new if sizes.get(making.name_of(version))], renew=False)
    largest_bytes = max((size for name, size in sizes.items() if version_of_initramfs(name)), default=0)
    largest_bytes = max((largest_bytes, *(after[path].size for version in wanted if (path := f"boot/{making.name_of(version)}") in after)))
    unstaged = [version for version in wanted if f"boot/{making.name_of(version)}" not in after]
    needed_bytes = room_needed_bytes(largest_bytes, max(len(unstaged), 1 if wanted else 0))
    volume = next((volume for volume in sorted(needs_bytes, reverse=True) if same_filesystem(root, "boot", volume or ".")), None)
    staged_bytes = needs_bytes[volume] if volume is not None else 0
    if loaders.entries and loaders.entries.is_copied and wanted:
        copied_bytes = sum(after[f"boot/vmlinuz-{version}"].size for version in wanted) + room_needed_bytes(largest_bytes, len(wanted))
        if not same_filesystem(root, "boot", loaders.entries.top):
            esp = loaders.entries.top
            return [
                *blocker_of_room("boot", free_bytes(root, "boot"), needed_bytes + staged_bytes),
                *blocker_of_room(esp, free_bytes(root, esp), copied_bytes),
            ]
        needed_bytes += copied_bytes
    return blocker_of_room("boot", free_bytes(root, "boot"), needed_bytes + staged_bytes)
