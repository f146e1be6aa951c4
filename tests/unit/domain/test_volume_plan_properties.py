"""Generated groups and layouts with volumes: no plan that is accepted touches a group, a volume or a partition that is not its own."""

from dataclasses import replace
from typing import NamedTuple

from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from reprov.domain.inventory import Inventory, LogicalVolume, Partition, PhysicalVolume, Signature, VolumeGroup
from reprov.domain.layout import MIB, Layout, OsVolume
from reprov.domain.partition_plan import Fate, PartitionPlan
from reprov.domain.partition_planner import plan_partitions
from reprov.domain.volume_commands import activation_command, group_commands, volume_command
from tests.disk_builders import EXT4, ROOT, disk, entry, inventory, layout, os_partition

GROUPS = ("sys", "data", "ceph-1")
NAMES = ("var", "home", "osd-block")
LVM = Signature("LVM2_member", "raid")
CONTENTS = (None, EXT4, Signature("ceph_bluestore", "other"), Signature("crypto_LUKS", "crypto"), Signature("swap", "other"))
TAGS: tuple[tuple[str, ...], ...] = ((), ("ceph.osd_id=3",), ("site",))


class Case(NamedTuple):
    """A machine and a layout for its disk."""

    machine: Inventory
    layout: Layout


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A disk with a root and up to three partitions with LVM or something else, whose names may be the layout's."""
    names = draw(st.permutations(("system", "other", "third")))[: draw(st.integers(0, 3))]
    entries = [entry(2, 65, 256, "linux", "root", content=EXT4)]
    physical: list[PhysicalVolume] = []
    volumes: list[LogicalVolume] = []
    for number, name in enumerate(names, start=3):
        kind = draw(st.sampled_from(("lvm", "lvm", "lvm", "linux")))
        content = draw(st.sampled_from((LVM, LVM, LVM, EXT4, None)))
        path = f"/dev/sda{number}"
        entries.append(entry(number, 100 * number + 50, 64, kind, name, content=content))
        if content is LVM and draw(st.integers(0, 9)):
            usual = "sys" if name == "system" else "data"
            physical.append(PhysicalVolume(path, f"pv-{number}", draw(st.sampled_from((usual, usual, usual, "", *GROUPS))), 60 * MIB))
    for item in physical:
        for name in draw(st.lists(st.sampled_from(NAMES), max_size=2, unique=True)) if item.group else ():
            elsewhere = tuple(other.path for other in physical if other.group == item.group)
            size_bytes, devices = draw(st.integers(4, 24)) * MIB, draw(st.sampled_from(((item.path,), elsewhere)))
            path = draw(st.sampled_from((f"/dev/mapper/{item.group}-{name}", "")))
            content = draw(st.sampled_from((EXT4, *CONTENTS))) if path else None
            made = LogicalVolume(
                item.group, name, f"lv-{len(volumes)}", size_bytes, devices, path, draw(st.sampled_from((*TAGS, ()))), content
            )
            if made.full_name not in {other.full_name for other in volumes}:
                volumes.append(made)
    groups = {item.group for item in physical if item.group} | {*draw(st.lists(st.sampled_from(GROUPS), max_size=1))} - {""}
    found = tuple(VolumeGroup(name, f"vg-{name}", 60 * MIB, draw(st.integers(0, 60)) * MIB) for name in sorted(groups))
    machine = replace(inventory(disk(*entries)), physical_volumes=tuple(physical), groups=found, volumes=tuple(volumes))
    wanted = [
        OsVolume("sys", name, draw(st.integers(1, 24)) * MIB, "ext4")
        for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
    ]
    own = replace(os_partition("system", draw(st.sampled_from((32, 64))), "", kind="lvm"), group="sys")
    return Case(machine, replace(layout(ROOT, own), volumes=tuple(wanted)))


def accepted(case: Case) -> PartitionPlan | None:
    plan = plan_partitions(case.layout, case.machine)
    return None if plan.refusals else plan


