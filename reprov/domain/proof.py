"""What a storage proof says of every protected device: its table entry, who it is, and, where nothing uses it, its bytes.

Two proofs are compared by `domain.proof_comparison`. A device is found again by what names it for good, never by its path.
"""

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from reprov.domain.bluestore import BluestoreLabel
from reprov.domain.inventory import Signature
from reprov.errors import InvalidInput

PROOF_FORMAT: Final = 1
SIGNATURE_BYTES: Final = 1 << 20
"""Hashed at the start and at the end of a device: every filesystem, volume and OSD has what names it in one of them."""

Key = tuple[str, ...]

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@dataclass(frozen=True, slots=True)
class TableEntry:
    """An entry of a partition table, as it is on the disk."""

    table: str
    """`gpt` or `dos`."""
    table_uuid: str
    sector_bytes: int
    number: int
    start_sector: int
    sectors: int
    type: str
    """GPT: the type GUID. MBR: the type in hex."""
    uuid: str
    """PARTUUID."""
    label: str
    attributes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    """What sfdisk says is wrong with the table."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The bytes of a device that nothing uses."""

    first_sha256: str
    """Of the first `SIGNATURE_BYTES`, or of all if it is smaller."""
    last_sha256: str
    whole_sha256: str = ""
    """"" unless the proof is deep."""
    written_sectors: int | None = None
    """The kernel's count of sectors written since the device appeared; None in an image."""
    discarded_sectors: int | None = None
    """A discard loses data without a write."""


@dataclass(frozen=True, slots=True)
class ProvenDevice:
    """A protected device. What is not compared is `path`, `reasons` and `use`: they differ from boot to boot."""

    path: str
    """Where it was; `VG/LV` for a volume that was not active."""
    size_bytes: int
    reasons: tuple[str, ...] = ()
    """Why it is protected; none for a device that was so in an earlier proof only."""
    wwn: str = ""
    """Of the disk; "" for what is made of other devices."""
    serial: str = ""
    volume: str = ""
    """`VG/LV`."""
    uuid: str = ""
    """Of a volume, an array or a mapping."""
    tags: tuple[str, ...] = ()
    """Of a volume, without secrets."""
    entry: TableEntry | None = None
    content: Signature | None = None
    bluestore: BluestoreLabel | None = None
    fingerprint: Fingerprint | None = None
    """None while something uses the device: its bytes may change, who it is may not."""
    use: str = ""
    """Why there is no fingerprint: `mounted at /srv/data`."""
    error: str = ""
    """Why it could not be read: `Input/output error`."""

    def keys(self) -> Iterator[Key]:
        """What may find the device in another proof, the surest first."""
        yield from keys_of(
            uuid=self.uuid,
            partuuid=self.entry.uuid if self.entry else "",
            disk=(self.wwn, self.serial, self.entry.table_uuid if self.entry else ""),
            start_sector=self.entry.start_sector if self.entry else None,
            path=self.path,
        )
        if self.bluestore and self.bluestore.osd_fsid:
            yield ("bluestore", self.bluestore.osd_fsid, self.bluestore.role)
        if self.content and self.content.uuid:
            yield ("content", self.content.type, self.content.uuid)


@dataclass(frozen=True, slots=True)
class ProvenOsd:
    """An OSD as it was found; `kind` and `devices` are for people, the devices are proven each by itself."""

    id: int | None
    fsid: str
    cluster_fsid: str
    kind: str
    devices: tuple[str, ...] = ()
    """Where its parts were: `block /dev/sda2`."""


@dataclass(frozen=True, slots=True)
class Proof:
    """Everything that is protected on a node, or in a disk image, at one time."""

    made_at: str
    """UTC, ISO 8601."""
    boot_id: str
    """The kernel counts writes anew from boot to boot; "" for an image."""
    is_deep: bool
    devices: tuple[ProvenDevice, ...] = ()
    osds: tuple[ProvenOsd, ...] = ()
    notes: tuple[str, ...] = ()
    """What could not be looked at, and why."""

    def to_json(self) -> str:
        """The text of storage-proof.json: the same for the same devices, but for the time."""
        return json.dumps(self.to_fields(), indent=2) + "\n"

    def to_fields(self) -> dict[str, object]:
        """The proof as JSON has it, with the number of its format."""
        return {"format": PROOF_FORMAT, **dataclasses.asdict(self)}

    @classmethod
    def parse(cls, text: str, source: str) -> "Proof":
        """Read storage-proof.json. Raises `InvalidInput` naming the source when it is no proof that this version understands."""
        try:
            fields = json.loads(text)
            if fields.pop("format") != PROOF_FORMAT:
                raise InvalidInput(
                    f"{source}: a storage proof of another version of reprov", hint="make and compare proofs with one version"
                )
            if not _TIME.fullmatch(fields["made_at"]):
                raise ValueError("made_at is no time")
            return cls(
                **{
                    **fields,
                    "devices": tuple(_device(item) for item in fields["devices"]),
                    "osds": tuple(ProvenOsd(**{**item, "devices": tuple(item["devices"])}) for item in fields["osds"]),
                    "notes": tuple(fields["notes"]),
                }
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InvalidInput(f"{source}: not a storage proof ({type(error).__name__}: {error})") from None


def keys_of(*, uuid: str, partuuid: str, disk: tuple[str, str, str], start_sector: int | None, path: str) -> Iterator[Key]:
    """What names a device for good, the surest first: its own UUID, PARTUUID, its place on a disk, the disk.

    `disk` is what names the disk (WWN, serial number, UUID of its table), "" where there is none; `start_sector` is a partition's.
    The path counts only where neither the hardware nor the device has a name.
    """
    names = [name for name in disk if name]
    if uuid:
        yield ("uuid", uuid)
    if partuuid:
        yield from (("partuuid", partuuid, name) for name in names)
        yield ("partuuid", partuuid)
    if start_sector is None:
        yield from (("disk", name) for name in names)
    else:
        yield from (("place", name, str(start_sector)) for name in names)
    if not (uuid or disk[0] or disk[1]):
        yield ("path", path)


def _device(fields: Mapping[str, Any]) -> ProvenDevice:
    entry, content, label, fingerprint = (fields[name] for name in ("entry", "content", "bluestore", "fingerprint"))
    return ProvenDevice(
        **{
            **fields,
            "reasons": tuple(fields["reasons"]),
            "tags": tuple(fields["tags"]),
            "entry": TableEntry(**{**entry, "attributes": tuple(entry["attributes"]), "problems": tuple(entry["problems"])})
            if entry
            else None,
            "content": Signature(**content) if content else None,
            "bluestore": BluestoreLabel(**label) if label else None,
            "fingerprint": Fingerprint(**fingerprint) if fingerprint else None,
        }
    )
