"""Two storage proofs side by side: what of the protected devices has changed between them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Final, NamedTuple

from reprov.domain.partition_types import name_of
from reprov.domain.proof import Key, Proof, ProvenDevice, ProvenOsd, TableEntry

MISSING: Final = "missing"
_MANY: Final = 3


class Extent(StrEnum):
    """How far two proofs reach of one device."""

    WHOLE = "every byte"
    ENDS = "first and last MiB"
    IDENTITY = "identity"


class Difference(NamedTuple):
    """Something that is not as it was."""

    device: str
    """Where the device is now, or was when it is missing; `osd.3` of an OSD."""
    what: str
    """`type`, `label`, `first MiB`, ..."""
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Compared:
    """A device that both proofs have."""

    path: str
    extent: Extent
    why: str = ""
    """Why no more is proven of it."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two proofs together prove."""

    differences: tuple[Difference, ...]
    devices: tuple[Compared, ...]
    """Every device that both have, in the order of the second."""
    remarks: tuple[str, ...] = ()
    """What is no difference, but worth knowing: new devices, other names."""


def differences(before: Proof, after: Proof) -> tuple[Difference, ...]:
    """Everything protected that is not as it was; none means that the data is proven untouched."""
    return compare(before, after).differences


def compare(before: Proof, after: Proof) -> Comparison:
    """The two proofs side by side. Names and order of the disks do not matter.

    A device or an OSD that is gone is a difference, a new one is a remark. Bytes are compared where both proofs have them;
    the counts of writes where both are of one boot.
    """
    pairs, gone, new = _matched(before.devices, after.devices)
    same_boot = bool(before.boot_id) and before.boot_id == after.boot_id
    found = [Difference(device.path, "device", _said(device), MISSING) for device in gone]
    remarks = [f"{device.path}: new, with nothing to compare it with" for device in new]
    for old, current in pairs:
        found += (Difference(current.path, *change) for change in _changes(old, current, same_boot))
    moved = [f"{old.path} is {current.path} now" for old, current in pairs if old.path != current.path]
    if moved:
        rest = f", and {len(moved) - _MANY} more" if len(moved) > _MANY else ""
        remarks.append(f"other names: {', '.join(moved[:_MANY])}{rest}")
    if before.is_deep != after.is_deep:
        shallow = "earlier proof" if after.is_deep else "proof now"
        remarks.append(f"the {shallow} was made without --deep: no device is compared by every byte")
    lost, told = _osds(before.osds, after.osds)
    devices = tuple(_compared(old, current) for old, current in pairs)
    return Comparison((*found, *lost), devices, (*remarks, *told))


def _matched(
    before: Sequence[ProvenDevice], after: Sequence[ProvenDevice]
) -> tuple[list[tuple[ProvenDevice, ProvenDevice]], list[ProvenDevice], list[ProvenDevice]]:
    """Pairs, what only the first has, what only the second has. The surest key goes first, and one that two devices share finds none."""
    old, new = dict(enumerate(before)), dict(enumerate(after))
    partner: dict[int, int] = {}
    for kind in ("uuid", "partuuid", "place", "disk", "bluestore", "content", "path"):
        for length in (3, 2):  # a PARTUUID on the disk that it was on goes before one on any disk
            mine, theirs = _by_key(old, kind, length), _by_key(new, kind, length)
            for key, number in mine.items():
                other = theirs.get(key)
                if other is not None and number in old and other in new:
                    partner[other] = number
                    del old[number], new[other]
    pairs = [(before[partner[number]], after[number]) for number in sorted(partner)]
    return pairs, [*old.values()], [*new.values()]


def _by_key(devices: dict[int, ProvenDevice], kind: str, length: int) -> dict[Key, int]:
    keys = [(key, number) for number, device in devices.items() for key in device.keys() if key[0] == kind and len(key) == length]
    count = Counter(key for key, _ in keys)
    return {key: number for key, number in keys if count[key] == 1}


def _changes(before: ProvenDevice, after: ProvenDevice, same_boot: bool) -> Iterator[tuple[str, str, str]]:
    """What, before, after."""
    for what, old, new in (("disk WWN", before.wwn, after.wwn), ("disk serial", before.serial, after.serial)):
        if old and new and old != new:  # a rescue system without udev knows fewer of them
            yield what, old, new
    yield from _entry_changes(before.entry, after.entry)
    old_label, new_label = before.bluestore, after.bluestore
    for what, old, new in (
        ("size", f"{before.size_bytes} bytes", f"{after.size_bytes} bytes"),
        ("volume", before.volume, after.volume),
        ("volume UUID", before.uuid, after.uuid),
        ("content", before.content.type if before.content else "", after.content.type if after.content else ""),
        ("content UUID", before.content.uuid if before.content else "", after.content.uuid if after.content else ""),
        ("content label", before.content.label if before.content else "", after.content.label if after.content else ""),
        ("bluestore fsid", old_label.osd_fsid if old_label else "", new_label.osd_fsid if new_label else ""),
        ("bluestore role", old_label.role if old_label else "", new_label.role if new_label else ""),
        ("bluestore id", _id(old_label.osd_id if old_label else None), _id(new_label.osd_id if new_label else None)),
        ("bluestore cluster", old_label.cluster_fsid if old_label else "", new_label.cluster_fsid if new_label else ""),
        ("bluestore size", str(old_label.size_bytes) if old_label else "", str(new_label.size_bytes) if new_label else ""),
        ("tags removed", " ".join(sorted({*before.tags} - {*after.tags})), ""),
        ("tags added", "", " ".join(sorted({*after.tags} - {*before.tags}))),
    ):
        if old != new:
            yield what, old or "none", new or "none"
    yield from _byte_changes(before, after, same_boot)


