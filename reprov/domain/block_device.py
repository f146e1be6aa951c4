"""A block device as the kernel and udev describe it: their words in, values of the inventory out.

udev's properties come from its database, attributes from sysfs. Where no udev has looked at a device (`is_probed` is False), its
table and content have to be asked of sfdisk and blkid.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from reprov.domain.inventory import AMBIVALENT, Partition, Signature, Table, TableKind
from reprov.domain.partition_types import name_of
from reprov.errors import ReprovError

KERNEL_SECTOR_BYTES: Final = 512
"""In sysfs and in udev's properties a sector is 512 bytes, whatever the disk says."""
_NO_STORAGE: Final = re.compile(r"(ram|zram|fd|sr|scd|mtdblock)\d+|nvme\d+c\d+n\d+")


@dataclass(frozen=True, slots=True)
class BlockDevice:
    """One device of /sys/class/block."""

    name: str
    """The kernel's: `sda1`, `dm-3`."""
    path: str
    """`/dev/mapper/NAME` of the device mapper's, else `/dev/NAME`."""
    links: tuple[str, ...]
    """Further paths of it: udev's links."""
    number: str
    """`8:1`."""
    size_bytes: int
    sector_bytes: int
    is_read_only: bool
    parent: str
    """Of a partition that the kernel made: the name of its disk."""
    partition_number: int
    """Of a partition, else 0."""
    start_bytes: int
    """Where a partition starts on its disk."""
    below: tuple[str, ...]
    """Names of what the kernel made it of, sorted."""
    wwn: str
    serial: str
    model: str
    mapper_name: str
    """Of a dm device, else ""."""
    mapper_uuid: str
    """Of a dm device: `LVM-...`, `CRYPT-LUKS2-...`, `mpath-...`, `part1-mpath-...`."""
    raid_level: str
    """Of an md array (`raid1`), else ""."""
    raid_uuid: str
    raid_name: str
    is_loop: bool
    is_probed: bool
    """True when udev has found a table or content."""
    table: Table | None
    entry: Partition | None
    """Of a partition: its entry, as udev found it."""
    content: Signature | None


def is_storage(name: str, attributes: Mapping[str, str]) -> bool:
    """False for what is no disk (RAM, optical and floppy drives), for a path below an NVMe disk, and for an empty loop device."""
    return not _NO_STORAGE.fullmatch(name) and attributes.get("size", "0") != "0" and attributes.get("hidden", "0") != "1"


def block_device(
    name: str,
    properties: Mapping[str, str],
    attributes: Mapping[str, str],
    *,
    links: tuple[str, ...] = (),
    parent: str = "",
    below: tuple[str, ...] = (),
) -> BlockDevice:
    """The device that udev's properties and sysfs's attributes (`size`, `ro`, `dm/name`, `md/level`, ...) describe.

    `attributes` of a partition include those of its disk for `queue/logical_block_size`. Raises `ReprovError`, naming the device,
    when a number is none.
    """
    try:
        sector_bytes = int(attributes.get("queue/logical_block_size", str(KERNEL_SECTOR_BYTES)))
        size_bytes = int(attributes.get("size", "0")) * KERNEL_SECTOR_BYTES
        mapper_name = attributes.get("dm/name", "") or properties.get("DM_NAME", "")
        path = f"/dev/mapper/{mapper_name}" if mapper_name else f"/dev/{name}"
        return BlockDevice(
            name=name,
            path=path,
            links=tuple(sorted({*links, f"/dev/{name}"} - {path})),
            number=attributes.get("dev", ""),
            size_bytes=size_bytes,
            sector_bytes=sector_bytes,
            is_read_only=attributes.get("ro", "0") == "1",
            parent=parent,
            partition_number=int(attributes.get("partition", "0")),
            start_bytes=int(attributes.get("start", "0")) * KERNEL_SECTOR_BYTES,
            below=tuple(sorted(below)),
            wwn=_wwn(properties, attributes),
            serial=_first(properties, "ID_SERIAL_SHORT", "ID_SCSI_SERIAL", "DM_SERIAL") or attributes.get("serial", ""),
            model=decoded(properties.get("ID_MODEL_ENC", "")).strip() or _first(properties, "ID_MODEL") or attributes.get("model", ""),
            mapper_name=mapper_name,
            mapper_uuid=attributes.get("dm/uuid", "") or properties.get("DM_UUID", ""),
            raid_level=attributes.get("md/level", "") or properties.get("MD_LEVEL", ""),
            raid_uuid=properties.get("MD_UUID", "") or attributes.get("md/uuid", ""),
            raid_name=properties.get("MD_NAME", ""),
            is_loop="loop/backing_file" in attributes,
            # A disk on which udev has found nothing looks like one that it has not looked at yet: both are asked again.
            is_probed=any(key.startswith(("ID_FS_", "ID_PART_")) for key in properties),
            table=_table(properties),
            entry=_entry(path, properties, sector_bytes),
            content=content_of(properties),
        )
    except ValueError as error:
        raise ReprovError(f"udev and sysfs tell nothing usable of {name}: {error}") from None


