"""A layout as people write it, checked key by key: a typing error here formats the wrong partition.

Written by hand and not as a pydantic model, because it is read on the node, in a rescue system.
"""

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import Protocol

from reprov.domain.layout import LABEL_BYTES, MIB, DiskChoice, Layout, OsPartition, OsVolume, Preserve
from reprov.domain.partition_types import CEPH_TYPES, GPT_TYPES, guid_of, name_of
from reprov.errors import InvalidInput

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._ -]{0,34}[A-Za-z0-9._-])?")
_SIZE = re.compile(r"([1-9][0-9]{0,8})([MGT])")
_MOUNT = re.compile(r"/|(/[A-Za-z0-9_][A-Za-z0-9._-]*)+")
_LABEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_GROUP = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,62}")
_VOLUME = re.compile(r"(?!snapshot|pvmove)(?!.*_[a-z]{1,2}(vol|data|meta|orig|log|image|spare))" + _GROUP.pattern)
"""Without the names that lvm(8) keeps to itself."""
_NEVER_ON_LVM = frozenset({"/boot", "/boot/efi", "/efi"})
"""GRUB could read /boot there, but not every volume; and the node's identity lies on one of these while / is formatted."""
_BYTES = {"M": MIB, "G": MIB << 10, "T": MIB << 20}
_NO_MOUNT = re.compile(r"/(dev|etc|proc|run|sys)(/.*)?")
"""What the kernel or the running system mounts itself, and /etc, which has the fstab."""
_LEAST_XFS_BYTES = 300 * MIB
"""mkfs.xfs makes none that is smaller, since xfsprogs 5.19."""

Location = tuple[int | str, ...]


class LocatedText(Protocol):
    """Data, and where in a file each value stands: `YamlText` or `JsonText`."""

    data: object

    def invalid(self, location: Location, message: str) -> InvalidInput:
        """The error that says where."""
        ...


def read_layout(text: LocatedText) -> Layout:
    """The layout. Raises `InvalidInput` with file:line for anything that is none."""
    top = _Mapping(text, ())
    top.only("disk", "partitions", "lvm", "preserve")
    partitions = tuple(_partition(item) for item in top.items("partitions"))
    if not partitions:
        raise text.invalid(("partitions",), "the layout names no partition of the operating system")
    for key in ("name", "mount"):
        _refuse_twins(text, key, [str(getattr(partition, key)) for partition in partitions])
    preserve = tuple(_preserve(item) for item in top.items("preserve"))
    for index, rule in enumerate(preserve):
        for partition in partitions:
            if (rule.type and rule.type == partition.type) or (rule.label and rule.label in (partition.name, partition.label)):
                raise text.invalid(("preserve", index), f"preserve: {rule} is also the layout's own partition {partition.name!r}")
    layout = Layout(_disk(_Mapping(text, ("disk",), "disk")), partitions, preserve, tuple(_volumes(top, partitions)))
    if all(device.mount != "/" for device in layout.devices):
        raise text.invalid(("partitions",), "no partition or volume is mounted at /")
    _refuse_volumes(text, layout)
    return layout


