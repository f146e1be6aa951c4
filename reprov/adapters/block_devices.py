"""The block devices of the running kernel, from sysfs and from udev's database."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from reprov.domain.block_device import BlockDevice, block_device, is_storage

_SYSFS = Path("/sys")
_DATABASE = Path("/run/udev/data")
_ATTRIBUTES = (
    "dev",
    "size",
    "ro",
    "hidden",
    "start",
    "partition",
    "dm/name",
    "dm/uuid",
    "md/level",
    "md/uuid",
    "loop/backing_file",
    "wwid",
    "serial",
    "device/wwid",
    "device/serial",
    "device/model",
)
_OF_DISK = ("queue/logical_block_size",)


def read_block_devices(sysfs: Path = _SYSFS) -> tuple[BlockDevice, ...]:
    """Every device that is storage, in the order of the kernel's names. Opens no device."""
    known = _udev_database()
    found = []
    for name in sorted(os.listdir(sysfs / "class/block")):
        try:
            place = (sysfs / "class/block" / name).resolve(strict=True)
            parent = place.parent if (place / "partition").exists() else None
            attributes = _attributes(place, _ATTRIBUTES) | _attributes(parent or place, _OF_DISK)
            below = tuple(os.listdir(place / "slaves")) if (place / "slaves").is_dir() else ()
        except FileNotFoundError:  # gone since it was listed
            continue
        if is_storage(name, attributes):
            properties, links = known.get(name, ({}, ()))
            found.append(block_device(name, properties, attributes, links=links, parent=parent.name if parent else "", below=below))
    return tuple(found)


def _attributes(place: Path, names: tuple[str, ...]) -> dict[str, str]:
    """Attributes by name; those of the hardware below a disk stand for its own."""
    found: dict[str, str] = {}
    for name in names:
        with suppress(OSError):
            found.setdefault(name.removeprefix("device/"), (place / name).read_text(errors="surrogateescape").strip())
    return found


def _udev_database() -> Mapping[str, tuple[Mapping[str, str], tuple[str, ...]]]:
    """Properties and links by kernel name; nothing where there is no udevd or no libudev, as in a small rescue system."""
    if not _DATABASE.is_dir():
        return {}
    # Imported here: finding libudev takes a while (ctypes runs ldconfig), and no other verb needs it.
    import pyudev

    try:
        context = pyudev.Context()
    except ImportError:
        return {}
    found = {}
    for device in context.list_devices(subsystem="block"):
        with suppress(pyudev.DeviceNotFoundError):
            found[device.sys_name] = (dict(device.properties), tuple(device.device_links))
    return found
