"""What runs to make groups and volumes, in which order, and what is refused before."""

from dataclasses import replace
from pathlib import Path

import pytest

from reprov.adapters import volume_writer
from reprov.adapters.volume_writer import device_of_volume, make_group, make_volume, require_lvm, switch_group
from reprov.domain.inventory import PhysicalVolume, VolumeGroup
from reprov.domain.layout import MIB, OsVolume
from reprov.domain.partition_plan import PartitionPlan
from reprov.domain.partition_planner import plan_partitions
from reprov.errors import Refused, ReprovError
from tests.disk_builders import EXT4, ROOT, disk, entry, inventory, layout, os_partition

VAR = OsVolume("sys", "var", 20 * MIB, "ext4", "/var")
SYSTEM = replace(os_partition("system", 64, "", kind="lvm"), group="sys")
WANTED = replace(layout(ROOT, SYSTEM), volumes=(VAR,))
ROOT_ENTRY = entry(2, 65, 256, "linux", "root", content=EXT4)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The programs that ran, without what they are told about devices."""
    lines: list[str] = []

    def note(argv: tuple[str, ...], *, timeout_s: float) -> None:
        assert timeout_s > 0
        words = [*argv]
        if "--config" in words:
            place = words.index("--config")
            assert '"a|^/dev/sda3$|","r|.*|"' in words[place + 1]
            del words[place : place + 2]
        lines.append(" ".join(words))

    monkeypatch.setattr(volume_writer, "run", note)
    return lines


def planned(*, is_kept: bool) -> PartitionPlan:
    if not is_kept:
        return plan_partitions(WANTED, inventory(disk(ROOT_ENTRY)))
    there = inventory(disk(ROOT_ENTRY, entry(3, 400, 64, "lvm", "system")))
    group, physical = VolumeGroup("sys", "vg", 60 * MIB, 60 * MIB), PhysicalVolume("/dev/sda3", "pv", "sys")
    return plan_partitions(WANTED, replace(there, groups=(group,), physical_volumes=(physical,)))


def test_the_area_is_wiped_before_it_becomes_a_group(ran: list[str]) -> None:
    make_group("sys", "/dev/sda3")
    make_volume(VAR, "/dev/sda3")
    switch_group("sys", "/dev/sda3", is_on=False)
    assert ran == [
        "wipefs --quiet --all /dev/sda3",
        "pvcreate /dev/sda3",
        "vgcreate --physicalextentsize 4194304b sys /dev/sda3",
        "lvcreate --type linear --wipesignatures n --zero n --activate y --name var --size 20971520b sys",
        "vgchange --activate n sys",
    ]


def test_without_lvm_nothing_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volume_writer, "is_installed", lambda _program: False)
    with pytest.raises(Refused, match=r"^lvm is not installed here$"):
        require_lvm(planned(is_kept=False))
    require_lvm(plan_partitions(layout(ROOT), inventory(disk(ROOT_ENTRY))))


def test_a_new_group_cannot_have_the_name_of_something_in_dev(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(volume_writer, "is_installed", lambda _program: True)
    monkeypatch.setattr(volume_writer, "_DEVICES", tmp_path)
    require_lvm(planned(is_kept=False))
    (tmp_path / "sys").mkdir()
    with pytest.raises(Refused) as caught:
        require_lvm(planned(is_kept=False))
    assert caught.value.message == f"no volume group can be called sys: there is a {tmp_path}/sys"
    require_lvm(planned(is_kept=True))  # the directory is that of its own volumes


@pytest.mark.parametrize(
    ("below", "is_fine"),
    [
        pytest.param(["8:3"], True, id="the partition"),
        pytest.param(["8:17"], False, id="another device"),
        pytest.param(["8:3", "8:17"], False, id="two devices"),
        pytest.param([], False, id="nothing"),
    ],
)
def test_a_volume_has_to_lie_on_its_partition_alone(
    below: list[str], is_fine: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    numbers = {"/dev/mapper/sys-var": (253 << 8), "/dev/sda3": (8 << 8) + 3}
    monkeypatch.setattr(volume_writer, "_number_of", lambda path: numbers.get(path, 0))
    monkeypatch.setattr(volume_writer, "_NUMBERED", tmp_path)
    for index, number in enumerate(below):
        place = tmp_path / f"253:0/slaves/sd{index}"
        place.mkdir(parents=True)
        (place / "dev").write_text(f"{number}\n")
    if is_fine:
        assert device_of_volume(VAR, "/dev/sda3") == "/dev/mapper/sys-var"
        return
    with pytest.raises(ReprovError, match=r"^/dev/mapper/sys-var is no volume on /dev/sda3 alone$"):
        device_of_volume(VAR, "/dev/sda3")


def test_a_volume_that_is_not_active_has_no_device() -> None:
    with pytest.raises(ReprovError, match="is no volume on /dev/null alone"):
        device_of_volume(OsVolume("no-such-group", "var", MIB, "ext4"), "/dev/null")
