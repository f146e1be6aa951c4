"""What devices and parts of them hold, as `blkid -p` prints it."""

import re
from collections.abc import Mapping

from reprov.domain.block_device import content_of
from reprov.domain.inventory import Signature
from reprov.errors import ReprovError


def parse_probe(text: str, source: str) -> Mapping[str, Signature]:
    """The content of every device that blkid found any in, by the path that it was asked for; a partition table is none.

    Raises `ReprovError` that names the source when a line is not NAME=value.
    """
    blocks: dict[str, dict[str, str]] = {}
    values: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        name, equals, value = line.partition("=")
        if not line:
            continue
        if not equals or not re.fullmatch(r"[A-Z_0-9]+", name) or (name != "DEVNAME" and not blocks):
            raise ReprovError(f"{source}: line {number} of what blkid printed is no value of a device: {line[:60]!r}")
        value = re.sub(r"\\(.)", r"\1", value)
        if name == "DEVNAME":
            values = blocks.setdefault(value, {})
        values[name] = value
    return {
        device: Signature(found["TYPE"], found.get("USAGE", ""), found.get("UUID", ""), found.get("LABEL", ""))
        for device, found in blocks.items()
        if found.get("TYPE")
    }


def parse_place(text: str, source: str) -> Signature | None:
    """The content of one device or part of a file, as `blkid -p -o udev` prints it: without the name, in udev's words.

    Raises `ReprovError` that names the source when a line is not NAME=value.
    """
    properties = {}
    for number, line in enumerate(filter(None, text.split("\n")), start=1):
        name, equals, value = line.partition("=")
        if not equals:
            raise ReprovError(f"{source}: line {number} of what blkid printed is no value: {line[:60]!r}")
        properties[name] = value
    return content_of(properties)


def ambivalent(complaints: str) -> tuple[str, ...]:
    """The devices of which blkid says, on standard error, that they look like several things at once."""
    return tuple(re.findall(r"^blkid: (.+): ambivalent result", complaints, re.MULTILINE))
