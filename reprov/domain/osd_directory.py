"""What the files of a node tell of its OSDs: the directories below var/lib/ceph, and what `ceph-volume simple scan` wrote."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from reprov.errors import ReprovError

OSD_DIRECTORY: Final = re.compile(r"var/lib/ceph/osd/[^/]+-(?P<id>\d+)")
CEPHADM_DIRECTORY: Final = re.compile(r"var/lib/ceph/(?P<cluster>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/osd\.(?P<id>\d+)")
SIMPLE_FILES: Final = "etc/ceph/osd"
OSD_FILES: Final = ("whoami", "fsid", "ceph_fsid", "type", "active", "ready", "magic", "unit.run")
"""Any of them makes a directory an OSD's: an empty one is the mount point of an OSD that is elsewhere."""
ROLE_LINKS: Final = {"block": "block", "block.db": "db", "block.wal": "wal", "journal": "journal"}


@dataclass(frozen=True, slots=True)
class OsdDirectory:
    """An OSD's directory, or a file of `ceph-volume simple`, whose `directory` is ""."""

    directory: str
    """Relative to the root."""
    id: int | None
    fsid: str
    cluster_fsid: str
    devices: tuple[tuple[str, str], ...] = ()
    """Role and path of its devices, as its links and files name them."""
    is_cephadm: bool = False
    is_simple: bool = False
    is_encrypted: bool = False
    has_data: bool = False
    """Objects lie in the directory itself (filestore, or a `block` that is a plain file)."""


def is_osd_directory(path: str) -> bool:
    """True for a path that only an OSD has, whatever is there."""
    return bool(OSD_DIRECTORY.fullmatch(path) or CEPHADM_DIRECTORY.fullmatch(path))


def osd_directory(path: str, files: Mapping[str, str], links: Mapping[str, str], *, has_data: bool) -> OsdDirectory | None:
    """The OSD whose files (name and text) and links (name and target) these are; None when it is none."""
    layout = OSD_DIRECTORY.fullmatch(path) or CEPHADM_DIRECTORY.fullmatch(path)
    if layout is None or not (files or links):
        return None
    said = {name: text.strip() for name, text in files.items()}
    whoami = said.get("whoami", "")
    return OsdDirectory(
        directory=path,
        id=int(whoami) if whoami.isascii() and whoami.isdecimal() else int(layout["id"]),
        fsid=said.get("fsid", "").lower(),
        cluster_fsid=said.get("ceph_fsid", "").lower() or layout.groupdict().get("cluster", ""),
        devices=tuple((role, links[name]) for name, role in ROLE_LINKS.items() if name in links),
        is_cephadm=layout.re is CEPHADM_DIRECTORY,
        has_data=has_data,
    )


def parse_simple(text: str, source: str) -> OsdDirectory:
    """Read a file of `etc/ceph/osd/`, without its keys. Raises `ReprovError` that names the source."""
    try:
        found = json.loads(text)
        devices = []
        for name, role in {"data": "data", **ROLE_LINKS}.items():
            if isinstance(found.get(name), dict):
                uuid = str(found[name].get("uuid", ""))
                devices.append((role, f"PARTUUID={uuid}" if uuid else str(found[name]["path"])))
        return OsdDirectory(
            directory="",
            id=int(found["whoami"]),
            fsid=str(found["fsid"]).lower(),
            cluster_fsid=str(found.get("ceph_fsid", "")).lower(),
            devices=tuple(devices),
            is_simple=True,
            is_encrypted=bool(found.get("encrypted")),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ReprovError(f"{source}: not a description of an OSD ({type(error).__name__}: {error})") from None
