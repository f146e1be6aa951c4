"""Who a node is, and what of it a change has lost: only what was right before can be a problem afterwards."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from reprov.domain.entry import show
from reprov.domain.fstab import CryptEntry, MountEntry
from reprov.domain.network import NetworkFile, Uplink, Via, configured_by
from reprov.domain.scan import CLOCK_TICK_NS

MACHINE_ID = "etc/machine-id"
HOSTS = "etc/hosts"
FSTAB = "etc/fstab"
CRYPTTAB = "etc/crypttab"
SSHD_CONFIG = "etc/ssh/sshd_config"
LVM_SETTINGS = ("etc/lvm/lvm.conf", "etc/lvm/lvmlocal.conf")

_WHERE_NETWORK_IS = {
    Via.IFUPDOWN: "etc/network/interfaces",
    Via.NETPLAN: "etc/netplan",
    Via.NETWORKD: "etc/systemd/network",
    Via.NETWORK_MANAGER: "etc/NetworkManager/system-connections",
    Via.SCRIPTS: "etc/sysconfig/network-scripts",
}
_MACHINE_ID = re.compile(r"([0-9a-f]{32}|uninitialized)?")
_LVM_SETTING = re.compile(
    r"""\b(global_filter|filter|use_devicesfile|devicesfile)\s*=\s*(\[(?:"(?:[^"\\]|\\.)*"|[^\]"])*\]|"(?:[^"\\]|\\.)*"|\S+)"""
)
_COMMENT_LINE = re.compile(r"^\s*#.*$", re.MULTILINE)
_LINE_NUMBER = re.compile(r"\bline \d+")


class Check(StrEnum):
    """What was looked at."""

    MACHINE_ID = "machine-id"
    SAME_FILE = "same file"
    HOSTS = "hosts"
    LVM = "lvm"
    FSTAB = "fstab"
    CRYPTTAB = "crypttab"
    HOST_KEY = "host key"
    SSHD = "sshd"
    NETWORK = "network"


_KEEP_IT = "keep it by a *.exclude list of the role"
_HINTS = {
    Check.MACHINE_ID: _KEEP_IT,
    Check.SAME_FILE: f"{_KEEP_IT}; run it again if somebody changed it just now",
    Check.HOSTS: _KEEP_IT,
    Check.LVM: _KEEP_IT,
    Check.FSTAB: "correct the entry, give it nofail if the node can do without, or keep what it needs by a *.exclude list",
    Check.CRYPTTAB: "correct the entry, give it nofail if the node can do without, or keep what it needs by a *.exclude list",
    Check.HOST_KEY: "sshd refuses a private key that others can read: keep it, with its mode, by a *.exclude list",
    Check.SSHD: "correct what the release has in /etc/ssh, or keep the node's; `sshd -t` tells",
    Check.NETWORK: "keep the node's network configuration, and a program in the role that reads it",
}


@dataclass(frozen=True, slots=True, order=True)
class IdentityProblem:
    """Something that the node would lack after the change."""

    check: Check
    path: str
    """Relative to the root, as everywhere."""
    problem: str

    @property
    def hint(self) -> str:
        """The way out."""
        return _HINTS[self.check]

    def __str__(self) -> str:
        return f"{show(self.path)}: {self.problem}"


@dataclass(frozen=True, slots=True)
class MountFacts:
    """An entry of fstab, and what of it is there."""

    entry: MountEntry
    device: str | None
    """What the source leads to, comparable: the number of a device, the path of a file; None when it leads nowhere."""
    has_mount_point: bool

    @property
    def label(self) -> str:
        """What the entry is for."""
        return self.entry.mount_point if self.entry.is_mounted else f"swap on {self.entry.source}"

    def succeeds(self, other: "MountFacts") -> bool:
        """True when it has taken the place of another one."""
        if self.entry.is_mounted:
            return self.entry.mount_point == other.entry.mount_point
        return not other.entry.is_mounted and (self.entry.source == other.entry.source or self.device == other.device)

    @property
    def trouble(self) -> str:
        """What stands against mounting it; "" for nothing."""
        if self.device is None:
            return f"{self.entry.source} for {self.label} is not there" if self.entry.is_mounted else f"{self.label} is not there"
        return "" if self.has_mount_point else f"the mount point {self.entry.mount_point} is not there"


