"""Finding who a node is in its root, and what of it nobody could carry over."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from reprov.adapters import kernel
from reprov.adapters.files import opened_directory, read_entry
from reprov.adapters.osd_directories import read_osd_directories
from reprov.adapters.root_view import RootView
from reprov.domain.entry import Entry, Kind, ancestors_of, show
from reprov.domain.identity_files import is_identity, may_hold_identity
from reprov.errors import Refused

LARGEST_BYTES: Final = 512 << 20
"""What is larger is data, as the store of a busy monitor is, and no identity."""

# What a link may lead to although it is not carried over: the release's, or made when the system starts.
_ALWAYS_THERE = ("usr", "dev", "proc", "run", "sys", "tmp")


def find_identity(root_fd: int) -> tuple[Entry, ...]:
    """Everything that belongs to the identity of a root, and the directories that lead there, each before what it holds.

    Sockets are left out, contents are not read. Raises `Refused` for what the formatting of the root would destroy although it is more
    than identity: an OSD's objects, more than `LARGEST_BYTES`, what a link leads to.
    """
    _refuse_data_of_osds(RootView(root_fd))
    found = tuple(_gather(root_fd, "", kept=False))
    _refuse_giants(found)
    _refuse_links_to_what_is_lost(root_fd, found)
    return found


def _gather(dir_fd: int, directory: str, *, kept: bool) -> Iterator[Entry]:
    with os.scandir(dir_fd) as items:
        names = sorted(item.name for item in items)
    for name in names:
        path = f"{directory}/{name}" if directory else name
        status = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
        is_dir = stat.S_ISDIR(status.st_mode)
        # A link in the place of a directory is looked at, too: what it leads to may be lost.
        belongs = kept or is_identity(path, is_dir=is_dir or stat.S_ISLNK(status.st_mode))
        if stat.S_ISSOCK(status.st_mode) or not (belongs or (is_dir and may_hold_identity(path))):
            continue
        entry = read_entry(path, status, name, dir_fd=dir_fd)
        below: tuple[Entry, ...] = ()
        if is_dir:
            with opened_directory(name, dir_fd=dir_fd) as fd:
                below = tuple(_gather(fd, path, kept=belongs))
        if belongs or below:
            yield entry
            yield from below


def _refuse_data_of_osds(view: RootView) -> None:
    directories, _ = read_osd_directories(view)
    for osd in directories:
        if osd.has_data:
            raise Refused(
                f"{show(osd.directory)} holds the objects of osd.{osd.id} on a filesystem that would be formatted",
                hint="drain and remove this OSD first, or re-image the node in place with reprov upgrade, which keeps it",
            )


def _refuse_giants(found: tuple[Entry, ...]) -> None:
    if sum(entry.size for entry in found) <= LARGEST_BYTES:
        return
    sizes: dict[str, int] = {}
    for entry in found:
        top = next(path for path in [*ancestors_of(entry.path), entry.path] if path == entry.path or is_identity(path, is_dir=True))
        sizes[top] = sizes.get(top, 0) + entry.size
    largest = max(sizes, key=lambda path: sizes[path])
    raise Refused(
        f"{show(largest)} holds {sizes[largest] >> 20} MiB; a reinstall carries {LARGEST_BYTES >> 20} MiB over at most",
        hint="move it to a partition that is preserved, or re-image the node in place with reprov upgrade",
    )


def _refuse_links_to_what_is_lost(root_fd: int, found: tuple[Entry, ...]) -> None:
    top = str(Path(f"/proc/self/fd/{root_fd}").readlink()).rstrip("/")
    belonging = set(_belonging(found))
    for entry in found:
        if entry.kind is not Kind.LINK or entry.path not in belonging:
            continue
        try:
            fd = kernel.open_in_root(entry.path, os.O_PATH, dir_fd=root_fd)
        except OSError:
            continue  # it leads nowhere now, and will not then
        try:
            real = str(Path(f"/proc/self/fd/{fd}").readlink()).removeprefix(top).strip("/")
            if stat.S_ISDIR(os.fstat(fd).st_mode):
                with os.scandir(f"/proc/self/fd/{fd}") as items:
                    is_lost = any(items)
            else:
                is_lost = stat.S_ISREG(os.fstat(fd).st_mode)
        finally:
            os.close(fd)
        if is_lost and real not in belonging and real.partition("/")[0] not in _ALWAYS_THERE:
            raise Refused(
                f"{show(entry.path)} is a link to {show(real)}, which a reinstall does not carry over",
                hint="put the file itself, not a link, in its place, or have it on a partition that is preserved",
            )


def _belonging(found: tuple[Entry, ...]) -> Iterator[str]:
    """The paths without the directories that only lead to some of them."""
    inside = ""
    for entry in found:
        if inside and entry.path.startswith(inside):
            yield entry.path
        elif is_identity(entry.path, is_dir=entry.kind in (Kind.DIR, Kind.LINK)):
            inside = f"{entry.path}/"
            yield entry.path