class _Mapping:
    """One mapping of the text."""

    def __init__(self, text: LocatedText, location: Location, what: str = "a layout") -> None:
        self._text, self._location = text, location
        found: object = text.data
        for part in location:
            if isinstance(found, dict):
                if part not in found:
                    raise text.invalid((), f"{part!r} is missing")
                found = found[part]
            elif isinstance(found, list) and isinstance(part, int):
                found = found[part]
        if not isinstance(found, dict):
            raise text.invalid(location, f"{what} is made of keys and values")
        self._fields: dict[object, object] = found

    def only(self, *known: str) -> None:
        """Refuse any other key."""
        for key in self._fields:
            if key not in known:
                near = difflib.get_close_matches(str(key), known, n=1)
                meant = f" (did you mean {near[0]!r}?)" if near else f" (known: {', '.join(known)})"
                raise self._text.invalid((*self._location, str(key)), f"unknown key {key!r}{meant}")

    def items(self, key: str) -> Iterator["_Mapping"]:
        """The mappings of a list; none when it is missing."""
        found = self._fields.get(key, [])
        if not isinstance(found, list):
            raise self.invalid(key, f"{key} is a list")
        return (_Mapping(self._text, (*self._location, key, index), f"an entry of {key}") for index in range(len(found)))

    def text(self, key: str, *, required: bool = False) -> str:
        """A text that is not empty; "" when it is missing."""
        if key not in self._fields:
            if required:
                raise self._text.invalid(self._location, f"{key!r} is missing")
            return ""
        value = self._fields[key]
        if not isinstance(value, str):
            raise self.invalid(key, f"{key}: {value!r} is not text (write it in quotes)")
        if not value or not value.isprintable():
            raise self.invalid(key, f"{key}: {value!r} is no name")
        return value

    def word(self, key: str, pattern: re.Pattern[str], what: str, *, required: bool = False) -> str:
        """A text of a certain form."""
        value = self.text(key, required=required)
        if value and not pattern.fullmatch(value):
            raise self.invalid(key, f"{key}: {value!r} is not {what}")
        return value

    def flag(self, key: str) -> bool:
        """True or false; false when it is missing."""
        value = self._fields.get(key, False)
        if not isinstance(value, bool):
            raise self.invalid(key, f"{key}: {value!r} is neither true nor false")
        return value

    def type(self, *, required: bool) -> tuple[str, str]:
        """GUID and name of a partition type, given as either."""
        written = self.text("type", required=required)
        if not written:
            return "", ""
        guid = written.lower() if _GUID.fullmatch(written.lower()) else guid_of(written)
        if not guid:
            near = difflib.get_close_matches(written, GPT_TYPES.values(), n=1)
            meant = f" (did you mean {near[0]!r}?)" if near else " (a type that has no name goes by its GUID)"
            raise self.invalid("type", f"type: there is no partition type {written!r}{meant}")
        return guid, name_of(guid) or guid

    def count(self) -> int:
        """How many keys there are."""
        return len(self._fields)

    def invalid(self, key: str, message: str) -> InvalidInput:
        """The error about the value of a key; with "", about the mapping."""
        return self._text.invalid((*self._location, key) if key else self._location, message)


def _disk(item: _Mapping) -> DiskChoice:
    item.only("wwn", "serial", "image", "create-table")
    disk = DiskChoice(item.text("wwn").lower(), item.text("serial"), item.text("image"), item.flag("create-table"))
    if not (disk.wwn or disk.serial or disk.image):
        raise item.invalid("", "disk: name it by wwn, serial or image")
    if disk.image and (disk.wwn or disk.serial):
        raise item.invalid("image", "disk: an image has neither wwn nor serial")
    return disk


def _partition(item: _Mapping) -> OsPartition:
    item.only("name", "type", "size", "filesystem", "mount", "label", "group")
    name = item.word("name", _NAME, "a partition name (at most 36 of A-Z a-z 0-9 . _ - and space)", required=True)
    guid, type_name = item.type(required=False)
    group = item.word("group", _GROUP, "a name of a volume group (A-Z a-z 0-9 . _ -)")
    if not guid:
        type_name = "lvm" if group else "swap" if item.text("filesystem") == "swap" else "linux"
        guid = guid_of(type_name)
    if guid in CEPH_TYPES:
        raise item.invalid("type", f"type: {type_name} is Ceph's, and never a partition of the operating system (it can be preserved)")
    if group and type_name != "lvm":
        raise item.invalid("group", f"group: a partition of type {type_name} carries no volume group (type: lvm does)")
    size_bytes = _size(item)
    filesystem, mount, label = _filesystem(item, size_bytes)
    if group and filesystem:
        raise item.invalid("filesystem", f"filesystem: that of a volume; the partition carries the volume group {group}")
    return OsPartition(name, guid, type_name, size_bytes, filesystem, mount, label, group)


def _volumes(top: _Mapping, partitions: Sequence[OsPartition]) -> Iterator[OsVolume]:
    groups = [partition.group for partition in partitions if partition.group]
    for item in top.items("lvm"):
        item.only("group", "name", "size", "filesystem", "mount", "label")
        group = item.text("group", required=True)
        if group not in groups:
            near = difflib.get_close_matches(group, groups, n=1)
            meant = f" (did you mean {near[0]!r}?)" if near else ""
            raise item.invalid("group", f"group: no partition of the layout has 'group: {group}'{meant}")
        name = item.word("name", _VOLUME, "a name that a volume can have (A-Z a-z 0-9 . _ -)", required=True)
        size_bytes = _size(item)
        item.text("filesystem", required=True)
        filesystem, mount, label = _filesystem(item, size_bytes)
        if mount in _NEVER_ON_LVM:
            raise item.invalid("mount", f"mount: {mount} needs a partition of its own: what starts the kernel does not look into LVM")
        yield OsVolume(group, name, size_bytes, filesystem, mount, label)


