"""Whether everything is what it should be, found out without reprov: by reading bytes and comparing."""

import filecmp
import hashlib
import json
import os
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from demo.session import Failed, show

OSD_TYPE = "4fbd7e29-9d25-41b8-afd0-062c0ceff05d"
"""The GPT type by which Ceph knows a partition of its own."""

_OWN = frozenset({".reprov", "lost+found"})
_SEALED = "as in the sealed tree"
_SHOWN = 10
_SECTOR_BYTES = 512
_GPT_SECTORS = 34  # protective MBR, header, 32 of entries; the copy at the end has no MBR


class Partition(NamedTuple):
    """Where a partition lies in the image, and what it is."""

    offset_bytes: int
    size_bytes: int
    type: str
    uuid: str


class Seen(NamedTuple):
    """Everything that a path is."""

    mode: int
    uid: int
    gid: int
    mtime_ns: int
    xattrs: tuple[tuple[str, bytes], ...]
    content: str
    """The digest of a file, the target of a link, the number of a device."""


Paths = dict[str, Seen | None]
"""Paths of the node; None for one that it lacks."""


@dataclass(frozen=True, slots=True)
class Disk:
    """The bytes of a disk that no upgrade may touch."""

    table: str
    """The digest of both copies of the partition table."""
    osd: str
    """The digest of the OSD's partition."""


def partitions(image: Path) -> list[Partition]:
    """The partitions of an image in the order of their numbers."""
    done = subprocess.run(("sfdisk", "--json", image), check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    found = json.loads(done.stdout)["partitiontable"]["partitions"]
    return [Partition(one["start"] * _SECTOR_BYTES, one["size"] * _SECTOR_BYTES, one["type"].lower(), one["uuid"]) for one in found]


def look_at_disk(image: Path) -> Disk:
    """Read the partition table and the OSD from the image itself."""
    gpt_bytes = _GPT_SECTORS * _SECTOR_BYTES
    [osd] = [partition for partition in partitions(image) if partition.type == OSD_TYPE]
    with image.open("rb") as disk:
        table = hashlib.sha256(disk.read(gpt_bytes))
        disk.seek(-gpt_bytes, os.SEEK_END)
        table.update(disk.read())
        disk.seek(osd.offset_bytes)
        return Disk(table.hexdigest(), hashlib.sha256(disk.read(osd.size_bytes)).hexdigest())


def differences(tree: Path, node: Path) -> Paths:
    """The paths at which a node is not the sealed tree, and what the node has there."""
    ours, sealed = dict(_walk(node)), dict(_walk(tree))
    differing: Paths = dict.fromkeys(sealed.keys() - ours.keys())
    for path, status in ours.items():
        if path not in sealed or not _is_same(tree / path, sealed[path], node / path, status):
            differing[path] = look(node / path)
    return differing


def look(path: Path) -> Seen:
    """Everything that a path is now."""
    status = path.lstat()
    content = ""
    if stat.S_ISREG(status.st_mode):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
    elif stat.S_ISLNK(status.st_mode):
        content = os.fspath(path.readlink())
    elif not stat.S_ISDIR(status.st_mode):
        content = str(status.st_rdev)
    return Seen(status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns, _xattrs(path), content)


def require_same(what: str, expected: object, found: object) -> None:
    """Say that something is what it was. Raises `Failed` when it is not."""
    if found != expected:
        raise Failed(f"{what}: not what it was\nexpected: {expected}\nfound:    {found}")
    show(f"ok: {what}")


def require_same_paths(expected: Paths, found: Paths) -> None:
    """Raise `Failed`, naming paths, unless exactly the expected paths differ from the sealed tree, in the expected way."""
    wrong = sorted(path for path in expected.keys() | found.keys() if expected.get(path, _SEALED) != found.get(path, _SEALED))
    if wrong:
        lines = [f"/{path}\n  expected: {expected.get(path, _SEALED)}\n  found:    {found.get(path, _SEALED)}" for path in wrong[:_SHOWN]]
        raise Failed("\n".join([f"{len(wrong)} paths of the node are not what they should be, the first of them:", *lines]))


def _walk(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    folders = [""]
    while folders:
        folder = folders.pop()
        with os.scandir(root / folder) as found:
            for item in found:
                path = f"{folder}/{item.name}" if folder else item.name
                if path in _OWN:
                    continue
                yield path, item.stat(follow_symlinks=False)
                if item.is_dir(follow_symlinks=False):
                    folders.append(path)


def _is_same(left: Path, left_status: os.stat_result, right: Path, right_status: os.stat_result) -> bool:
    for name in ("st_mode", "st_uid", "st_gid", "st_rdev"):
        if getattr(left_status, name) != getattr(right_status, name):
            return False
    if _xattrs(left) != _xattrs(right):
        return False
    if stat.S_ISLNK(left_status.st_mode):
        return left.readlink() == right.readlink()
    if stat.S_ISREG(left_status.st_mode):
        return left_status.st_mtime_ns == right_status.st_mtime_ns and filecmp.cmp(left, right, shallow=False)
    return True


def _xattrs(path: Path) -> tuple[tuple[str, bytes], ...]:
    names = sorted(os.listxattr(path, follow_symlinks=False))
    return tuple((name, os.getxattr(path, name, follow_symlinks=False)) for name in names)
