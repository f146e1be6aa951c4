"""Generated tables and layouts: no plan that is accepted changes an entry or lets two overlap, and a second run adds nothing."""

import re
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from reprov.domain.free_space import area_of
from reprov.domain.inventory import Disk, Inventory, Partition, Signature, Swap
from reprov.domain.layout import MIB, Layout, Preserve
from reprov.domain.partition_plan import Fate, PartitionPlan
from reprov.domain.partition_planner import plan_partitions
from reprov.domain.partition_types import CEPH_TYPES, guid_of, name_of
from tests.disk_builders import EXT4, blank, disk, inventory, layout, os_partition

KINDS = ("linux", "lvm", "ceph-osd-data", "ceph-block-db")
ONCE = {"root": "linux", "efi": "esp", "var": "linux"}
"""The names of a layout's partitions and their types: on a disk that was installed before, each is there once."""

DATA = (None, EXT4, Signature("xfs", "filesystem", label="kept"), Signature("ceph_bluestore", "other"), Signature("LVM2_member", "raid"))
SIZE_MIB = 32


class Case(NamedTuple):
    """A machine and a layout for its disk."""

    machine: Inventory
    layout: Layout


@st.composite
def disks(draw: st.DrawFn) -> Disk:
    """A sound table: entries anywhere between the first and the last usable sector, not in the order of their numbers."""
    sector_bytes = draw(st.sampled_from((512, 4096)))
    if not draw(st.integers(0, 9)):
        return replace(blank(sector_bytes), size_bytes=SIZE_MIB * MIB)
    empty = disk(sector_bytes=sector_bytes, size_mib=SIZE_MIB)
    assert empty.table and empty.table.first_sector and empty.table.last_sector
    first, end = empty.table.first_sector, empty.table.last_sector + 1
    step = draw(st.sampled_from((1, MIB // sector_bytes)))
    places = draw(st.lists(st.tuples(st.integers(first, end), st.sampled_from((-1, 0, 0, 1))), max_size=12))
    # Aligned, or a sector more or less: that is where mistakes by one show.
    cuts = sorted({min(max(place // step * step + shift, first), end) for place, shift in places})
    numbers = draw(st.permutations((1, 2, 3, 5, 8, 128)))
    names = draw(st.permutations((*ONCE, "srv data", "", "other")))
    entries = [draw(_entries(*entry)) for entry in zip(numbers, names, cuts[::2], cuts[1::2], strict=False)]
    return replace(empty, partitions=tuple(sorted(entries, key=lambda entry: entry.number)))


@st.composite
def _entries(draw: st.DrawFn, number: int, name: str, start: int, end: int) -> Partition:
    """One entry: mostly as its name says, and now and then something else under that name, or the name of another."""
    is_usual = draw(st.integers(0, 9)) > 0
    kind = ONCE[name] if name in ONCE and is_usual else draw(st.sampled_from(KINDS))
    return Partition(
        path=f"/dev/sda{number}",
        number=number,
        start_sector=start,
        sectors=end - start,
        type=guid_of(kind),
        type_name=kind,
        uuid=f"uuid-{number if is_usual else draw(st.integers(1, 9))}",
        label=name if is_usual else draw(st.sampled_from((*ONCE, ""))),
        attributes=draw(st.sampled_from(((), ("GUID:60", "RequiredPartition")))),
        content=draw(st.sampled_from((None, EXT4) if name in ONCE and draw(st.integers(0, 3)) else DATA)),
    )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A disk, perhaps with something in use, and a layout that may or may not suit it."""
    there = draw(disks())
    sizes = {entry.label: max(entry.sectors * there.sector_bytes // MIB, 1) for entry in there.partitions}

    def size(name: str) -> int:
        return sizes[name] if name in sizes and draw(st.integers(0, 3)) else draw(st.integers(1, 6))

    partitions = [os_partition("root", size("root"), "ext4", "/")]
    if draw(st.booleans()):
        partitions.append(os_partition("efi", size("efi"), "vfat", "/boot/efi", "esp"))
    if draw(st.booleans()):
        partitions.append(os_partition("var", size("var"), draw(st.sampled_from(("xfs", "")))))
    rules = [Preserve(partuuid=entry.uuid) for entry in there.partitions if entry.label not in ONCE or not draw(st.integers(0, 4))]
    rules += [Preserve(type=entry.type, type_name=entry.type_name) for entry in there.partitions if entry.type_name not in ONCE.values()]
    rules += [Preserve(label=entry.label) for entry in there.partitions if entry.label and entry.label not in ONCE]
    rules += [Preserve(label=entry.content.label) for entry in there.partitions if entry.content and entry.content.label]
    preserve = draw(st.lists(st.sampled_from(rules), max_size=3, unique=True)) if rules else []
    swaps = tuple(Swap(entry.path, 1) for entry in there.partitions if not draw(st.integers(0, 19)))
    wanted = layout(*draw(st.permutations(partitions)), preserve=preserve, create_table=there.table is None or draw(st.booleans()))
    return Case(replace(inventory(there), swaps=swaps), wanted)


def accepted(case: Case) -> PartitionPlan | None:
    plan = plan_partitions(case.layout, case.machine)
    return None if plan.refusals else plan


def run_sfdisk(plan: PartitionPlan) -> Disk:
    """What `sfdisk --append` makes of the script: it adds entries, and gives each a PARTUUID."""
    lines = re.findall(r'disk-(\d+) : start=(\d+), size=(\d+), type=(\S+), name="(.*)"\n', plan.script())
    made = [
        Partition(f"/dev/sda{number}", int(number), int(start), int(size), kind.lower(), name_of(kind.lower()), f"new-{number}", name)
        for number, start, size, kind, name in lines
    ]
    return replace(plan.after(), partitions=tuple(sorted((*plan.disk.partitions, *made), key=lambda entry: entry.number)))


def is_preserved(entry: Partition, wanted: Layout) -> bool:
    rules = wanted.preserve
    label = entry.content.label if entry.content else ""
    return (
        entry.type in CEPH_TYPES
        or entry.label not in {partition.name for partition in wanted.partitions}
        or any(rule.type == entry.type for rule in rules if rule.type)
        or any(rule.partuuid == entry.uuid for rule in rules if rule.partuuid)
        or any(rule.label in (entry.label, label) for rule in rules if rule.label)
        or (entry.content is not None and entry.content.usage != "filesystem")
    )


MANY = settings(max_examples=100)


@MANY
@given(cases())
def test_no_entry_changes_and_nothing_preserved_is_formatted(case: Case) -> None:
    plan = accepted(case)
    if plan is None:
        return
    before = case.machine.disks[0].partitions
    after = {entry.number: entry for entry in run_sfdisk(plan).partitions}
    assert [after[entry.number] for entry in before] == [*before]
    written = {number for _, number in plan.formatted()}
    assert not written & {entry.number for entry in before if is_preserved(entry, case.layout)}
    assert not written & {entry.number for entry in before if entry.path in {swap.path for swap in case.machine.swaps}}


@MANY
@given(cases())
def test_nothing_overlaps_or_leaves_the_usable_sectors(case: Case) -> None:
    plan = accepted(case)
    if plan is None:
        return
    found = run_sfdisk(plan)
    assert found.table and found.table.first_sector and found.table.last_sector
    areas = sorted(area_of(entry) for entry in found.partitions)
    assert all(one.last < other.first for one, other in pairwise(areas))
    assert all(found.table.first_sector <= area.first and area.last <= found.table.last_sector for area in areas)
    assert len({entry.number for entry in found.partitions}) == len(found.partitions)
    new = [planned.entry for planned in plan.partitions if planned.fate is Fate.CREATED]
    assert all(entry.start_sector * plan.disk.sector_bytes % MIB == 0 for entry in new)


@MANY
@given(cases())
def test_every_partition_of_the_layout_is_there_once_as_wanted(case: Case) -> None:
    plan = accepted(case)
    if plan is None:
        return
    for wanted in case.layout.partitions:
        (found,) = [planned for planned in plan.partitions if planned.entry.label == wanted.name]
        assert found.os is wanted
        assert found.entry.type == wanted.type
        assert found.entry.sectors * plan.disk.sector_bytes >= wanted.size_bytes


@MANY
@given(cases())
def test_a_second_run_adds_nothing(case: Case) -> None:
    plan = accepted(case)
    if plan is None:
        return
    found = run_sfdisk(plan)
    assert plan.differences(found) == ()
    again = plan_partitions(case.layout, replace(case.machine, disks=(found,)))
    assert (again.refusals, again.new_table, again.script()) == ((), None, "")
    assert again.after() == found
    assert [*again.formatted()] == [*plan.formatted()]


def is_restless(case: Case) -> bool:
    plan = accepted(case)
    return plan is not None and {planned.fate for planned in plan.partitions} >= {Fate.KEPT, Fate.FORMATTED, Fate.CREATED}


def test_the_generator_makes_plans_worth_looking_at() -> None:
    assert is_restless(find(cases(), is_restless, settings=settings(max_examples=5_000, database=None, phases=(Phase.generate,))))
