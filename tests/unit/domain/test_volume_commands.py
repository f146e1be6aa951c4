"""LVM's programs see one device, force nothing, and are never answered yes."""

import re

import pytest

from reprov.domain.layout import MIB, OsVolume
from reprov.domain.volume_commands import activation_command, capacity_bytes, group_commands, in_extents, volume_command
from reprov.errors import ReprovError

VAR = OsVolume("sys-1", "var", 21 * MIB, "ext4", "/var")
ONLY = (
    'devices { use_devicesfile=0 hints="none" filter=["a|^/dev/sda3$|","r|.*|"] global_filter=["a|^/dev/sda3$|","r|.*|"] }'
    " backup { backup=0 archive=0 }"
)


def test_a_group_is_made_on_what_was_wiped() -> None:
    assert group_commands("sys-1", "/dev/sda3") == (
        ("wipefs", "--quiet", "--all", "/dev/sda3"),
        ("pvcreate", "--config", ONLY, "/dev/sda3"),
        ("vgcreate", "--config", ONLY, "--physicalextentsize", "4194304b", "sys-1", "/dev/sda3"),
    )


def test_a_volume_is_made_without_a_question() -> None:
    as_it_is = ("--wipesignatures", "n", "--zero", "n", "--activate", "y")
    named = ("--name", "var", "--size", "22020096b", "sys-1")
    assert volume_command(VAR, "/dev/sda3") == ("lvcreate", "--config", ONLY, "--type", "linear", *as_it_is, *named)


def test_a_group_is_activated_and_deactivated_by_itself() -> None:
    assert activation_command("sys-1", "/dev/sda3", is_on=True) == ("vgchange", "--config", ONLY, "--activate", "y", "sys-1")
    assert activation_command("sys-1", "/dev/sda3", is_on=False) == ("vgchange", "--config", ONLY, "--activate", "n", "sys-1")


def test_nothing_is_forced() -> None:
    commands = [*group_commands("g", "/dev/sda3"), volume_command(VAR, "/dev/sda3"), activation_command("g", "/dev/sda3", is_on=True)]
    assert not {word for command in commands for word in command} & {"-f", "-ff", "--force", "-y", "--yes", "-q", "-qq"}


@pytest.mark.parametrize("device", ["/dev/sd.", "/dev/a|b", '/dev/"', "/dev/a b", "sda3", "/dev/sda$", "/dev/sda\n"])
def test_a_name_that_a_filter_would_take_for_others_is_refused(device: str) -> None:
    with pytest.raises(ReprovError, match=re.escape("has a name that LVM cannot be told exactly")):
        group_commands("g", device)


@pytest.mark.parametrize(
    ("partition_mib", "capacity_mib"),
    [(44, 40), (47, 40), (48, 44), (3, 0), (4, 0)],
)
def test_an_extent_is_left_for_lvm(partition_mib: int, capacity_mib: int) -> None:
    assert capacity_bytes(partition_mib * MIB) == capacity_mib * MIB


def test_a_volume_takes_whole_extents() -> None:
    assert [in_extents(size * MIB) // MIB for size in (1, 4, 5, 21)] == [4, 4, 8, 24]


def test_the_device_mapper_doubles_hyphens() -> None:
    assert OsVolume("sys-1", "log-data", MIB, "xfs").device == "/dev/mapper/sys--1-log--data"
