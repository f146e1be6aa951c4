"""A partition table as `sfdisk --json` prints it."""

import json
from dataclasses import dataclass

from reprov.domain.inventory import Partition, Table, TableKind
from reprov.domain.partition_types import name_of
from reprov.errors import ReprovError


@dataclass(frozen=True, slots=True)
class TableOnDisk:
    """A table with its partitions, in the order of their numbers."""

    table: Table
    partitions: tuple[Partition, ...]
    sector_bytes: int


def parse_sfdisk(text: str, source: str, *, complaints: str = "", sector_bytes: int = 512) -> TableOnDisk:
    """Read what sfdisk printed of a disk or image. `complaints`, its standard error, becomes `Table.problems`.

    `sector_bytes` is for versions that do not print it (before util-linux 2.35).
    Raises `ReprovError` that names the source.
    """
    try:
        found = json.loads(text)["partitiontable"]
        kind = str(found["label"])
        identifier = str(found.get("id", "")).lower().removeprefix("0x")
        numbered = [_partition(fields, str(found["device"]), identifier) for fields in found.get("partitions", ())]
        table = Table(
            kind=TableKind(kind) if kind in ("gpt", "dos") else TableKind.OTHER,
            uuid=identifier,
            first_sector=int(found["firstlba"]) if "firstlba" in found else None,
            last_sector=int(found["lastlba"]) if "lastlba" in found else None,
            problems=tuple([line.strip() for line in complaints.splitlines() if line.strip()] + _lost_gpt(kind, numbered)),
        )
        partitions = tuple(sorted(numbered, key=lambda partition: partition.number))
        return TableOnDisk(table, partitions, int(found.get("sectorsize", sector_bytes)))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ReprovError(f"{source}: sfdisk printed no partition table ({type(error).__name__}: {error})") from None


def _partition(fields: dict[str, object], device: str, identifier: str) -> Partition:
    node = str(fields["node"])
    number = _number(node, device)
    partition_type = str(fields["type"]).lower()
    is_gpt = len(partition_type) == len("c12a7328-f81f-11d2-ba4b-00a0c93ec93b")
    return Partition(
        path=node,
        number=number,
        start_sector=int(str(fields["start"])),
        sectors=int(str(fields["size"])),
        type=partition_type,
        type_name=name_of(partition_type),
        # An MBR has none of its own: libblkid makes it up in this way, and so does the kernel.
        uuid=str(fields.get("uuid", "")).lower() if is_gpt else f"{identifier:0>8}-{number:02x}" if identifier else "",
        label=str(fields.get("name", "")),
        attributes=_attributes(str(fields.get("attrs", ""))) if is_gpt else ("Bootable",) if fields.get("bootable") else (),
    )


def _lost_gpt(kind: str, partitions: list[Partition]) -> list[str]:
    """A protective MBR is never alone: its GPT is damaged, or lies where disks with other sectors have it."""
    is_lost = kind == "dos" and any(partition.type == "ee" for partition in partitions)
    return ["only the protective MBR of a GPT can be read"] if is_lost else []


def _attributes(text: str) -> tuple[str, ...]:
    """`RequiredPartition GUID:48,63` as one word for each bit."""
    found = []
    for word in text.split():
        prefix, colon, bits = word.partition(":")
        found += [f"{prefix}:{bit}" for bit in bits.split(",")] if colon else [word]
    return tuple(sorted(found))


def _number(node: str, device: str) -> int:
    """sfdisk names partitions after the disk, with a `p` or `-part` between where that ends in a digit or is a link of udev's."""
    if not node.startswith(device):
        raise ValueError(f"{node!r} is no partition of {device!r}")
    return int(node[len(device) :].removeprefix("-part").removeprefix("p"))