def _refuse_volumes(text: LocatedText, layout: Layout) -> None:
    """What volumes have in common with each other, with partitions, and with what is preserved."""
    _refuse_twins(text, "group", [partition.group for partition in layout.partitions])
    volumes = layout.volumes
    if volumes and layout.disk.image:
        raise text.invalid(("lvm",), "lvm: volumes are made on disks, not in images: this machine would have to activate them")
    for index, partition in enumerate(layout.partitions):
        if partition.group and all(volume.group != partition.group for volume in volumes):
            raise text.invalid(("partitions", index, "group"), f"group: lvm names no volume of {partition.group!r}")
    for index, volume in enumerate(volumes):
        if volume.name in [other.name for other in volumes[:index]]:
            raise text.invalid(("lvm", index, "name"), f"name: two volumes are {volume.name}")
        if volume.mount and volume.mount in [other.mount for other in layout.devices[: len(layout.partitions) + index]]:
            raise text.invalid(("lvm", index, "mount"), f"mount: something else has {volume.mount!r}, too")
        if volume.mount == "/" and all(partition.mount != "/boot" for partition in layout.partitions):
            raise text.invalid(("lvm", index, "mount"), "mount: with / on a volume, /boot needs a partition of its own for the kernel")
        for number, rule in enumerate(layout.preserve):
            if rule.vg == volume.group or (rule.label and rule.label == volume.label):
                raise text.invalid(("preserve", number), f"preserve: {rule} is also the layout's own volume {volume.name}")


def _size(item: _Mapping) -> int:
    size = _SIZE.fullmatch(item.text("size", required=True))
    if not size:
        raise item.invalid("size", "size is a whole number of M, G or T (powers of 1024), as in 512M")
    return int(size[1]) * _BYTES[size[2]]


def _filesystem(item: _Mapping, size_bytes: int) -> tuple[str, str, str]:
    """Filesystem, mount point and label."""
    filesystem = item.text("filesystem")
    if filesystem and filesystem not in LABEL_BYTES:
        raise item.invalid("filesystem", f"filesystem: reprov makes no {filesystem!r} (known: {', '.join(LABEL_BYTES)})")
    mount = item.word("mount", _MOUNT, "an absolute mount point")
    if mount and filesystem in ("", "swap"):
        raise item.invalid("mount", f"mount: a partition {'of swap' if filesystem else 'without filesystem'} cannot be mounted")
    if _NO_MOUNT.fullmatch(mount):
        raise item.invalid("mount", f"mount: nothing of a disk is mounted at {mount} before the system runs")
    if mount == "/" and filesystem == "vfat":
        raise item.invalid("filesystem", "filesystem: vfat has neither owners nor links, and cannot be /")
    if filesystem == "xfs" and size_bytes < _LEAST_XFS_BYTES:
        raise item.invalid("size", f"size: xfs takes at least {_LEAST_XFS_BYTES // MIB}M")
    label = item.word("label", _LABEL, "a label (A-Z a-z 0-9 . _ -)")
    if label and not filesystem:
        raise item.invalid("label", "label: that of the filesystem, and there is none; the partition itself is called by its name")
    if len(label) > LABEL_BYTES.get(filesystem, 0):
        raise item.invalid("label", f"label: {filesystem} takes at most {LABEL_BYTES[filesystem]} bytes")
    return filesystem, mount, label


def _preserve(item: _Mapping) -> Preserve:
    item.only("type", "label", "partuuid", "vg")
    if item.count() != 1:
        raise item.invalid("", "preserve: one of type, label, partuuid or vg in each entry")
    guid, type_name = item.type(required=False)
    partuuid = item.text("partuuid").lower()
    if partuuid and not _GUID.fullmatch(partuuid):
        raise item.invalid("partuuid", f"partuuid: {partuuid!r} is no GUID")
    return Preserve(guid, type_name, item.text("label"), partuuid, item.text("vg"))


def _refuse_twins(text: LocatedText, key: str, values: Sequence[str]) -> None:
    for index, value in enumerate(values):
        if value and value in values[:index]:
            raise text.invalid(("partitions", index, key), f"{key}: two partitions have {value!r}")
