"""LVM as `pvs`, `vgs` and `lvs` report it in JSON. Secrets are taken out here, before anything else sees them."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from reprov.domain.inventory import REDACTED, LogicalVolume, PhysicalVolume, VolumeGroup
from reprov.errors import ReprovError

PV_COLUMNS = "pv_name,pv_uuid,vg_name,pv_size"
VG_COLUMNS = "vg_name,vg_uuid,vg_size,vg_free,vg_tags"
LV_COLUMNS = "vg_name,lv_name,lv_uuid,lv_path,lv_size,lv_tags,devices"

_SECRET = re.compile(r"secret|passw|passphrase|token|keyring|(?:^|[._-])key$", re.IGNORECASE)
_SEGMENT = re.compile(r"([^,]+)\(\d+\)")


@dataclass(frozen=True, slots=True)
class Lvm:
    """Everything of LVM, by the paths that its tools print."""

    physical_volumes: tuple[PhysicalVolume, ...] = ()
    groups: tuple[VolumeGroup, ...] = ()
    volumes: tuple[LogicalVolume, ...] = ()
    """`path` is where the volume is once it is active."""


def parse_lvm(pvs: str, vgs: str, lvs: str, source: str = "LVM") -> Lvm:
    """Read the three reports, made with `--reportformat json --units b --nosuffix` and the columns above; lvs with `--all`.

    Raises `ReprovError` that names the program whose output it cannot read, and the row.
    """
    physical = tuple(
        PhysicalVolume(row["pv_name"], row["pv_uuid"], row["vg_name"], _size(row["pv_size"]))
        for row in _rows(pvs, "pv", PV_COLUMNS, source)
    )
    groups = tuple(
        VolumeGroup(row["vg_name"], row["vg_uuid"], _size(row["vg_size"]), _size(row["vg_free"]), redacted(row["vg_tags"]))
        for row in _rows(vgs, "vg", VG_COLUMNS, source)
    )
    return Lvm(physical, groups, _volumes(_rows(lvs, "lv", LV_COLUMNS, source), physical))


def redacted(tags: str) -> tuple[str, ...]:
    """The tags of a report, sorted; `ceph.cephx_lockbox_secret` and whatever else names a secret without its value."""
    found = []
    for tag in filter(None, tags.split(",")):
        name, equals, _ = tag.partition("=")
        found.append(f"{name}={REDACTED}" if equals and _SECRET.search(name) else tag)
    return tuple(sorted(found))


def _volumes(rows: Iterator[dict[str, str]], physical: tuple[PhysicalVolume, ...]) -> tuple[LogicalVolume, ...]:
    """lvs prints a row for each segment; parts of RAID, thin pools and caches are volumes in brackets."""
    found: dict[tuple[str, str], LogicalVolume] = {}
    for row in rows:
        group, name = row["vg_name"], row["lv_name"]
        devices = tuple(_SEGMENT.findall(row["devices"]))
        known = found.get((group, name)) or LogicalVolume(
            group, name, row["lv_uuid"], _size(row["lv_size"]), (), row["lv_path"], redacted(row["lv_tags"])
        )
        found[group, name] = replace(known, devices=known.devices + devices)
    return tuple(
        replace(volume, devices=_on_devices(volume, found, physical)) for (_, name), volume in found.items() if not name.startswith("[")
    )


def _on_devices(
    volume: LogicalVolume, volumes: dict[tuple[str, str], LogicalVolume], physical: tuple[PhysicalVolume, ...]
) -> tuple[str, ...]:
    """The physical volumes below it; those of the whole group where the report does not lead to any (a thin volume, a snapshot)."""
    seen: set[str] = set()
    devices: set[str] = set()
    waiting = [volume.name]
    while waiting:
        name = waiting.pop()
        part = volumes.get((volume.group, name)) or volumes.get((volume.group, f"[{name}]"))
        if name in seen:
            continue
        seen.add(name)
        if part is not None:
            waiting += part.devices
        elif name.startswith("/"):
            devices.add(name)
    return tuple(sorted(devices or {item.path for item in physical if item.group == volume.group}))


def _rows(text: str, kind: str, columns: str, source: str) -> Iterator[dict[str, str]]:
    program = f"{source}: {kind}s"
    try:
        rows = [row for report in json.loads(text)["report"] for row in report[kind]]
        for number, row in enumerate(rows, start=1):
            for column in columns.split(","):
                if not isinstance(row[column], str):
                    raise ReprovError(f"{program} printed no text as {column} of row {number}")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ReprovError(f"{program} printed no report that reprov can read ({type(error).__name__}: {error})") from None
    return iter(rows)


def _size(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise ReprovError(f"LVM printed {text!r} as a number of bytes")
    return int(text)
