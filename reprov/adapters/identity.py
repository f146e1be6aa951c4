"""Who a node is, read from its root."""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

from reprov.adapters.devices import Devices
from reprov.adapters.files import opened_directory
from reprov.adapters.root_view import RootView
from reprov.adapters.sshd import sshd_trouble
from reprov.adapters.uplinks import read_uplinks
from reprov.domain.fstab import CryptEntry, MountEntry, Needs, parse_crypttab, parse_fstab
from reprov.domain.identity import (
    CRYPTTAB,
    FSTAB,
    HOSTS,
    LVM_SETTINGS,
    MACHINE_ID,
    CryptFacts,
    Identity,
    MountFacts,
    parse_hosts,
    parse_lvm_settings,
)
from reprov.domain.network import NetworkFile, Via

_FILES = (
    MACHINE_ID,
    HOSTS,
    FSTAB,
    CRYPTTAB,
    *LVM_SETTINGS,
    "etc/hostname",
    "etc/iscsi/initiatorname.iscsi",
    "etc/nvme/hostnqn",
    "etc/nvme/hostid",
    "root/.ssh/authorized_keys",
    "root/.ssh/authorized_keys2",
)
_LVM_DEVICES = "etc/lvm/devices"
_SSH = "etc/ssh"

# Where each has its files, the first directory winning; and which of the names are its own.
_NETWORK = {
    Via.IFUPDOWN: (("etc/network/interfaces.d",), "", ""),
    Via.NETPLAN: (("etc/netplan", "usr/lib/netplan"), "", ".yaml"),
    Via.NETWORKD: (("etc/systemd/network", "usr/local/lib/systemd/network", "usr/lib/systemd/network"), "", ".network"),
    Via.NETWORK_MANAGER: (("etc/NetworkManager/system-connections", "usr/lib/NetworkManager/system-connections"), "", ""),
    Via.SCRIPTS: (("etc/sysconfig/network-scripts", "etc/sysconfig/network"), "ifcfg-", ""),
}
_READERS = {
    Via.IFUPDOWN: ("usr/sbin/ifup", "sbin/ifup"),
    Via.NETPLAN: ("usr/sbin/netplan", "usr/lib/netplan/generate", "usr/libexec/netplan/generate"),
    Via.NETWORKD: ("usr/lib/systemd/systemd-networkd", "lib/systemd/systemd-networkd"),
    Via.NETWORK_MANAGER: ("usr/sbin/NetworkManager",),
    Via.SCRIPTS: ("etc/sysconfig/network-scripts/ifup", "usr/sbin/wicked", "usr/sbin/NetworkManager"),
}
_BACKUPS = ("~", ".bak", ".orig", ".rpmnew", ".rpmorig", ".rpmsave", ".dpkg-dist", ".dpkg-old", ".dpkg-new", ".reprov-new")


def look(root: Path, *, live: bool) -> Identity:
    """Who the node at a root is. Only of the running system (`live`) the network is looked at; elsewhere sshd runs in a chroot.

    Nothing is written. Programs: sshd, and blkid where no udev runs. Raises `OSError` when the disk fails, `ReprovError` when the
    kernel does not tell its routes.
    """
    began_ns = time.time_ns()
    with opened_directory(root) as root_fd:
        view, devices = RootView(root_fd), Devices()
        contents = {path: content for path in _identity_files(view) if (content := view.read(path)) is not None}
        statuses = {path: status for path in contents if (status := view.status(path)) is not None}
        machine_id = contents.get(MACHINE_ID)
        settings = (parse_lvm_settings(_text(contents.get(path, b""))) for path in LVM_SETTINGS)
        return Identity(
            machine_id=None if machine_id is None else _text(machine_id).strip(),
            digests={path: hashlib.sha256(content).hexdigest() for path, content in contents.items()},
            written_ns={path: status.st_mtime_ns for path, status in statuses.items()},
            looked_ns=(began_ns, time.time_ns()),
            names=parse_hosts(_text(contents.get(HOSTS, b""))),
            lvm=frozenset().union(*settings),
            mounts=tuple(_mount_facts(entry, view, devices) for entry in parse_fstab(contents.get(FSTAB, b""))),
            crypts=tuple(_crypt_facts(entry, view, devices) for entry in parse_crypttab(contents.get(CRYPTTAB, b""))),
            # As sshd judges it. (On RPM systems the keys have a group that its sshd allows: they are so before and after.)
            open_keys=frozenset(path for path in _host_keys(view) if path in statuses and statuses[path].st_mode & 0o077),
            sshd=sshd_trouble(root, view, live=live),
            uplinks=read_uplinks() if live else (),
            network=tuple(_network_files(view)) if live else (),
            readers=frozenset(via for via, paths in _READERS.items() if any(view.is_program(path) for path in paths))
            if live
            else frozenset(),
        )


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")


def _identity_files(view: RootView) -> Iterator[str]:
    yield from _FILES
    yield from (f"{_LVM_DEVICES}/{name}" for name in view.names(_LVM_DEVICES) if name.endswith(".devices"))
    yield from _host_keys(view)


def _host_keys(view: RootView) -> list[str]:
    return [f"{_SSH}/{name}" for name in view.names(_SSH) if name.startswith("ssh_host_") and name.endswith("_key")]


def _mount_facts(entry: MountEntry, view: RootView, devices: Devices) -> MountFacts:
    point = view.status(_inside(entry.mount_point)) if entry.is_mounted else None
    # A bind mount may be one of a file onto a file; anything else needs a directory.
    there = point is not None and (entry.needs is Needs.PATH or view.is_directory(_inside(entry.mount_point)))
    return MountFacts(entry, _source(entry.source, entry.needs, view, devices), there or not entry.is_mounted)


def _crypt_facts(entry: CryptEntry, view: RootView, devices: Devices) -> CryptFacts:
    has_key = not entry.key or view.status(_inside(entry.key)) is not None
    return CryptFacts(entry, _source(entry.source, entry.needs, view, devices), has_key)


def _source(source: str, needs: Needs, view: RootView, devices: Devices) -> str | None:
    match needs:
        case Needs.DEVICE:
            return devices.number_of(source)
        case Needs.PATH:
            return source if view.status(_inside(source)) is not None else None
        case Needs.NOTHING:
            return source


def _inside(path: str) -> str:
    return path.lstrip("/")


def _network_files(view: RootView) -> Iterator[NetworkFile]:
    first = "etc/network/interfaces"
    if (text := view.text(first)) is not None:
        yield NetworkFile(Via.IFUPDOWN, first, text)
    for via, (directories, prefix, suffix) in _NETWORK.items():
        seen = set[str]()
        for directory in directories:
            for name in view.names(directory):
                if name in seen or not (name.startswith(prefix) and name.endswith(suffix)) or name.endswith(_BACKUPS):
                    continue
                seen.add(name)  # also when it is a link to /dev/null, by which one of the distribution is switched off
                if (text := view.text(f"{directory}/{name}")) is not None:
                    yield NetworkFile(via, f"{directory}/{name}", text)
