"""Making and activating the operating system's volume groups. LVM's programs are shown one device each time: see `volume_commands`."""

import os
import stat
from pathlib import Path

from reprov.adapters.device_use import InUse, opened_unused, writers
from reprov.adapters.run import is_installed, run
from reprov.domain.layout import OsVolume
from reprov.domain.partition_plan import Fate, PartitionPlan
from reprov.domain.volume_commands import activation_command, group_commands, volume_command
from reprov.errors import Refused, ReprovError

_TIMEOUT_S = 120
_NUMBERED = Path("/sys/dev/block")
_DEVICES = Path("/dev")


def require_lvm(plan: PartitionPlan) -> None:
    """Raise `Refused` unless the groups of a plan can be made here."""
    for group, planned in plan.groups():
        if not is_installed("lvm"):
            raise Refused("lvm is not installed here", hint="nothing has been written")
        if planned.fate is not Fate.KEPT and (_DEVICES / group).exists():
            raise Refused(f"no volume group can be called {group}: there is a {_DEVICES / group}", hint="write another name in the layout")


def make_group(group: str, device: str) -> None:
    """Make a partition the one physical volume of a new group; whatever it holds is gone."""
    for command in group_commands(group, device):
        run(command, timeout_s=_TIMEOUT_S)


def make_volume(volume: OsVolume, device: str) -> None:
    """Make a volume in the group on a partition; it is active then."""
    run(volume_command(volume, device), timeout_s=_TIMEOUT_S)


def switch_group(group: str, device: str, *, is_on: bool) -> None:
    """Activate or deactivate the volumes of the group on a partition."""
    run(activation_command(group, device, is_on=is_on), timeout_s=_TIMEOUT_S)


def device_of_volume(volume: OsVolume, device: str) -> str:
    """The path of a volume that is active. Raises `ReprovError` unless it lies on the partition, and on nothing else."""
    number = _number_of(volume.device)
    below = _NUMBERED / f"{os.major(number)}:{os.minor(number)}" / "slaves"
    found = [(place / "dev").read_text().strip() for place in below.glob("*")] if number else []
    wanted = _number_of(device)
    if found != [f"{os.major(wanted)}:{os.minor(wanted)}"]:
        raise ReprovError(f"{volume.device} is no volume on {device} alone", hint="dmsetup table tells what it is")
    return volume.device


def refuse_use(path: str) -> None:
    """Raise `Refused` when a volume is in use: mounted in any namespace, held, open for writing, locked."""
    try:
        with opened_unused(Path(path), writers()):
            pass
    except InUse as use:
        raise Refused(f"{path} is in use: {use}", hint="nothing has been written; see fuser and lsblk") from None


def _number_of(path: str) -> int:
    try:
        status = Path(path).stat()
    except OSError:
        return 0
    return status.st_rdev if stat.S_ISBLK(status.st_mode) else 0