def _entry_changes(before: TableEntry | None, after: TableEntry | None) -> Iterator[tuple[str, str, str]]:
    if before is None or after is None:
        if before != after:
            yield "table entry", _entry_said(before), _entry_said(after)
        return
    for field in fields(TableEntry):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if field.name == "problems":
            # A table that was mended is no loss: writing one partition of the system's writes both copies of the table.
            worse = tuple(problem for problem in after.problems if problem not in before.problems)
            old, new = before.problems if worse else worse, worse
        if old != new:
            yield _ENTRY_WORDS[field.name], _value(field.name, old), _value(field.name, new)


_ENTRY_WORDS: Final = {
    "table": "table kind",
    "table_uuid": "table UUID",
    "sector_bytes": "sector size",
    "number": "number",
    "start_sector": "start sector",
    "sectors": "sectors",
    "type": "type",
    "uuid": "PARTUUID",
    "label": "label",
    "attributes": "attributes",
    "problems": "table problems",
}


def _value(field: str, value: object) -> str:
    if isinstance(value, tuple):
        return "; ".join(value) or "none"
    text = str(value)
    name = name_of(text) if field == "type" else ""
    return f"{text} ({name})" if name else text or "none"


def _byte_changes(before: ProvenDevice, after: ProvenDevice, same_boot: bool) -> Iterator[tuple[str, str, str]]:
    if after.error and not before.error:
        yield "reading", "readable", after.error
    old, new = before.fingerprint, after.fingerprint
    if old is None or new is None:
        return
    for what, was, now in (("first MiB", old.first_sha256, new.first_sha256), ("last MiB", old.last_sha256, new.last_sha256)):
        if was != now:
            yield what, f"sha256 {was}", f"sha256 {now}"
    if old.whole_sha256 and new.whole_sha256 and old.whole_sha256 != new.whole_sha256:
        yield "whole device", f"sha256 {old.whole_sha256}", f"sha256 {new.whole_sha256}"
    counts = (
        ("sectors written", old.written_sectors, new.written_sectors),
        ("sectors discarded", old.discarded_sectors, new.discarded_sectors),
    )
    for what, count, current in counts:
        # 0 is where the count starts again when the kernel reads the table again and makes its partitions anew.
        if same_boot and count is not None and current is not None and current not in (count, 0):
            yield what, str(count), str(current)


def _compared(before: ProvenDevice, after: ProvenDevice) -> Compared:
    old, new = before.fingerprint, after.fingerprint
    if new is None:
        return Compared(after.path, Extent.IDENTITY, after.use or after.error)
    if old is None:
        return Compared(after.path, Extent.IDENTITY, f"before: {before.use or before.error}")
    return Compared(after.path, Extent.WHOLE if old.whole_sha256 and new.whole_sha256 else Extent.ENDS)


def _osds(before: Sequence[ProvenOsd], after: Sequence[ProvenOsd]) -> tuple[list[Difference], list[str]]:
    """OSDs by fsid; by id where a plain directory is all that there is."""
    current = {_osd_key(osd): osd for osd in after}
    found, remarks = [], []
    for osd in before:
        now = current.pop(_osd_key(osd), None)
        if now is None:
            found.append(Difference(_osd_name(osd), "OSD", osd.fsid or "present", MISSING))
            continue
        if osd.id is not None and now.id is None:
            remarks.append(f"{_osd_name(osd)}: its id cannot be told now (is its filesystem mounted?); its fsid is the same")
        for what, old, new in (("OSD id", _id(osd.id), _id(now.id)), ("cluster fsid", osd.cluster_fsid, now.cluster_fsid)):
            if old and new and old != new:
                found.append(Difference(_osd_name(osd), what, old, new))
    remarks += [f"{_osd_name(osd)}: new" for osd in current.values()]
    return found, remarks


def _osd_key(osd: ProvenOsd) -> tuple[str, str]:
    return (osd.fsid, "") if osd.fsid else (osd.cluster_fsid, _id(osd.id))


def _osd_name(osd: ProvenOsd) -> str:
    return f"osd.{'?' if osd.id is None else osd.id}"


def _id(number: int | None) -> str:
    return "" if number is None else str(number)


def _said(device: ProvenDevice) -> str:
    """What a device is, in a few words, for when it is gone."""
    words = [device.volume, f"PARTUUID {device.entry.uuid}" if device.entry else "", device.uuid, device.wwn or device.serial]
    return ", ".join(word for word in words if word) or "present"


def _entry_said(entry: TableEntry | None) -> str:
    return (
        f"number {entry.number}, {entry.sectors} sectors from {entry.start_sector}, type {_value('type', entry.type)}" if entry else "none"
    )