def commands(plan: PartitionPlan) -> list[tuple[str, ...]]:
    """Everything that the plan has LVM do."""
    paths = {planned.entry.number: planned.entry.path or f"/dev/sda{planned.entry.number}" for planned in plan.partitions}
    done: list[tuple[str, ...]] = []
    for group, planned in plan.groups():
        path = paths[planned.entry.number]
        done += [activation_command(group, path, is_on=True)] if planned.fate is Fate.KEPT else group_commands(group, path)
    return [*done, *(volume_command(item.os, paths[item.number]) for item in plan.volumes if item.fate is Fate.CREATED)]


def own_partition(plan: PartitionPlan) -> Partition:
    (found,) = [planned.entry for planned in plan.partitions if planned.entry.label == "system"]
    return found


MANY = settings(max_examples=300)


@MANY
@given(cases())
def test_only_volumes_that_the_layout_names_and_that_are_nobodys_data_are_formatted(case: Case) -> None:
    plan = accepted(case)
    if plan is None:
        return
    there = {volume.full_name: volume for volume in case.machine.volumes}
    for planned in plan.volumes:
        assert planned.number == own_partition(plan).number
        assert (planned.fate is Fate.FORMATTED) == (planned.os.name in there)
        if planned.fate is Fate.FORMATTED:
            found = there[planned.os.name]
            assert found.uuid == planned.uuid
            assert found.devices == (own_partition(plan).path,)
            assert found.size_bytes >= planned.os.size_bytes
            assert not any(tag.startswith("ceph.") for tag in found.tags)
            assert found.content is None or found.content.type in ("ext4", "swap")


@MANY
@given(cases())
def test_lvm_is_shown_the_layouts_own_partition_alone(case: Case) -> None:
    plan = accepted(case)
    if plan is None:
        return
    own = own_partition(plan)
    path = own.path or f"/dev/sda{own.number}"
    for command in commands(plan):
        if command[0] == "wipefs":
            assert command[-1] == path
        else:
            assert f' filter=["a|^{path}$|","r|.*|"] ' in command[command.index("--config") + 1]
        assert not {"lvremove", "vgremove", "pvremove", "lvresize", "lvreduce", "lvextend", "vgextend", "vgreduce"} & {*command}


@MANY
@given(cases())
def test_a_partition_is_made_a_new_group_only_where_no_group_lies(case: Case) -> None:
    plan = accepted(case)
    if plan is None:
        return
    on = {physical.path: physical.group for physical in case.machine.physical_volumes}
    for planned in plan.partitions:
        group = on.get(planned.entry.path, "") if planned.entry.path else ""
        if planned.fate in (Fate.FORMATTED, Fate.CREATED):
            assert group == ""
            assert planned.entry.path in on or not (planned.entry.content and planned.entry.content.type == "LVM2_member")
        if planned.os and planned.os.group:
            assert group in ("", planned.os.group)
            everywhere = {path for path, name in on.items() if name == planned.os.group}
            assert everywhere == ({planned.entry.path} if planned.fate is Fate.KEPT else set())


@MANY
@given(cases())
def test_every_volume_that_there_was_is_still_there_or_formatted(case: Case) -> None:
    plan = accepted(case)
    if plan is None:
        return
    formatted = {planned.os.name for planned in plan.volumes if planned.fate is Fate.FORMATTED}
    assert {volume.full_name for volume in case.machine.volumes if volume.group == "sys"} == formatted


def is_restless(case: Case) -> bool:
    plan = accepted(case)
    return plan is not None and {volume.fate for volume in plan.volumes} == {Fate.FORMATTED, Fate.CREATED} and len(case.machine.volumes) > 1


def makes_a_group(case: Case) -> bool:
    plan = accepted(case)
    return plan is not None and any(planned.fate is Fate.FORMATTED for _, planned in plan.groups())


def test_the_generator_makes_plans_worth_looking_at() -> None:
    search = settings(max_examples=5_000, database=None, phases=(Phase.generate,))
    for is_interesting in (is_restless, makes_a_group):
        assert is_interesting(find(cases(), is_interesting, settings=search))
