"""The fstab of a node whose operating system's partitions were made anew: theirs by UUID, everything else as it was."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from reprov.domain.entry import is_below
from reprov.domain.fstab import MountEntry, Needs, parse_fstab
from reprov.domain.inventory import FstabLine
from reprov.domain.layout import Layout, OsDevice

HEADING: Final = "# The partitions of the operating system, as the layout of the last reprov install has them."
_REST: Final = "# What the node had besides."
_OPTIONS: Final = {"btrfs": "defaults", "ext4": "defaults", "vfat": "umask=0077", "xfs": "defaults"}
_CHECKED: Final = ("ext4", "vfat")  # fsck.xfs and fsck.btrfs do nothing
_HIDES_THE_SYSTEM: Final = frozenset({"/", "/boot", "/usr", "/var", "/var/lib"})
"""An older filesystem on one of these would hide what was just installed, the package database among it."""


def fstab_of(layout: Layout, uuids: Mapping[str, str], old: str, *, formatted: Collection[str] = ()) -> str:
    """The new /etc/fstab, from the old one; giving it its own result changes nothing.

    `uuids` are those of the filesystems by the name of the layout's partition or volume. `formatted` are sources in the old file
    (`UUID=...`, `/dev/sda3`) that led to a filesystem that is no more: see `sources_on`. A line that cannot be kept becomes a
    comment that says why, unless a line of the layout has taken its mount point. Other lines stay as they are, to the letter.
    """
    ours = tuple(_lines_of(layout, uuids))
    kept = [line for line in _kept(layout, ours, old, formatted) if line not in (HEADING, _REST)]
    while kept and not kept[0].strip():
        del kept[0]
    while kept and not kept[-1].strip():
        del kept[-1]
    rest = (_REST, *kept) if kept else ()
    return "".join(f"{line}\n" for line in (HEADING, *ours, *rest))


def sources_on(lines: Iterable[FstabLine], devices: Collection[str]) -> frozenset[str]:
    """The sources, as an fstab has them, of its lines that lead to one of these devices, which are about to be formatted."""
    return frozenset(line.entry.source for line in lines if set(line.devices) & set(devices))


def _lines_of(layout: Layout, uuids: Mapping[str, str]) -> Iterator[str]:
    """What is mounted inside another one comes after it (so their names sort); swap comes last."""
    mounted = [device for device in layout.devices if device.mount]
    for device in sorted(mounted, key=lambda device: device.mount):
        yield _mount_line(device, uuids[device.name])
    for device in layout.devices:
        if device.filesystem == "swap":
            yield f"UUID={uuids[device.name]} none swap sw 0 0"


def _mount_line(device: OsDevice, uuid: str) -> str:
    is_root = device.mount == "/"
    options = "errors=remount-ro" if is_root and device.filesystem == "ext4" else _OPTIONS[device.filesystem]
    turn = 0 if device.filesystem not in _CHECKED else 1 if is_root else 2
    return f"UUID={uuid} {device.mount} {device.filesystem} {options} 0 {turn}"


def _kept(layout: Layout, ours: Collection[str], old: str, formatted: Collection[str]) -> Iterator[str]:
    taken = {device.mount for device in layout.devices if device.mount}
    gone = {*formatted, *(f"PARTLABEL={partition.name}" for partition in layout.partitions if partition.filesystem)}
    gone |= {f"LABEL={device.label}" for device in layout.devices if device.label}
    gone |= {path for volume in layout.volumes for path in (volume.device, f"/dev/{volume.name}")}
    lines = old.split("\n")
    entries = {line: entry for line in lines for entry in parse_fstab(line.encode("utf-8", "surrogateescape"))}
    elsewhere = {_place(entry) for entry in entries.values() if entry.is_mounted} - taken
    seen: set[str] = set()
    for line in lines:
        entry = entries.get(line)
        if entry is None:
            yield line
            continue
        if line in ours or line in seen or (entry.is_mounted and _place(entry) in taken):
            continue
        seen.add(line)
        reason = _why_not(entry, gone, taken, elsewhere)
        yield f"# {reason}: {line}" if reason else line


def _why_not(entry: MountEntry, gone: Collection[str], taken: Collection[str], elsewhere: Collection[str]) -> str:
    """Why a line cannot be kept; "" when it can."""
    if entry.source in gone:
        return "Formatted by reprov install"
    if entry.needs is Needs.DEVICE and entry.is_mounted and _place(entry) in _HIDES_THE_SYSTEM:
        return "The operating system's, and not in the layout of reprov install"
    # systemd makes the source of a bind mount; a swap file or an image cannot be made again.
    is_file = entry.needs is Needs.PATH and not entry.options & {"bind", "rbind"}
    if is_file and _filesystem_of(entry.source, {*taken, *elsewhere}) not in elsewhere:
        return "The file was on a filesystem that reprov install formatted"
    return ""


def _place(entry: MountEntry) -> str:
    return "/" + entry.mount_point.strip("/")


def _filesystem_of(path: str, mount_points: Collection[str]) -> str:
    """The mount point that a path lies behind."""
    behind = [point for point in mount_points if is_below(path.strip("/"), point.strip("/"))]
    return max(behind, key=len, default="/")
