"""What belongs to one machine or to the build, and therefore is in no tree: removed by the build, refused by its lint."""

import re
from collections.abc import Mapping
from enum import Enum, auto
from hashlib import sha256
from typing import Final

from reprov.domain.entry import Entry, Kind

MACHINE_ID = "etc/machine-id"
"""Present and empty, as machine-id(5) tells images to have it when their units are already enabled and disabled: with an empty file
systemd makes an id at boot and keeps it; with none, or with "uninitialized", the boot counts as the first one, and systemd would
apply its presets over what the role enabled, disabled and masked, and systemd-firstboot would ask questions on the console."""

RESOLV_CONF = "etc/resolv.conf"
POLICY_RC_D = "usr/sbin/policy-rc.d"

EMPTY_DIRECTORIES = ("dev", "proc", "run", "sys", "tmp", "var/tmp", "var/lib/apt/lists", "var/cache/apt/archives", "var/cache/dnf")
"""Directories of the kernel, of the running system, of apt and of dnf: with nothing in them."""

INITIATOR_NAME = "etc/iscsi/initiatorname.iscsi"
UNNAMED_INITIATOR = b"GenerateName=yes\n"
"""open-iscsi makes a name of its own at the first start when the file says so."""


class Cleaning(Enum):
    """What happens to a path before a tree is final."""

    KEEP = auto()
    REMOVE = auto()
    EMPTY = auto()
    """The file stays, without content."""


_IDENTITY = re.compile(
    r"etc/ssh/ssh_host_.*_key(\.pub)?"
    r"|var/lib/dbus/machine-id"  # tmpfiles links it to /etc/machine-id
    r"|(var/lib/(systemd|urandom)|boot/loader|boot/efi/loader)/random-seed"
    r"|var/lib/systemd/credential\.secret"
    r"|etc/(hostname|hostid|mailname)"
    r"|etc/nvme/host(id|nqn)"
    r"|etc/lvm/devices/.+\.devices"  # the only disks that LVM sees
    r"|etc/ssl/private/ssl-cert-snakeoil\.key|etc/ssl/certs/ssl-cert-snakeoil\.pem"
    r"|var/lib/rabbitmq/\.erlang\.cookie"
    r"|root/\.(bash_history|wget-hsts|ssh/.*)"
)
_NAMES: Final = ("etc/hostname", "etc/mailname")
"""No secrets, and every node has them before a release comes."""
_MADE_ON_THE_NODE: Final = {
    MACHINE_ID: {sha256(b"uninitialized\n").hexdigest()},
    INITIATOR_NAME: {sha256(UNNAMED_INITIATOR).hexdigest()},
}
"""Contents, by sha256 in hex, that leave it to the node to make its own."""
_BUILD_LEFTOVER = re.compile(
    r"usr/sbin/policy-rc\.d"
    r"|.*\.dpkg-(new|tmp)"
    r"|etc/.*\.(dpkg-(old|dist|bak)|ucf-(old|new|dist))"
    r"|etc/(passwd|group|shadow|gshadow|subuid|subgid)-|etc/\.pwd\.lock"
    r"|var/lib/dpkg/[^/]*-old|var/lib/dpkg/(lock|lock-frontend|triggers/Lock)|var/cache/debconf/.*-old"
    r"|var/lib/apt/(daily_lock|extended_states\..*)|var/cache/apt/(pkgcache|srcpkgcache)\.bin"
    r"|etc/.*\.rpm(new|save|orig)|(var/lib|usr/lib/sysimage)/rpm/\.rpm\.lock|var/lib/dnf/rpmdb_lock\.pid"
    r"|var/cache/ldconfig/aux-cache"
    r"|var/log/.*\.(log|xz|gz|[0-9])|var/log/journal/.*"
)
_LOGIN_RECORD = re.compile(r"var/log/(wtmp|btmp|lastlog|faillog)")  # with owners and modes that base-files gave them


def cleaning_of(path: str) -> Cleaning:
    """What is to be done with a path of a tree that is about to be final."""
    if _LOGIN_RECORD.fullmatch(path) or path == MACHINE_ID:
        return Cleaning.EMPTY
    return Cleaning.REMOVE if is_identity(path) or _BUILD_LEFTOVER.fullmatch(path) else Cleaning.KEEP


def is_identity(path: str) -> bool:
    """True for files that say which machine this is, or that must be secret from others: two nodes with the same are an accident."""
    return _IDENTITY.fullmatch(path) is not None


def identity_in(entries: Mapping[str, Entry]) -> tuple[str, ...]:
    """Files of a tree that would make two nodes one, or tell all of them the secret of one; names are none of them."""
    return tuple(
        path
        for path, entry in entries.items()
        if entry.kind is Kind.FILE
        and entry.size
        and (entry.digest not in _MADE_ON_THE_NODE[path] if path in _MADE_ON_THE_NODE else is_identity(path) and path not in _NAMES)
    )


def settled_mtime_ns(mtime_ns: int, started_ns: int, epoch_s: int) -> int:
    """The time that a path of the tree keeps: its package's, or the epoch if the build itself wrote it after it `started_ns`."""
    return epoch_s * 1_000_000_000 if mtime_ns >= started_ns else mtime_ns
