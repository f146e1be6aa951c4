"""What two versions of a tree differ in, and what the second one added to a store."""

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.values import Change, Growth
from reprov.domain.dedup import object_key
from reprov.domain.entry import Entry, Kind

_BLOCK_BYTES = 4096


class Inode(NamedTuple):
    """What an inode of a store costs."""

    size_bytes: int
    disk_bytes: int
    is_directory: bool
    is_content: bool
    """A file of a tree, whatever else links it."""


def find_change(old: Mapping[str, Entry], new: Mapping[str, Entry], changed_paths: int, release_bytes: int) -> Change:
    """Compare two trees path by path."""
    have = {entry.digest for entry in old.values() if entry.kind is Kind.FILE}
    have_whole = {object_key(entry) for entry in old.values() if entry.kind is Kind.FILE}
    files = [entry for entry in new.values() if entry.kind is Kind.FILE]
    missing = {entry.digest: entry.size for entry in files if entry.digest not in have}
    changed = {key: entry.size for entry in files if (key := object_key(entry)) not in have_whole}
    return Change(
        paths=len(new),
        directories=sum(1 for entry in new.values() if entry.kind is Kind.DIR),
        size_bytes=sum(entry.size for entry in files),
        changed_paths=changed_paths,
        missing_bytes=sum(missing.values()),
        changed_bytes=sum(changed.values()),
        changed_disk_bytes=sum(-(-size // _BLOCK_BYTES) * _BLOCK_BYTES for size in changed.values()),
        release_bytes=release_bytes,
    )


def inodes_of(store: Path) -> dict[int, Inode]:
    """Every inode of the trees, the pool and the releases of a store, by number."""
    found: dict[int, Inode] = {}
    for top in ("releases", "pool", "trees"):  # trees last: what they have is content, though the pool has it as well
        for folder, _, names in os.walk(store / top):
            for path in (folder, *(f"{folder}/{name}" for name in names)):
                status = os.lstat(path)
                is_content = top == "trees" and stat.S_ISREG(status.st_mode)
                found[status.st_ino] = Inode(status.st_size, status.st_blocks * 512, stat.S_ISDIR(status.st_mode), is_content)
    return found


def find_growth(before: Mapping[int, Inode], after: Mapping[int, Inode]) -> Growth:
    """What came into a store between two looks; a directory that grew is not new, but the release's are."""
    new = [inode for number, inode in after.items() if number not in before]
    content = [inode for inode in new if inode.is_content]
    directories = [inode for inode in new if inode.is_directory]
    return Growth(
        content_bytes=sum(inode.size_bytes for inode in content),
        disk_bytes=sum(inode.disk_bytes for inode in content),
        directories=len(directories),
        directory_bytes=sum(inode.disk_bytes for inode in directories),
        other_bytes=sum(inode.disk_bytes for inode in new if not inode.is_content and not inode.is_directory),
        du_bytes=sum(inode.disk_bytes for inode in after.values()) - sum(inode.disk_bytes for inode in before.values()),
    )


def evenly(paths: Sequence[str], count: int) -> list[str]:
    """At most `count` of the paths, the first and the last among them, the others at even distances."""
    if len(paths) <= count:
        return list(paths)
    return [paths[round(index * (len(paths) - 1) / (count - 1))] for index in range(count)]
