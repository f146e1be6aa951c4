"""LVM as it is written on its physical volumes: for disk images, and where LVM's tools are missing.

The layout is that of lvm2's format_text: a label in one of the first four sectors, behind it the header of the physical volume with
the places of its metadata areas, in each of those a header that points at the current text. All numbers are little-endian.
"""

import re
import struct
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from reprov.domain.inventory import LogicalVolume, PhysicalVolume, VolumeGroup
from reprov.domain.lvm import Lvm, redacted
from reprov.errors import ReprovError

LABEL_BYTES: Final = 4 * 512
AREA_HEADER_BYTES: Final = 512
LARGEST_TEXT_BYTES: Final = 32 << 20
_AREA_MAGIC: Final = b" LVM2 x[5A%r0N*>"
_TOKEN: Final = re.compile(r'\s+|#[^\n]*|"((?:[^"\\]|\\.)*)"|([{}=\[\],])|([^\s{}=\[\],"#]+)', re.DOTALL)
_DEEPEST: Final = 20
_NO_DEVICES: Final = frozenset({"type", "tags", "flags", "status"})
"""Of a segment: its other texts are names of physical volumes and of volumes."""

Node = Mapping[str, object]
"""A section of the text: by name numbers, strings, tuples of these, and sections."""


@dataclass(frozen=True, slots=True)
class PhysicalLabel:
    """What the first sectors of a physical volume say."""

    uuid: str
    size_bytes: int
    areas: tuple[tuple[int, int], ...]
    """Where metadata is: offset and size, in bytes from the start of the device."""


def parse_label(start: bytes) -> PhysicalLabel | None:
    """The label in the first `LABEL_BYTES` of a device; None when there is none that can be read."""
    for at in range(0, len(start), 512):
        if start[at : at + 8] == b"LABELONE" and start[at + 24 : at + 32] == b"LVM2 001":
            (offset,) = struct.unpack_from("<I", start, at + 20)
            try:
                return _physical(start, at + offset)
            except (struct.error, ValueError):
                return None
    return None


def _physical(data: bytes, at: int) -> PhysicalLabel:
    raw, size_bytes = struct.unpack_from("<32sQ", data, at)
    at, areas = _places(data, at + 40)  # where the data is
    _, areas = _places(data, at)
    return PhysicalLabel(_dashed(raw.decode("ascii")), size_bytes, areas)


def _places(data: bytes, at: int) -> tuple[int, tuple[tuple[int, int], ...]]:
    """Pairs of offset and size, up to one of zeros; and where what follows them starts."""
    found: list[tuple[int, int]] = []
    while True:
        offset, size = struct.unpack_from("<QQ", data, at)
        at += 16
        if not offset:
            return at, tuple(found)
        found.append((offset, size))


