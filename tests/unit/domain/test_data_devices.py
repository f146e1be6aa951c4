"""When the devices of a machine are looked at, and what a mount's device says of it."""

import pytest

from reprov.domain.data_devices import DataDevices, Proving, why_not_looked
from reprov.domain.inventory import Disk, Inventory, Mounted, Partition
from reprov.domain.mounts import Mount
from reprov.domain.partition_types import guid_of


@pytest.mark.parametrize(
    ("proving", "is_live", "why"),
    [
        pytest.param(Proving.AUTO, True, "", id="the running system"),
        pytest.param(
            Proving.AUTO, False, "this is the root of another system, whose disks need not be this machine's", id="another system's root"
        ),
        pytest.param(Proving.ALWAYS, False, "", id="another root, when asked for"),
        pytest.param(Proving.NEVER, True, "by --prove never", id="not wanted"),
    ],
)
def test_when_devices_are_looked_at(proving: Proving, is_live: bool, why: str) -> None:
    assert why_not_looked(proving, is_live=is_live) == why


def test_what_a_device_says_of_its_mount_point() -> None:
    places = (("", "/dev/sda1"), ("opt", "/dev/sda2"), ("home", "/dev/sda3"), ("srv", "/dev/sda4"))
    mounts = tuple(Mounted(Mount(path, "xfs", device, False), device) for path, device in places)
    types = {2: "ceph-osd-data"}
    partitions = tuple(Partition(f"/dev/sda{number}", number, 1, 1, guid_of(types.get(number, "linux")), "") for number in range(1, 5))
    data = DataDevices((), Inventory((Disk("/dev/sda", 9, 512, partitions=partitions),), mounts=mounts))
    assert data.by_mount_point(("opt", "srv")) == {
        "opt": "/dev/sda2 is data: GPT type ceph-osd-data",
        "home": "/dev/sda3 is data: mounted at /home",
    }
    assert DataDevices(not_looked="x").by_mount_point(("opt",)) == {}
