"""What is measured, as values; the JSON file is these and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass

RSYNC = "rsync"
REPROV = "reprov"


@dataclass(frozen=True, slots=True)
class Cost:
    """What one program cost, with all that it started."""

    wall_s: float
    cpu_s: float
    """User and system."""
    largest_bytes: int
    """Peak of resident memory of the largest process."""


@dataclass(frozen=True, slots=True)
class Upgrade:
    """One upgrade of a node, by either side."""

    side: str
    client: Cost
    together_bytes: int
    """Peak of all processes of the client together, sampled; pages that they share count for each."""
    server_cpu_s: float
    wire_bytes: int
    """Both directions, with all headers."""
    mixed_s: float
    """As the observer saw it: how long the live tree was neither the old nor the new one."""
    resolution_s: float
    """The longest time between two looks of the observer in that window."""
    observer_cpu_s: float
    told_mixed_s: float | None = None
    """As reprov itself says."""
    phases_s: Mapping[str, float] | None = None
    """Where reprov's time went, by its own events."""


@dataclass(frozen=True, slots=True)
class Change:
    """What lies between the two versions."""

    paths: int
    """Of the new version, of every kind."""
    directories: int
    size_bytes: int
    """Content of the new version's files."""
    changed_paths: int
    """Paths that are created, replaced or deleted."""
    missing_bytes: int
    """Content of the new version that the old one has nowhere, every content once."""
    changed_bytes: int
    """Files of the new version that the old one has not with the same content and metadata, every one once."""
    changed_disk_bytes: int
    """The same in blocks of 4 KiB."""
    release_bytes: int
    """What the release's own files (manifest, packages, lists) weigh."""


@dataclass(frozen=True, slots=True)
class Growth:
    """What the second version added to the store."""

    content_bytes: int
    """Sizes of the new inodes of files in the trees."""
    disk_bytes: int
    """Their blocks."""
    directories: int
    directory_bytes: int
    """Blocks of the new directories of the trees, the pool and the releases: no two trees can share one."""
    other_bytes: int
    """Blocks of everything else that is new: the release's own files, symlinks too long for their inodes."""
    du_bytes: int
    """What `du` of the store grew by: all of this, and directories that became longer."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where and with what was measured."""

    date: str
    kernel: str
    processors: int
    rsync: str
    python: str
    caches: str
    """warm or cold: the node's page cache when an upgrade begins. The server's is warm."""


@dataclass(frozen=True, slots=True)
class ScriptTimes:
    """What follows the commit of the hop, and the same packages by apt."""

    packages: int
    """That come, change or go."""
    steps: int
    reprov_s: float
    """From the first script to the last cache."""
    apt_s: float
    """Unpacking and configuring; nothing is fetched."""


@dataclass(frozen=True, slots=True)
class LabelCosts:
    """An install of a tree on an empty filesystem, by whether it has a SELinux policy, and what labels it otherwise."""

    paths: int
    labelled: tuple[Cost, ...]
    plain: tuple[Cost, ...]
    """In turn with those."""
    setfiles: tuple[Cost, ...]
    """Over the whole tree, after each of those without labels."""


@dataclass(frozen=True, slots=True)
class RecoveryCosts:
    """What it took nodes to recover whose commit was cut off when everything was exchanged."""

    ops: int
    undone: tuple[Cost, ...]
    """Cut off before the commit was sealed."""
    finished: tuple[Cost, ...]
    """Cut off right after that."""


@dataclass(frozen=True, slots=True)
class RolloutTimes:
    """A rollout, and its steps by hand."""

    hosts: int
    steps: int
    """How many times Ansible is run."""
    reprov_s: float
    ansible_s: float


@dataclass(frozen=True, slots=True)
class FleetCosts:
    """What a controller costs."""

    planned_hosts: int
    plans: tuple[Cost, ...]
    """With the whole project."""
    simulated_hosts: int
    simulations_s: tuple[float, ...]
    rollouts: tuple[RolloutTimes, ...]


@dataclass(frozen=True, slots=True)
class Results:
    """One run of the benchmark."""

    machine: Machine
    change: Change
    upgrades: tuple[Upgrade, ...]
    no_op: tuple[Cost, ...]
    verify: tuple[Cost, ...]
    publish: tuple[Cost, ...]
    """Of the old version and of the new one."""
    growth: Growth
    inventory_s: tuple[float, ...]
    """From what tools say of a node with 60 OSDs to its inventory."""
    proof_s: tuple[float, ...]
    """Of 60 OSDs, not deep."""
    labels: LabelCosts
    scripts: ScriptTimes
    recovery: RecoveryCosts
    fleet: FleetCosts

    def of(self, side: str) -> tuple[Upgrade, ...]:
        """The upgrades of one side, in the order in which they were made."""
        return tuple(upgrade for upgrade in self.upgrades if upgrade.side == side)