@dataclass(frozen=True, slots=True)
class CryptFacts:
    """An entry of crypttab, and what of it is there."""

    entry: CryptEntry
    device: str | None
    has_key: bool
    """True also when it needs no key file."""

    @property
    def trouble(self) -> str:
        """What stands against unlocking it; "" for nothing."""
        if self.device is None:
            return f"{self.entry.source} for {self.entry.name} is not there"
        return "" if self.has_key else f"the key {self.entry.key} for {self.entry.name} is not there"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a node is, as far as it can be seen in its files; a node may lack any of it."""

    machine_id: str | None = None
    """Without the end of the line; None without the file."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """sha256 by path, of every identity file that is there."""
    written_ns: Mapping[str, int] = field(default_factory=dict, compare=False)
    """When the same files were written."""
    looked_ns: tuple[int, int] = field(default=(0, 0), compare=False)
    """When the look began, and when it was over."""
    names: frozenset[tuple[str, str]] = frozenset()
    """Address and name, from /etc/hosts."""
    lvm: frozenset[str] = frozenset()
    """The settings of LVM that say which disks it looks at."""
    mounts: tuple[MountFacts, ...] = ()
    crypts: tuple[CryptFacts, ...] = ()
    open_keys: frozenset[str] = frozenset()
    """Private host keys that others than root can read."""
    sshd: str | None = None
    """What `sshd -t` has against its configuration, "" for nothing; None without an sshd."""
    uplinks: tuple[Uplink, ...] = ()
    """Of the running system only."""
    network: tuple[NetworkFile, ...] = field(default=(), repr=False)
    """Of the running system only; may hold passwords."""
    readers: frozenset[Via] = frozenset()
    """Whose program is there to read the network configuration."""


def parse_hosts(text: str) -> frozenset[tuple[str, str]]:
    """Every address with every one of its names (hosts(5))."""
    lines = (line.partition("#")[0].split() for line in text.splitlines())
    return frozenset((words[0], name) for words in lines for name in words[1:])


def parse_lvm_settings(text: str) -> frozenset[str]:
    """The settings of lvm.conf(5) by which LVM chooses its devices, white space evened out."""
    return frozenset(f"{name} = {' '.join(value.split())}" for name, value in _LVM_SETTING.findall(_COMMENT_LINE.sub("", text)))


def new_problems(before: Identity, after: Identity, released: frozenset[str] = frozenset()) -> tuple[IdentityProblem, ...]:
    """What the change has lost, sorted.

    `released` are files that were the installed release's to the byte: the next may bring others. And what was written between
    the two looks was written by the node: no release has a file of that time.
    """
    since, until = before.looked_ns[0] - CLOCK_TICK_NS, after.looked_ns[1]
    written = frozenset(path for path, time_ns in after.written_ns.items() if since <= time_ns <= until)
    free = released | written
    return tuple(
        sorted(
            {
                *_machine_id(before, after, written),
                *_same_files(before, after, free),
                *_host_names(before, after, free),
                *_lvm(before, after, free),
                *_mounts(before, after, free),
                *_crypts(before, after, free),
                *(IdentityProblem(Check.HOST_KEY, path, "others can read it") for path in after.open_keys - before.open_keys),
                *_sshd(before, after),
                *_network(before, after),
            }
        )
    )


def released_files(identity: Identity, release: Mapping[str, str]) -> frozenset[str]:
    """The identity files that are what a release has there; `release` gives the digest by path."""
    return frozenset(path for path, digest in identity.digests.items() if release.get(path) == digest)


def _machine_id(before: Identity, after: Identity, written: frozenset[str]) -> Iterator[IdentityProblem]:
    if before.machine_id is not None and after.machine_id != before.machine_id and MACHINE_ID not in written:
        now = "is gone" if after.machine_id is None else "is not the one that the node had"
        yield IdentityProblem(Check.MACHINE_ID, MACHINE_ID, now)
    elif (
        after.machine_id is not None
        and (before.machine_id is None or MACHINE_ID in written)
        and not _MACHINE_ID.fullmatch(after.machine_id)
    ):
        yield IdentityProblem(Check.MACHINE_ID, MACHINE_ID, "is no machine id: 32 hexadecimal digits, or nothing")


_OTHER_CHECKS = {MACHINE_ID, HOSTS, FSTAB, CRYPTTAB, *LVM_SETTINGS}
"""Files that are looked into, where other bytes may say the same."""


def _same_files(before: Identity, after: Identity, free: frozenset[str]) -> Iterator[IdentityProblem]:
    for path in before.digests.keys() - free - _OTHER_CHECKS:
        if path not in after.digests:
            yield IdentityProblem(Check.SAME_FILE, path, "is gone")
        elif after.digests[path] != before.digests[path]:
            yield IdentityProblem(Check.SAME_FILE, path, "is not the one that the node had")


def _host_names(before: Identity, after: Identity, free: frozenset[str]) -> Iterator[IdentityProblem]:
    if HOSTS not in free:
        for address, name in before.names - after.names:
            yield IdentityProblem(Check.HOSTS, HOSTS, f"does not say any more that {name} is {address}")


def _lvm(before: Identity, after: Identity, free: frozenset[str]) -> Iterator[IdentityProblem]:
    if before.lvm != after.lvm and not free.issuperset(before.digests.keys() & set(LVM_SETTINGS)):
        differing = sorted({setting.partition(" = ")[0] for setting in before.lvm ^ after.lvm})
        yield IdentityProblem(Check.LVM, LVM_SETTINGS[0], f"{' and '.join(differing)} would make LVM see other disks than now")


def _mounts(before: Identity, after: Identity, free: frozenset[str]) -> Iterator[IdentityProblem]:
    for fact in before.mounts:
        if fact.entry.is_required and not fact.trouble:
            successors = [(new.device, new.trouble) for new in after.mounts if new.succeeds(fact)]
            if found := _lost(fact.label, fact.device, successors, may_differ=FSTAB in free):
                yield IdentityProblem(Check.FSTAB, FSTAB, found)


def _crypts(before: Identity, after: Identity, free: frozenset[str]) -> Iterator[IdentityProblem]:
    for fact in before.crypts:
        if fact.entry.is_required and not fact.trouble:
            successors = [(new.device, new.trouble) for new in after.crypts if new.entry.name == fact.entry.name]
            if found := _lost(fact.entry.name, fact.device, successors, may_differ=CRYPTTAB in free):
                yield IdentityProblem(Check.CRYPTTAB, CRYPTTAB, found)


def _lost(label: str, device: str | None, successors: Iterable[tuple[str | None, str]], *, may_differ: bool) -> str:
    """What is wrong with the entries that took the place of one that was right; "" when one of them is right as well."""
    troubles = []
    for now, trouble in successors:
        if not trouble and (may_differ or now == device):
            return ""
        troubles.append(trouble or f"{label} would come from another source than before")
    if troubles:
        return troubles[0]
    return "" if may_differ else f"the entry for {label} is gone"


def _sshd(before: Identity, after: Identity) -> Iterator[IdentityProblem]:
    if before.sshd is None or not after.sshd:
        return  # a node that had none is not reached by it; its keys may be yet to come
    if _LINE_NUMBER.sub("", before.sshd) != _LINE_NUMBER.sub("", after.sshd):
        yield IdentityProblem(Check.SSHD, SSHD_CONFIG, f"sshd does not start with it: {after.sshd}")


def _network(before: Identity, after: Identity) -> Iterator[IdentityProblem]:
    lost_readers = before.readers - after.readers
    for uplink in before.uplinks:
        by = configured_by(uplink, before.network)
        if by and not configured_by(uplink, after.network) - lost_readers:
            where = _WHERE_NETWORK_IS[min(by)]
            yield IdentityProblem(Check.NETWORK, where, f"nothing configures {uplink.name} any more, which carries the default route")
