"""The devices that a plan is carried out on: partitions of the disk that is held, and volumes on them, active for as long as it is."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from reprov.adapters.held_disk import HeldDisk
from reprov.adapters.run import CommandFailed
from reprov.adapters.signatures import probe
from reprov.adapters.volume_writer import device_of_volume, make_group, make_volume, refuse_use, switch_group
from reprov.domain.inventory import Signature
from reprov.domain.layout import OsDevice, OsVolume
from reprov.domain.partition_plan import Fate, PartitionPlan
from reprov.domain.volume_planner import content_refusal
from reprov.errors import Refused


class InstallDevices:
    """Where the partitions and volumes of a plan are."""

    def __init__(self, plan: PartitionPlan, disk: HeldDisk) -> None:
        self.disk = disk
        self._plan = plan
        self._entries = {planned.entry.number: planned.entry for planned in plan.partitions}
        self._active: list[tuple[str, str]] = []
        self._contents: dict[str, Signature] = {}

    def of(self, device: OsDevice, number: int) -> str:
        """The path of a partition of this number, or of a volume on it, which has to be active. Raises `ReprovError`."""
        partition = self.disk.device_of(self._entries[number])
        return device_of_volume(device, partition) if isinstance(device, OsVolume) else partition

    def content_before(self, device: OsDevice, number: int) -> Signature | None:
        """What a partition held when the plan was made, or a volume when it was activated; None for what is not formatted."""
        if isinstance(device, OsVolume):
            return self._contents.get(device.name)
        return next(
            (item.entry.content for item in self._plan.partitions if item.entry.number == number and item.fate is Fate.FORMATTED), None
        )

    def activate(self) -> None:
        """Activate the groups that are kept. Raises `Refused` when a volume is in use, or holds what no plan may format."""
        for group, planned in self._plan.groups():
            if planned.fate is Fate.KEPT:
                self._switch_on(group, self.disk.device_of(planned.entry))
        for volume in self._plan.volumes:
            if volume.fate is Fate.FORMATTED:
                path = self.of(volume.os, volume.number)
                refuse_use(path)
                content = probe((path,)).contents.get(path)
                if refusal := content_refusal(path, path, content):
                    raise Refused(refusal.message, hint=refusal.hint)
                if content is not None:
                    self._contents[volume.os.name] = content

    def activate_made(self) -> None:
        """Activate every group of a plan that has been carried out."""
        for group, planned in self._plan.groups():
            self._switch_on(group, self.disk.device_of(planned.entry))

    def make_groups(self) -> None:
        """Make the groups and volumes that are missing."""
        for group, device in self.new_groups():
            make_group(group, device)
            self._active.append((group, device))
        for volume in self._plan.volumes:
            if volume.fate is Fate.CREATED:
                make_volume(volume.os, self.disk.device_of(self._entries[volume.number]))

    def new_groups(self) -> Iterator[tuple[str, str]]:
        """The groups that the plan makes, each with its device."""
        for group, planned in self._plan.groups():
            if planned.fate is not Fate.KEPT:
                yield group, self.disk.device_of(planned.entry)

    def old_sources(self) -> frozenset[str]:
        """What a line of fstab may call the volumes whose old content is gone."""
        return frozenset(f"UUID={content.uuid}" for content in self._contents.values() if content.uuid)

    def deactivate(self) -> None:
        """Deactivate every group that has been activated or made."""
        while self._active:
            group, device = self._active.pop()
            switch_group(group, device, is_on=False)

    def _switch_on(self, group: str, device: str) -> None:
        self._active.append((group, device))
        switch_group(group, device, is_on=True)


@contextmanager
def install_devices(plan: PartitionPlan, disk: HeldDisk) -> Iterator[InstallDevices]:
    """The devices for the block; no volume of the plan is active afterwards, unless something else uses one."""
    devices = InstallDevices(plan, disk)
    try:
        yield devices
    except BaseException:
        with suppress(CommandFailed):  # what went wrong before is what has to be told
            devices.deactivate()
        raise
    devices.deactivate()