def text_places(header: bytes, area: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """Where the current text of an area is, as (offset, size) from the start of the device; it goes on at the area's start when it
    reaches the end. Nothing for an area that holds none: that of a volume in no group, or one that is not in use."""
    start, size = area
    if header[4:20] != _AREA_MAGIC or len(header) < AREA_HEADER_BYTES:
        return ()
    offset, length, _checksum, flags = struct.unpack_from("<QQII", header, 40)
    if not length or flags & 1 or length > LARGEST_TEXT_BYTES or not AREA_HEADER_BYTES <= offset < size:
        return ()
    first = min(length, size - offset)
    return ((start + offset, first), *(((start + AREA_HEADER_BYTES, length - first),) if length > first else ()))


def is_empty(header: bytes) -> bool:
    """True for the header of an area that is in order and holds no text: that of a physical volume in no group."""
    return header[4:20] == _AREA_MAGIC and header[40:56] == bytes(16)


def volumes_of(texts: Sequence[tuple[str, str]], labels: Mapping[str, PhysicalLabel], free: Container[str]) -> Lvm:
    """Everything of LVM, from the texts with the places that they come from, and the labels by path.

    `free` are the paths of physical volumes that are in no group for certain; one that is neither free nor in a group is left out, since
    nothing is known of it. Of several texts of a group the newest counts. Raises `ReprovError` that names the place of a text that is none.
    """
    newest: dict[str, tuple[int, str, Node]] = {}
    for text, source in texts:
        try:
            for name, group in parse_text(text).items():
                if isinstance(group, dict) and "physical_volumes" in group:
                    sequence = int(cast("int", group["seqno"]))
                    if name not in newest or sequence > newest[name][0]:
                        newest[name] = (sequence, source, group)
        except (ValueError, KeyError, TypeError) as error:
            raise ReprovError(f"{source}: not LVM's metadata ({type(error).__name__}: {error})") from None
    paths = {label.uuid: path for path, label in labels.items()}
    found = Lvm()
    for name, (_, source, group) in sorted(newest.items()):
        try:
            found = _with_group(found, name, group, paths, labels)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ReprovError(f"{source}: not the metadata of a volume group ({type(error).__name__}: {error})") from None
    known = {physical.uuid for physical in found.physical_volumes}
    unused = [(path, label) for path, label in labels.items() if path in free and label.uuid not in known]
    spare = tuple(PhysicalVolume(path, label.uuid, "", label.size_bytes) for path, label in unused)
    return Lvm((*found.physical_volumes, *spare), found.groups, found.volumes)


def _with_group(found: Lvm, name: str, group: Node, paths: Mapping[str, str], labels: Mapping[str, PhysicalLabel]) -> Lvm:
    extent_bytes = int(cast("int", group["extent_size"])) * 512
    physical = {
        key: PhysicalVolume(
            paths.get(_text(item["id"]), "[unknown]"), _text(item["id"]), name, int(cast("int", item["pe_count"])) * extent_bytes
        )
        for key, item in _sections(group["physical_volumes"])
    }
    volumes = dict(_sections(group.get("logical_volumes", {})))
    made = tuple(
        LogicalVolume(
            name,
            key,
            _text(item["id"]),
            sum(int(cast("int", segment["extent_count"])) for _, segment in _segments(item)) * extent_bytes,
            tuple(
                sorted(
                    {physical[device].path for device in _devices(key, volumes) if device in physical}
                    or {p.path for p in physical.values()}
                )
            ),
            tags=_tags(item),
        )
        for key, item in volumes.items()
        if "VISIBLE" in cast("tuple[str, ...]", item["status"])
    )
    used = sum(
        int(cast("int", segment["extent_count"])) * extent_bytes
        for item in volumes.values()
        for _, segment in _segments(item)
        if any(device in physical for device in _direct(segment))
    )
    size_bytes = sum(item.size_bytes for item in physical.values())
    new = VolumeGroup(name, _text(group["id"]), size_bytes, max(size_bytes - used, 0), _tags(group))
    return Lvm((*found.physical_volumes, *physical.values()), (*found.groups, new), (*found.volumes, *made))


def _devices(name: str, volumes: Mapping[str, Node]) -> set[str]:
    """The names of physical volumes (and other volumes) below one, at any depth."""
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        for _, segment in _segments(volumes.get(waiting.pop(), {})):
            new = set(_direct(segment)) - seen
            seen |= new
            waiting += new
    return seen


def _direct(segment: Node) -> Iterator[str]:
    for key, value in segment.items():
        if key not in _NO_DEVICES:
            yield from (item for item in (value if isinstance(value, tuple) else (value,)) if isinstance(item, str))


def _segments(volume: Node) -> Iterator[tuple[str, Node]]:
    return ((key, value) for key, value in volume.items() if key.startswith("segment") and isinstance(value, dict))


def _sections(value: object) -> list[tuple[str, Node]]:
    return [(key, item) for key, item in cast("dict[str, Node]", value).items() if isinstance(item, dict)]


def _tags(item: Node) -> tuple[str, ...]:
    return redacted(",".join(str(tag) for tag in cast("tuple[object, ...]", item.get("tags", ()))))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    return value


def _dashed(raw: str) -> str:
    return "-".join((raw[:6], raw[6:10], raw[10:14], raw[14:18], raw[18:22], raw[22:26], raw[26:]))


def parse_text(text: str) -> dict[str, object]:
    """The sections and values of LVM's text format. Raises `ValueError`."""
    tokens = _tokens(text.rstrip("\0"))
    top, end = _section(tokens, 0, 0)
    if end != len(tokens):
        raise ValueError("a section ends that has not begun")
    return top


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"character {at} belongs to nothing")
        at = match.end()
        if match[1] is not None:
            found.append(("text", re.sub(r"\\(.)", r"\1", match[1])))
        elif match[2] or match[3]:
            found.append(("mark", match[2]) if match[2] else ("word", match[3]))
    return found


def _section(tokens: list[tuple[str, str]], at: int, depth: int) -> tuple[dict[str, object], int]:
    found: dict[str, object] = {}
    if depth > _DEEPEST:
        raise ValueError("sections lie in each other too deep")
    while at < len(tokens) and tokens[at] != ("mark", "}"):
        kind, name = tokens[at]
        after = tokens[at + 1] if at + 1 < len(tokens) else ("", "")
        if kind != "word" or after not in (("mark", "{"), ("mark", "=")):
            raise ValueError(f"word {at + 1} is neither a section nor a value")  # without the word, which may be a secret
        if after == ("mark", "{"):
            found[name], at = _section(tokens, at + 2, depth + 1)
            if at >= len(tokens):
                raise ValueError(f"section {name!r} does not end")
            at += 1
        else:
            found[name], at = _value(tokens, at + 2)
    return found, at


def _value(tokens: list[tuple[str, str]], at: int) -> tuple[object, int]:
    """A number, a word, a text, or a list of these: there are no lists in lists."""
    if at >= len(tokens):
        raise ValueError("a value is missing")
    if tokens[at] != ("mark", "["):
        return _single(tokens[at]), at + 1
    end = next((place for place in range(at, len(tokens)) if tokens[place] == ("mark", "]")), None)
    if end is None:
        raise ValueError("a list does not end")
    return tuple(_single(token) for token in tokens[at + 1 : end] if token != ("mark", ",")), end + 1


def _single(token: tuple[str, str]) -> object:
    kind, text = token
    if kind == "mark":
        raise ValueError(f"{text!r} is no value")
    return text if kind == "text" else _number(text)


def _number(word: str) -> object:
    return int(word) if re.fullmatch(r"-?[0-9]{1,18}", word) else word
