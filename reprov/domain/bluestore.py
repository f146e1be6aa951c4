"""The label at the start of a bluestore device: which OSD it belongs to. Read from its bytes, or from what ceph-bluestore-tool prints.

The layout of the bytes is `bluestore_bdev_label_t::encode` of Ceph's source: a line of magic, the OSD's fsid as text, then one
versioned structure in little-endian byte order. The same structure starts a db and a wal device.
"""

import json
import struct
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from reprov.errors import ReprovError

LABEL_BYTES: Final = 4096
_MAGIC: Final = b"bluestore block device\n"
_TEXT_BYTES: Final = len(_MAGIC) + len("4fbd7e29-9d25-41b8-afd0-062c0ceff05d\n")
_VERSION_WITH_FIELDS: Final = 2
_ROLES: Final = {"main": "block", "bluefs db": "db", "bluefs wal": "wal"}


@dataclass(frozen=True, slots=True)
class BluestoreLabel:
    """What a label says, without its keys (`osd_key`), which are secret."""

    osd_fsid: str
    size_bytes: int = 0
    """0 when the label could be read only in part."""
    role: str = ""
    """`block`, `db` or `wal`; "" when it says something else."""
    osd_id: int | None = None
    """Only the block device tells it."""
    cluster_fsid: str = ""


def parse_label(first_block: bytes) -> BluestoreLabel | None:
    """The label in the first `LABEL_BYTES` of a device; None when there is none.

    A label with the magic and an fsid is one, whatever follows: a device that is half readable is still somebody's data.
    """
    if not first_block.startswith(_MAGIC):
        return None
    text = first_block[len(_MAGIC) : _TEXT_BYTES - 1].decode("ascii", "replace")
    try:
        fsid = str(uuid.UUID(text))
    except ValueError:
        return BluestoreLabel("")
    try:
        return _structure(first_block[_TEXT_BYTES:], fsid)
    except (struct.error, ValueError):
        return BluestoreLabel(fsid)


def parse_show_label(text: str, source: str) -> Mapping[str, BluestoreLabel]:
    """The labels by device that `ceph-bluestore-tool show-label` prints. Raises `ReprovError` that names the source."""
    try:
        return {
            str(device): _label(str(fields["osd_uuid"]), int(fields["size"]), str(fields["description"]), fields)
            for device, fields in json.loads(text).items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ReprovError(f"{source}: ceph-bluestore-tool printed no label ({type(error).__name__}: {error})") from None


def _structure(data: bytes, fsid: str) -> BluestoreLabel:
    version, _compatible, length = struct.unpack_from("<BBI", data)
    reader = _Reader(data[6 : 6 + length])
    reader.take(16)  # the fsid again
    (size_bytes,) = struct.unpack("<Q", reader.take(8))
    reader.take(8)  # when it was made
    description = reader.text()
    fields = {}
    for _ in range(reader.number() if version >= _VERSION_WITH_FIELDS else 0):
        name = reader.text()
        fields[name] = reader.text()
    return _label(fsid, size_bytes, description, fields)


def _label(fsid: str, size_bytes: int, description: str, fields: Mapping[str, object]) -> BluestoreLabel:
    whoami = str(fields.get("whoami", ""))
    osd_id = int(whoami) if whoami.isascii() and whoami.isdecimal() else None
    return BluestoreLabel(fsid.lower(), size_bytes, _ROLES.get(description, ""), osd_id, str(fields.get("ceph_fsid", "")).lower())


class _Reader:
    """Takes one value after the other; `ValueError` at the end of the data."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        if self._at + count > len(self._data):
            raise ValueError("the label ends early")
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self) -> int:
        return int.from_bytes(self.take(4), "little")

    def text(self) -> str:
        return self.take(self.number()).decode("utf-8", "replace")
