"""Measuring sealed trees, and proving that they are what their manifests say."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from reprov.adapters.files import opened_directory, read_back, read_entry, walk
from reprov.adapters.store import Store
from reprov.domain.entry import Entry, Kind, show
from reprov.domain.labels import without_label
from reprov.domain.release import ReleaseId
from reprov.errors import InvalidInput
from reprov.events import Progress

Inode = tuple[int, int]
"""Device and number."""


class Usage(NamedTuple):
    """What a sealed tree takes."""

    paths: int
    """Of every kind, the root included."""
    size_bytes: int
    """Content, each inode once."""
    own_bytes: int
    """Disk blocks that only this tree has, directories included: what pruning it would free."""


class Damage(NamedTuple):
    """Something in a release that is not what was published."""

    release: ReleaseId
    place: str
    """The path as `show` prints it, or the name of a file of the release."""
    problem: str
    inode: Inode | None = None
    """Of a file that other trees may share."""


def measure(tree: Path) -> Usage:
    """What the tree takes. A file is its own when no name of it is outside but the pool's."""
    names: dict[Inode, int] = {}
    status_of: dict[Inode, os.stat_result] = {}
    with opened_directory(tree) as fd:
        paths, own_bytes = 1, os.fstat(fd).st_blocks * 512
        for _, status, _, _ in walk(fd):
            paths += 1
            if status.st_nlink > 1 and not _is_directory(status):
                inode = (status.st_dev, status.st_ino)
                names[inode] = names.get(inode, 0) + 1
                status_of[inode] = status
            else:
                own_bytes += status.st_blocks * 512
    own_bytes += sum(status.st_blocks * 512 for inode, status in status_of.items() if status.st_nlink - names[inode] <= 1)
    return Usage(paths, sum(status.st_size for status in status_of.values()), own_bytes)


def check_release(store: Store, release: ReleaseId, known: dict[Inode, str], progress: Progress) -> list[Damage]:
    """Compare the files of a release with their digests and its tree with its manifest.

    `known` holds the digest of each inode that was read and grows: what releases share is read once.
    """
    damages = _check_files(store, release)
    try:
        manifest = store.manifest(release)
    except InvalidInput as error:
        return [*damages, Damage(release, "manifest", error.message)]
    try:
        with opened_directory(store.tree(release)) as tree_fd:
            return damages + _check_tree(release, manifest.entries, tree_fd, known, progress)
    except (FileNotFoundError, NotADirectoryError):
        return [*damages, Damage(release, "/", "the tree is missing")]


def releases_with(store: Store, inodes: Iterable[Inode]) -> dict[Inode, set[ReleaseId]]:
    """Every release of the store in whose tree these files are."""
    found: dict[Inode, set[ReleaseId]] = {inode: set() for inode in inodes}
    for release in store.ids() if found else ():
        if not store.tree(release).is_dir():
            continue
        with opened_directory(store.tree(release)) as tree_fd:
            for _, status, _, _ in walk(tree_fd):
                inode = (status.st_dev, status.st_ino)
                if inode in found:
                    found[inode].add(release)
    return found


def _check_files(store: Store, release: ReleaseId) -> list[Damage]:
    damages: list[Damage] = []
    try:
        files = store.release(release).files
    except InvalidInput as error:
        return [Damage(release, "release.json", error.message)]
    for name, digest in files.items():
        try:
            content = (store.folder(release) / name).read_bytes()
        except OSError as error:
            damages.append(Damage(release, name, f"cannot be read ({error.strerror})"))
            continue
        if hashlib.sha256(content).hexdigest() != digest:
            damages.append(Damage(release, name, "differs in content"))
    return damages


def _check_tree(
    release: ReleaseId, entries: Mapping[str, Entry], tree_fd: int, known: dict[Inode, str], progress: Progress
) -> list[Damage]:
    damages: list[Damage] = []
    inodes: dict[str, Inode] = {}
    missing = dict(entries)
    top = ("", os.fstat(tree_fd), ".", tree_fd)
    for path, status, name, dir_fd in chain([top], walk(tree_fd)):
        wanted = missing.pop(path, None)
        inode = (status.st_dev, status.st_ino)
        if wanted is None:
            damages.append(Damage(release, show(path), "not in the manifest"))
            continue
        differing = _differing(wanted, read_entry(path, status, name, dir_fd=dir_fd))
        if differing:
            # A directory is one release's alone, every other inode may be shared.
            damages.append(Damage(release, show(path), f"differs in {' and '.join(differing)}", None if _is_directory(status) else inode))
        if wanted.kind is Kind.FILE and "kind" not in differing:
            inodes[path] = inode
    damages += [Damage(release, show(path), "missing") for path in missing]
    unread = {inode: path for path, inode in inodes.items() if inode not in known}
    read = read_back(list(unread.values()), dir_fd=tree_fd, from_disk=True, progress=progress)
    known.update((inode, read[path].digest) for inode, path in unread.items())
    for path, inode in inodes.items():
        if known[inode] != entries[path].digest:
            damages.append(Damage(release, show(path), "differs in content", inode))
    return damages


def _differing(wanted: Entry, found: Entry) -> list[str]:
    """The names of what differs, content and link group aside. Labels are in the manifest only: the server's policy is not the tree's."""
    bare = wanted._replace(digest="", link_group=0, xattrs=without_label(wanted.xattrs))
    pairs = zip(Entry._fields, bare, found, strict=True)
    return [name.removesuffix("_ns") for name, one, other in pairs if one != other]


def _is_directory(status: os.stat_result) -> bool:
    return (status.st_mode & 0o170000) == 0o040000