def decoded(text: str) -> str:
    """Text of a udev property whose name ends with _ENC, and of ID_PART_ENTRY_NAME: `\\x20` stands for a blank."""
    raw = re.sub(rb"\\x([0-9a-fA-F]{2})", lambda found: bytes([int(found[1], 16)]), text.encode("utf-8", "surrogateescape"))
    return raw.decode("utf-8", "surrogateescape")


def attribute_names(bits: int) -> tuple[str, ...]:
    """The attribute bits of a GPT entry in sfdisk's words."""
    names = [name for bit, name in enumerate(("RequiredPartition", "NoBlockIOProtocol", "LegacyBIOSBootable")) if bits >> bit & 1]
    return tuple(sorted([*names, *(f"GUID:{bit}" for bit in range(48, 64) if bits >> bit & 1)]))


def _first(properties: Mapping[str, str], *names: str) -> str:
    return next((properties[name] for name in names if properties.get(name)), "")


def _wwn(properties: Mapping[str, str], attributes: Mapping[str, str]) -> str:
    """udev's, else sysfs's own (`naa.5002538e40a1b2c3`, `eui.0025385b71b0c1d2`) in udev's form."""
    told = _first(properties, "ID_WWN_WITH_EXTENSION", "ID_WWN", "DM_WWN")
    own = attributes.get("wwid", "")
    return told or (f"0x{own[4:]}" if own.startswith("naa.") else own if own.startswith(("eui.", "uuid.", "nvme.")) else "")


def _table(properties: Mapping[str, str]) -> Table | None:
    kind = properties.get("ID_PART_TABLE_TYPE", "")
    if not kind or "ID_PART_ENTRY_NUMBER" in properties:  # a partition inherits those of its disk
        return None
    known = TableKind(kind) if kind in ("gpt", "dos") else TableKind.OTHER
    return Table(known, properties.get("ID_PART_TABLE_UUID", "").lower())


def _entry(path: str, properties: Mapping[str, str], sector_bytes: int) -> Partition | None:
    if "ID_PART_ENTRY_NUMBER" not in properties:
        return None
    scale = max(sector_bytes // KERNEL_SECTOR_BYTES, 1)
    partition_type = properties.get("ID_PART_ENTRY_TYPE", "").lower().removeprefix("0x")
    flags = int(properties.get("ID_PART_ENTRY_FLAGS", "0"), 16)
    is_gpt = properties.get("ID_PART_ENTRY_SCHEME") == "gpt"
    return Partition(
        path=path,
        number=int(properties["ID_PART_ENTRY_NUMBER"]),
        start_sector=int(properties.get("ID_PART_ENTRY_OFFSET", "0")) // scale,
        sectors=int(properties.get("ID_PART_ENTRY_SIZE", "0")) // scale,
        type=partition_type,
        type_name=name_of(partition_type),
        uuid=properties.get("ID_PART_ENTRY_UUID", "").lower(),
        label=decoded(properties.get("ID_PART_ENTRY_NAME", "")),
        attributes=attribute_names(flags) if is_gpt else ("Bootable",) if flags & 0x80 else (),
    )


def content_of(properties: Mapping[str, str]) -> Signature | None:
    """What a device holds, from its properties; None when udev (or blkid in its words) has found nothing."""
    if "ID_FS_AMBIVALENT" in properties:
        return Signature(AMBIVALENT)
    if not properties.get("ID_FS_TYPE"):
        return None
    label = decoded(properties.get("ID_FS_LABEL_ENC", "")) or properties.get("ID_FS_LABEL", "")
    uuid = decoded(properties.get("ID_FS_UUID_ENC", "")) or properties.get("ID_FS_UUID", "")
    return Signature(properties["ID_FS_TYPE"], properties.get("ID_FS_USAGE", ""), uuid, label)
