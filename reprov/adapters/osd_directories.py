"""The directories and files of OSDs in a node's root, without their keys."""

import errno
import os
import stat
from collections.abc import Iterator

from reprov.adapters import kernel
from reprov.adapters.root_view import RootView
from reprov.domain.osd_directory import OSD_FILES, ROLE_LINKS, SIMPLE_FILES, OsdDirectory, is_osd_directory, osd_directory, parse_simple
from reprov.errors import ReprovError

_CEPH = "var/lib/ceph"


def read_osd_directories(view: RootView) -> tuple[tuple[OsdDirectory, ...], tuple[str, ...]]:
    """Every OSD that has a directory with something in it, or a file of `ceph-volume simple`; and which files are no such thing."""
    simple, notes = [], []
    for name in view.names(SIMPLE_FILES):
        text = view.text(f"{SIMPLE_FILES}/{name}") if name.endswith(".json") else None
        if text is not None:
            try:
                simple.append(parse_simple(text, f"/{SIMPLE_FILES}/{name}"))
            except ReprovError as error:
                notes.append(error.message)
    return (*_directories(view), *simple), tuple(notes)


def osd_places(view: RootView) -> tuple[str, ...]:
    """Every directory that is one of an OSD by its name, whatever is in it."""
    places = [f"{_CEPH}/osd/{name}" for name in view.names(f"{_CEPH}/osd")]
    for cluster in view.names(_CEPH):
        places += [f"{_CEPH}/{cluster}/{name}" for name in view.names(f"{_CEPH}/{cluster}") if name.startswith("osd.")]
    return tuple(place for place in places if is_osd_directory(place) and view.is_directory(place))


def _directories(view: RootView) -> Iterator[OsdDirectory]:
    for place in osd_places(view):
        names = set(view.names(place))
        files: dict[str, str] = {name: view.text(f"{place}/{name}") or "" for name in OSD_FILES if name in names}
        links = _links(view, place) if names & ROLE_LINKS.keys() else {}
        found = osd_directory(place, files, links, has_data="current" in names or ("block" in names and _is_file(view, f"{place}/block")))
        if found is not None:
            yield found


def _links(view: RootView, directory: str) -> dict[str, str]:
    fd = kernel.open_in_root(directory, os.O_PATH | os.O_DIRECTORY, dir_fd=view.root_fd)
    found = {}
    try:
        for name in ROLE_LINKS:
            try:
                found[name] = os.readlink(name, dir_fd=fd)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.EINVAL):  # missing, or no link
                    raise
    finally:
        os.close(fd)
    return found


def _is_file(view: RootView, path: str) -> bool:
    status = view.status(path)
    return status is not None and stat.S_ISREG(status.st_mode)
