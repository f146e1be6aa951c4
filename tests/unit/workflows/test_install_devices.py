"""Volumes of a plan while it is carried out: activated, looked at before anything is written, and deactivated however it ends."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from reprov.adapters.held_disk import HeldDisk
from reprov.adapters.run import CommandFailed
from reprov.adapters.signatures import Probed
from reprov.domain.inventory import LogicalVolume, Partition, PhysicalVolume, Signature, VolumeGroup
from reprov.domain.layout import MIB, OsVolume
from reprov.domain.partition_plan import PartitionPlan
from reprov.domain.partition_planner import plan_partitions
from reprov.errors import Refused
from reprov.workflows import install_devices as workflow
from reprov.workflows.install_devices import install_devices
from tests.disk_builders import EXT4, ROOT, disk, entry, inventory, layout, os_partition

LOG, SWAP = OsVolume("sys", "log", 20 * MIB, "ext4", "/var/log"), OsVolume("sys", "swap", 8 * MIB, "swap")
SYSTEM = replace(os_partition("system", 64, "", kind="lvm"), group="sys")
WANTED = replace(layout(ROOT, SYSTEM), volumes=(LOG, SWAP))
ROOT_ENTRY = entry(2, 65, 256, "linux", "root", content=EXT4)
DISK = HeldDisk("/dev/sda", 0, 512)


class Lab:
    """What is done to LVM, by the words for it; `held` is what a volume turns out to hold."""

    def __init__(self, patched: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        self.held: Signature | None = Signature("ext4", "filesystem", uuid="old-1")
        self.fails = ""
        patched.setattr(HeldDisk, "device_of", self._partition)
        patched.setattr(workflow, "device_of_volume", lambda volume, partition: f"{volume.device} on {partition}")
        patched.setattr(workflow, "switch_group", lambda group, device, *, is_on: self._do(f"{'on' if is_on else 'off'} {group} {device}"))
        patched.setattr(workflow, "make_group", lambda group, device: self._do(f"group {group} {device}"))
        patched.setattr(workflow, "make_volume", lambda volume, device: self._do(f"volume {volume.name} {device}"))
        patched.setattr(workflow, "refuse_use", lambda path: self._do(f"unused {path}"))
        patched.setattr(workflow, "probe", lambda paths: Probed({paths[0]: self.held} if self.held else {}, ()))

    def _do(self, words: str) -> None:
        self.done.append(words)
        if self.fails and words.startswith(self.fails):
            raise CommandFailed(("lvm",), 5, b"no")

    @staticmethod
    def _partition(_disk: HeldDisk, found: Partition) -> str:
        return f"/dev/sda{found.number}"


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Lab:
    return Lab(monkeypatch)


def kept() -> PartitionPlan:
    """A group with one of the two volumes is there."""
    there = replace(
        inventory(disk(ROOT_ENTRY, entry(3, 400, 64, "lvm", "system"))),
        physical_volumes=(PhysicalVolume("/dev/sda3", "pv", "sys"),),
        groups=(VolumeGroup("sys", "vg", 60 * MIB, 40 * MIB),),
        volumes=(LogicalVolume("sys", "log", "lv", 20 * MIB, ("/dev/sda3",)),),
    )
    return plan_partitions(WANTED, there)


def test_a_group_that_is_kept(lab: Lab) -> None:
    with install_devices(kept(), DISK) as devices:
        devices.activate()
        assert devices.old_sources() == {"UUID=old-1"}
        assert devices.content_before(LOG, 3) == lab.held
        assert devices.content_before(ROOT, 2) == EXT4
        devices.make_groups()
        assert [*devices.new_groups()] == []
        assert devices.of(LOG, 3) == "/dev/mapper/sys-log on /dev/sda3"
        assert devices.of(ROOT, 2) == "/dev/sda2"
    log = "/dev/mapper/sys-log on /dev/sda3"
    assert lab.done == ["on sys /dev/sda3", f"unused {log}", "volume sys/swap /dev/sda3", "off sys /dev/sda3"]


def test_a_group_that_is_made(lab: Lab) -> None:
    with install_devices(plan_partitions(WANTED, inventory(disk(ROOT_ENTRY))), DISK) as devices:
        devices.activate()
        assert lab.done == []
        assert [*devices.new_groups()] == [("sys", "/dev/sda1")]
        devices.make_groups()
    assert lab.done == ["group sys /dev/sda1", "volume sys/log /dev/sda1", "volume sys/swap /dev/sda1", "off sys /dev/sda1"]


def test_groups_of_a_plan_that_has_been_carried_out(lab: Lab) -> None:
    with install_devices(plan_partitions(WANTED, inventory(disk(ROOT_ENTRY))), DISK) as devices:
        devices.activate_made()
    assert lab.done == ["on sys /dev/sda1", "off sys /dev/sda1"]


def test_a_plan_without_lvm_runs_nothing_of_it(lab: Lab) -> None:
    with install_devices(plan_partitions(layout(ROOT), inventory(disk(ROOT_ENTRY))), DISK) as devices:
        devices.activate()
        devices.make_groups()
    assert lab.done == []


@pytest.mark.parametrize("kind", [("ceph_bluestore", "other"), ("crypto_LUKS", "crypto"), ("LVM2_member", "raid"), ("ambivalent", "")])
def test_a_volume_that_turns_out_to_hold_something_else_is_refused_and_deactivated(lab: Lab, kind: tuple[str, str]) -> None:
    lab.held = Signature(*kind)
    with pytest.raises(Refused, match=rf"^/dev/mapper/sys-log on /dev/sda3 holds {kind[0]}, "), install_devices(kept(), DISK) as devices:
        devices.activate()
    assert lab.done[-1] == "off sys /dev/sda3"


def fail() -> None:
    raise Refused("something else")


@pytest.mark.parametrize(
    ("fails", "raised", "then"),
    [
        pytest.param("", Refused, fail, id="what fails leaves nothing active"),
        pytest.param("off", Refused, fail, id="and is what is told when that fails, too"),
        pytest.param("off", CommandFailed, lambda: None, id="a group that stays active is told"),
        pytest.param("on", CommandFailed, lambda: None, id="a group of which a part may be active"),
    ],
)
def test_the_end(lab: Lab, fails: str, raised: type[Exception], then: Callable[[], None]) -> None:
    lab.fails = fails
    with pytest.raises(raised), install_devices(kept(), DISK) as devices:
        devices.activate()
        then()
    assert lab.done[-1] == "off sys /dev/sda3"
