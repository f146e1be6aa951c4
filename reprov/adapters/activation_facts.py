"""What a node has to activate OSDs with, and what stands there already: everything beside the inventory. Only looks."""

import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from reprov.adapters.bluestore import read_label
from reprov.adapters.files import opened_directory
from reprov.adapters.osd_directories import read_osd_directories
from reprov.adapters.osd_processes import running_osds
from reprov.adapters.root_view import RootView
from reprov.domain.activation import ActivationFacts, Home, Means
from reprov.domain.activation_commands import DESCRIPTIONS
from reprov.domain.bluestore import BluestoreLabel
from reprov.domain.ceph_conf import cluster_fsid
from reprov.domain.inventory import AMBIVALENT, Inventory, Osd
from reprov.domain.osd_directory import OsdDirectory

_PROGRAM_FOLDERS: Final = ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin")
_UUID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_CEPHADM_UNIT: Final = re.compile(rf"ceph-({_UUID})(?:@.*)?\.(?:service|target)")


def read_facts(root: Path, inventory: Inventory) -> ActivationFacts:
    """What is to be known beside the inventory: processes, directories, labels as they are now, and the tools."""
    with opened_directory(root) as root_fd:
        view = RootView(root_fd)
        found, _ = read_osd_directories(view)
        return ActivationFacts(
            osds=inventory.osds,
            means=_means(view),
            running=running_osds(),
            homes=tuple(_homes(view, root, found, _inventory_paths(inventory))),
            labels=dict(_labels(inventory)),
            opened={crypt.device: crypt.path for crypt in inventory.crypts},
            filesystems={path: content.type for path, content in inventory.contents() if content},
            descriptions=find_descriptions(view, inventory.osds),
        )


def _means(view: RootView) -> Means:
    conf = view.text("etc/ceph/ceph.conf")
    names = (*view.names("var/lib/ceph"), *view.names("etc/systemd/system"))
    clusters = {found[1] for name in names if (found := _CEPHADM_UNIT.fullmatch(name))}
    clusters |= {name for name in names if re.fullmatch(_UUID, name)}
    return Means(
        host=os.uname().nodename,
        cluster_fsid=None if conf is None else cluster_fsid(conf),
        cephadm_clusters=frozenset(clusters),
        has_systemd=view.is_directory("run/systemd/system"),  # sd_booted(3)
        has_ceph_volume=_has(view, "ceph-volume"),
        has_bluestore_tool=_has(view, "ceph-bluestore-tool"),
        can_ask_cluster=_has(view, "ceph") and view.status("etc/ceph/ceph.client.admin.keyring") is not None,
    )


def _has(view: RootView, program: str) -> bool:
    return any(view.is_program(f"{folder}/{program}") for folder in _PROGRAM_FOLDERS)


def _homes(view: RootView, root: Path, found: Collection[OsdDirectory], paths: Mapping[str, str]) -> Iterator[Home]:
    for home in found:
        if home.directory:
            real = {role: os.path.realpath(root / home.directory / target) for role, target in home.devices}
            devices = tuple((role, paths.get(path, "")) for role, path in real.items())
            yield Home(replace(home, devices=devices), has_keyring=view.status(f"{home.directory}/keyring") is not None)


def _inventory_paths(inventory: Inventory) -> Mapping[str, str]:
    """The inventory's name of a device by the one that all links lead to."""
    return {os.path.realpath(path): path for path, _ in inventory.contents()}


def _labels(inventory: Inventory) -> Iterator[tuple[str, BluestoreLabel]]:
    for path, content in inventory.contents():
        if content is None or content.type in ("ceph_bluestore", AMBIVALENT):
            with suppress(OSError):  # what cannot be read is missing in the inventory's OSDs, too
                if label := read_label(Path(path)):
                    yield path, label


def find_descriptions(view: RootView, osds: Collection[Osd]) -> Mapping[str, str]:
    """The file that `ceph-volume simple scan` wrote, absolute, by fsid of each OSD that has exactly one."""
    names = view.names(DESCRIPTIONS.lstrip("/"))
    found = {osd.fsid: [name for name in names if re.fullmatch(rf"\d+-{re.escape(osd.fsid)}\.json", name)] for osd in osds if osd.fsid}
    return {fsid: f"{DESCRIPTIONS}/{some[0]}" for fsid, some in found.items() if len(some) == 1}
