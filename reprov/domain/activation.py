"""What is decided of every OSD when they are to be brought up: which runs, what has to be done for which, which is left alone.

Nothing is ever guessed: an OSD of which anything contradicts is left alone, and said. The rules are in `domain.activation_planner`,
the command lines in `domain.activation_commands`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from reprov.domain.bluestore import BluestoreLabel
from reprov.domain.inventory import Osd
from reprov.domain.osd_directory import OsdDirectory


class State(StrEnum):
    """Where an OSD stands."""

    RUNNING = "running"
    READY = "ready"
    """Its directory is in order, and no systemd runs that could start it."""
    DOWN = "down"
    LEFT_ALONE = "left alone"
    """Something about it contradicts or is missing; `Decision.reason` says what."""


class Method(StrEnum):
    """How an OSD that is down comes up."""

    START = "start"
    """Its directory is in order: only its unit has to be started."""
    LVM = "ceph-volume lvm"
    RAW = "ceph-volume raw"
    SIMPLE = "ceph-volume simple"
    PRIME = "prime-osd-dir"
    """By ceph-bluestore-tool, where there is no ceph-volume."""
    MOUNT = "mount"
    """The data filesystem that ceph-disk made, where there is no ceph-volume."""
    ORCHESTRATOR = "ceph cephadm"


@dataclass(frozen=True, slots=True)
class OsdProcess:
    """A ceph-osd that runs, on the host or in a container, by the files that it has open."""

    pid: int
    id: int | None
    fsid: str
    cluster_fsid: str


@dataclass(frozen=True, slots=True)
class Home:
    """The directory of an OSD as it is now."""

    found: OsdDirectory
    """Its links lead to devices by the paths that the inventory has for them, "" where they lead nowhere."""
    has_keyring: bool


@dataclass(frozen=True, slots=True)
class Means:
    """What the node can activate OSDs with."""

    host: str
    cluster_fsid: str | None = None
    """That of /etc/ceph/ceph.conf; "" when the file does not say it, None when there is no such file."""
    cephadm_clusters: frozenset[str] = frozenset()
    """Clusters whose daemons on this host cephadm deployed."""
    has_systemd: bool = False
    has_ceph_volume: bool = False
    has_bluestore_tool: bool = False
    can_ask_cluster: bool = False
    """The command `ceph` and the key of client.admin are here."""


@dataclass(frozen=True, slots=True)
class ActivationFacts:
    """Everything that is looked at before anything is done."""

    osds: tuple[Osd, ...]
    means: Means
    running: tuple[OsdProcess, ...] = ()
    homes: tuple[Home, ...] = ()
    labels: Mapping[str, BluestoreLabel] = field(default_factory=dict)
    """By path of every device that has one now."""
    opened: Mapping[str, str] = field(default_factory=dict)
    """The open dm-crypt mapping by the device below it."""
    filesystems: Mapping[str, str] = field(default_factory=dict)
    """Type of the content by path of the device."""
    descriptions: Mapping[str, str] = field(default_factory=dict)
    """The file that `ceph-volume simple scan` wrote, absolute, by fsid of its OSD."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done for an OSD: nothing unless it is down."""

    osd: Osd
    state: State
    method: Method | None = None
    """None unless it is down."""
    reason: str = ""
    """Why it is left alone: a clause for people."""
    device: str = ""
    """Path of its block device, or data partition; of an open mapping where it is encrypted. "" for a plain directory."""
    db: str = ""
    wal: str = ""
    filesystem: str = ""
    """Of a data partition."""
    description: str = ""
    """The file that `ceph-volume simple scan` has written of it."""

    @property
    def name(self) -> str:
        """`osd.3`; `osd.?` when only a part of it tells its id."""
        return f"osd.{'?' if self.osd.id is None else self.osd.id}"

    @property
    def directory(self) -> str:
        """Where its directory is to be, relative to the root; its id must be known."""
        return self.osd.directory or f"var/lib/ceph/osd/ceph-{self.osd.id}"
