"""Which devices a guard keeps from being written to, and which command lines it refuses."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from reprov.domain.disk_commands import Intent
from reprov.domain.inventory import Inventory
from reprov.domain.protected import NO_RULES, DataRules, Protected, protected
from reprov.domain.storage_stack import StorageStack, natural


@dataclass(frozen=True, slots=True)
class GuardedDevice:
    """A device that nothing under a guard may write to."""

    path: str
    reason: str
    """A clause for people: `GPT type ceph-block`, `its partition /dev/sdb2 is data`."""


@dataclass(frozen=True, slots=True)
class Guarded:
    """Everything that a guard keeps."""

    devices: tuple[GuardedDevice, ...] = ()
    to_hold: tuple[str, ...] = ()
    """Paths of devices that are data themselves: an exclusive open of these by anybody else is to fail."""
    groups: tuple[str, ...] = ()
    """Names of volume groups with data in them."""


@dataclass(frozen=True, slots=True)
class Target:
    """A word of a command line, and what it leads to."""

    word: str
    device: GuardedDevice | None = None
    """None: no guarded device, or nothing that exists."""
    error: str = ""
    """Why it could not be told."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that was not allowed."""

    program: str
    arguments: tuple[str, ...]
    """Empty when the process was gone before it could be asked."""
    device: str
    """A path, a volume group, or "" for a command that names none."""
    reason: str
    pid: int
    script: str
    """The command line of what started it."""


class Verdict(Enum):
    """What becomes of a command line."""

    ALLOWED = "allowed"
    READING = "reading"
    """Allowed, and known to read only: when the kernel stops it from opening a device for writing, that is no offence."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict; a refusal with device and reason."""

    verdict: Verdict
    device: str = ""
    reason: str = ""


def guarded_of(inventory: Inventory, rules: DataRules = NO_RULES) -> Guarded:
    """What is to be kept: the data devices, what is made of them, and the whole disks that have one among their partitions."""
    data = protected(inventory, rules)
    stack = StorageStack(inventory)
    reasons: dict[str, str] = {}
    for item in data:
        if item.device.path:
            reasons[item.device.path] = item.reasons[0]
    by_itself = _data_by_itself(data)
    made = (item.path for items in (inventory.volumes, inventory.arrays, inventory.crypts, inventory.mapped) for item in items)
    for upper in filter(None, made):
        for lower in stack.beneath(upper):
            if lower in by_itself:
                reasons.setdefault(upper, f"made of {lower}, which is data")
    for disk, partition in inventory.partitions():
        if partition.path in reasons:
            for name in (disk.path, *disk.paths, *stack.beneath(disk.path)):
                reasons.setdefault(name, f"its partition {partition.path} is data")
    groups = {volume.group for volume in inventory.volumes if {volume.path, *volume.devices} & reasons.keys()}
    groups |= {volume.group for volume in inventory.volumes if any(item.device.volume == volume.full_name for item in data)}
    groups |= {physical.group for physical in inventory.physical_volumes if physical.path in reasons}
    return Guarded(
        tuple(GuardedDevice(path, reasons[path]) for path in sorted(reasons, key=natural)),
        tuple(item.device.path for item in data if item.device.path),
        tuple(sorted(groups - {""})),
    )


def _data_by_itself(data: Iterable[Protected]) -> set[str]:
    """What is data for a reason of its own, and not for what happens to lie on it: a volume beside an OSD's may be the system's."""
    return {item.device.path for item in data if any(not reason.startswith("holds ") for reason in item.reasons)}


def decide(intent: Intent, targets: Sequence[Target], guarded: Guarded) -> Decision:
    """Whether a command may start; `targets` are the words of `intent.devices`, looked at. What cannot be told is refused."""
    if intent.is_reading:
        return Decision(Verdict.READING)
    if intent.any_device and (guarded.devices or guarded.groups):
        return Decision(Verdict.REFUSED, "", f"{intent.any_device}, and this node has data devices")
    for target in targets:
        if target.device is not None:
            return Decision(Verdict.REFUSED, target.device.path, target.device.reason)
        if target.error:
            return Decision(Verdict.REFUSED, target.word, f"cannot tell what it is: {target.error}")
    for group in intent.groups:
        if group in guarded.groups:
            return Decision(Verdict.REFUSED, group, "a volume group with data in it")
    return Decision(Verdict.ALLOWED)
