"""fstab and crypttab: which devices and directories of the node they need.

Formats: fstab(5), crypttab(5). Lines that are none are passed over, as those who read the files at boot do.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto

_OCTAL = re.compile(rb"\\(?!000)([0-3][0-7]{2})")
_TAG = re.compile(r"(UUID|LABEL|PARTUUID|PARTLABEL|ID)=(.+)", re.DOTALL)
_BY_TAG = {"UUID": "by-uuid", "LABEL": "by-label", "PARTUUID": "by-partuuid", "PARTLABEL": "by-partlabel", "ID": "by-id"}
_MAY_BE_MISSING = {"noauto", "nofail"}
_NO_KEY_FILE = {"", "-", "none"}


class Needs(Enum):
    """What the source of an entry has to be before it can be used."""

    DEVICE = auto()
    """A block device of the machine."""
    PATH = auto()
    """A file or directory of the node: a swap file, the source of a bind mount."""
    NOTHING = auto()
    """What only the kernel or a server knows: tmpfs, nfs, a zfs dataset."""


@dataclass(frozen=True, slots=True)
class MountEntry:
    """A line of fstab, escapes undone."""

    source: str
    mount_point: str
    """`none` or `swap` for swap."""
    filesystem: str
    options: frozenset[str]

    @property
    def is_required(self) -> bool:
        """False when the boot goes on without it."""
        return not self.options & _MAY_BE_MISSING

    @property
    def is_mounted(self) -> bool:
        """False for swap, which has no mount point."""
        return self.filesystem != "swap" and self.mount_point.startswith("/")

    @property
    def needs(self) -> Needs:
        """What the source has to be."""
        if link_of(self.source) is not None:
            return Needs.DEVICE
        is_path = self.source.startswith("/") and not self.source.startswith("//")  # //server/share
        if is_path and (self.filesystem == "swap" or self.options & {"bind", "rbind", "loop"}):
            return Needs.PATH
        return Needs.NOTHING


@dataclass(frozen=True, slots=True)
class CryptEntry:
    """A line of crypttab, escapes undone."""

    name: str
    source: str
    key: str
    """Path of the key file; "" when there is none, or when it is not on the node itself."""
    options: frozenset[str]

    @property
    def is_required(self) -> bool:
        """False when the boot goes on without it."""
        return not self.options & _MAY_BE_MISSING

    @property
    def needs(self) -> Needs:
        """What the source has to be."""
        return Needs.PATH if link_of(self.source) is None else Needs.DEVICE


def parse_fstab(content: bytes) -> tuple[MountEntry, ...]:
    """The entries of fstab in their order."""
    return tuple(
        MountEntry(source, point, filesystem, _options(rest)) for source, point, filesystem, *rest in _lines(content, at_least_fields=3)
    )


def parse_crypttab(content: bytes) -> tuple[CryptEntry, ...]:
    """The entries of crypttab in their order."""
    return tuple(
        CryptEntry(name, source, _key_file(rest), _options(rest[1:])) for name, source, *rest in _lines(content, at_least_fields=2)
    )


def link_of(source: str) -> str | None:
    """The path of the device that a source names: itself, or udev's link for a tag; None when it names no device."""
    if source.startswith("/dev/"):
        return source
    tag = tag_of(source)
    return f"/dev/disk/{_BY_TAG[tag[0]]}/{_encoded(tag[1])}" if tag else None


def tag_of(source: str) -> tuple[str, str] | None:
    """Tag and value of `UUID=...` and its like; None for anything else."""
    found = _TAG.fullmatch(source)
    return (found[1], found[2].strip("\"'")) if found else None


def parse_blkid(text: str) -> Mapping[tuple[str, str], str]:
    """Device by tag and value, from what `blkid -o export` prints: blocks of NAME=value, special characters behind a backslash."""
    found: dict[tuple[str, str], str] = {}
    for block in text.split("\n\n"):
        values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        device = values.pop("DEVNAME", "")
        if device:
            found.update({(name, re.sub(r"\\(.)", r"\1", value)): device for name, value in values.items()})
    return found


def _lines(content: bytes, *, at_least_fields: int) -> Iterator[list[str]]:
    for line in content.split(b"\n"):
        fields = line.split()
        if len(fields) >= at_least_fields and not fields[0].startswith(b"#") and b"\0" not in line:
            yield [os.fsdecode(_OCTAL.sub(lambda found: bytes([int(found[1], 8)]), field)) for field in fields]


def _options(fields: list[str]) -> frozenset[str]:
    return frozenset(fields[0].split(",")) if fields else frozenset()


def _key_file(fields: list[str]) -> str:
    key = fields[0] if fields else ""
    # /dev/urandom makes swap with a new key at each boot; PATH:DEVICE lies on another device.
    return "" if key in _NO_KEY_FILE or key.startswith("/dev/") or ":" in key or not key.startswith("/") else key


def _encoded(value: str) -> str:
    """The value as udev writes it in the name of a link (its encode_devnode_name): anything special as \\xNN."""
    return re.sub(r"[^\w#+\-.:=@]", lambda found: "".join(f"\\x{byte:02x}" for byte in os.fsencode(found[0])), value)
