"""Plans carried out by the real sfdisk and mkfs, on disks with sectors of 512 and of 4096 bytes: what changes, byte by byte."""

import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from reprov.adapters.partition_table import read_table
from reprov.adapters.run import CommandFailed, run
from reprov.domain.free_space import Area, area_of
from reprov.domain.inventory import Disk, DiskKind, Inventory, Partition
from reprov.domain.layout import MIB, DiskChoice, Layout, OsPartition, Preserve
from reprov.domain.partition_plan import PartitionPlan
from reprov.domain.partition_planner import plan_partitions
from reprov.domain.partition_types import CEPH_TYPES, guid_of
from tests.disk_builders import os_partition

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs("sfdisk", "sgdisk", "losetup", "partx")]

SIZE_BYTES = 384 * MIB
ENTRY_BYTES = 128

OS = (os_partition("efi", 64, "vfat", "/boot/efi", "esp"), os_partition("root", 64, "ext4", "/"), os_partition("var", 32, "", "", "linux"))


class Lab:
    """A disk image with a certain size of sectors."""

    def __init__(self, image: Path, sector_bytes: int) -> None:
        self.image, self.sector_bytes = image, sector_bytes
        with image.open("wb") as file:
            file.truncate(SIZE_BYTES)

    def sfdisk(self, *options: str, script: str) -> None:
        """Change the table as a person would."""
        with self.device() as device:
            run(("sfdisk", "--quiet", *options, device), stdin=script.encode())

    @contextmanager
    def device(self) -> Iterator[str]:
        """What sfdisk takes: the image, or a loop device where the sectors are larger than a file's."""
        if self.sector_bytes == 512:
            yield os.fspath(self.image)
            return
        device = (
            run(("losetup", "--find", "--show", "--sector-size", str(self.sector_bytes), os.fspath(self.image))).stdout.decode().strip()
        )
        try:
            yield device
        finally:
            run(("partx", "--delete", device), fine=(0, 1))  # 1: it has none
            run(("losetup", "--detach", device))

    @contextmanager
    def part(self, entry: Partition) -> Iterator[str]:
        """A loop device for one partition."""
        offset, size = entry.start_sector * self.sector_bytes, entry.sectors * self.sector_bytes
        where = ("--offset", str(offset), "--sizelimit", str(size), "--sector-size", str(self.sector_bytes))
        device = run(("losetup", "--find", "--show", *where, os.fspath(self.image))).stdout.decode().strip()
        try:
            yield device
        finally:
            run(("losetup", "--detach", device))

    def disk(self) -> Disk:
        """As an inventory has it, by the name of the image."""
        with self.device() as device:
            found = read_table(Path(device), sector_bytes=self.sector_bytes)
        image = Disk(os.fspath(self.image), SIZE_BYTES, self.sector_bytes, DiskKind.IMAGE)
        return replace(image, table=found.table, partitions=found.partitions) if found else image

    def dump(self) -> str:
        """`sfdisk --dump`, without the name of the device."""
        with self.device() as device:
            return run(("sfdisk", "--dump", device)).stdout.decode().replace(device, "disk")

    def plan(self, *partitions: OsPartition, preserve: Sequence[Preserve] = (), create_table: bool = False) -> PartitionPlan:
        """The plan for what is there now."""
        choice = DiskChoice(image=os.fspath(self.image), create_table=create_table)
        return plan_partitions(Layout(choice, partitions or OS, tuple(preserve)), Inventory(disks=(self.disk(),)))

    def carry_out(self, plan: PartitionPlan) -> None:
        """The table, and then the filesystems."""
        with self.device() as device:
            if command := plan.sfdisk_command(device):
                run(command, stdin=plan.script().encode())
        after = {entry.number: entry for entry in self.disk().partitions}
        for partition, number in plan.formatted():
            with self.part(after[number]) as device:
                for command in partition.format_commands(device):
                    run(command)

    def fill(self, entry: Partition) -> None:
        """Give every sector of a partition a content of its own."""
        with self.image.open("r+b") as file:
            file.seek(entry.start_sector * self.sector_bytes)
            file.write(
                b"".join(f"{entry.number}:{sector:<500}\n".encode()[:512] for sector in range(entry.sectors * self.sector_bytes // 512))
            )

    def sum_of(self, entry: Partition) -> int:
        """A checksum of all that a partition holds."""
        return zlib.crc32(self.read(entry.start_sector * self.sector_bytes, entry.sectors * self.sector_bytes))

    def read(self, offset: int, size: int) -> bytes:
        """Bytes of the image."""
        with self.image.open("rb") as file:
            file.seek(offset)
            return file.read(size)


@pytest.fixture(params=[pytest.param(512, id="sectors of 512 bytes"), pytest.param(4096, id="sectors of 4096 bytes")])
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Lab:
    return Lab(tmp_path / "disk.img", request.param)


def furnish(lab: Lab) -> None:
    """A GPT with a partition of every type of Ceph's, in odd places, under odd numbers, with odd names and attributes."""
    step = MIB // lab.sector_bytes
    lines = [f'disk-2 : start={step}, size={64 * step}, type={guid_of("esp")}, name="efi"']
    for index, (guid, name) in enumerate(sorted(CEPH_TYPES.items())):
        attributes = ', attrs="RequiredPartition GUID:48,63"' if index % 2 else ""
        start = 70 * step + index * (step + 7)  # not aligned
        lines.append(f'disk-{128 - 3 * index} : start={start}, size={step}, type={guid}, name="{name} \u00fc"{attributes}')
    lines.append(f'disk-7 : start={380 * step}, size={step}, type=024DEE41-33E7-11D3-9D69-0008C781F39F, name="last"')
    lab.sfdisk("--wipe", "never", script="label: gpt\n\n" + "\n".join(lines) + "\n")
    for entry in lab.disk().partitions:
        if entry.label != "efi":
            lab.fill(entry)


def changed_sectors(before: bytes, after: bytes, sector_bytes: int, *, but_for: Sequence[Area]) -> set[int]:
    """Numbers of the sectors that differ, but for those of some areas."""
    assert len(before) == len(after)
    changed = set()
    edges = sorted({0, len(before), *(edge for area in but_for for edge in (area.first * sector_bytes, (area.last + 1) * sector_bytes))})
    for start, end in pairwise(edges):
        is_left_out = any(area.first * sector_bytes <= start <= area.last * sector_bytes for area in but_for)
        for chunk in range(start, end, MIB) if not is_left_out else ():
            until = min(chunk + MIB, end)
            if before[chunk:until] != after[chunk:until]:
                sectors = range(chunk, until, sector_bytes)
                changed |= {at // sector_bytes for at in sectors if before[at : at + sector_bytes] != after[at : at + sector_bytes]}
    return changed


def entries_of(image: bytes, sector_bytes: int, header_sector: int) -> list[bytes]:
    """The raw entries of a copy of the table (UEFI specification, 5.3.2: entries at 72, their count at 80)."""
    at = header_sector * sector_bytes
    header = image[at : at + 92]
    assert header.startswith(b"EFI PART")
    start = int.from_bytes(header[72:80], "little") * sector_bytes
    count = int.from_bytes(header[80:84], "little")
    return [image[place : place + ENTRY_BYTES] for place in range(start, start + count * ENTRY_BYTES, ENTRY_BYTES)]


def test_the_rest_of_the_disk_is_bit_identical(lab: Lab) -> None:
    furnish(lab)
    before, bytes_before = lab.disk(), lab.image.read_bytes()
    dump_before = lab.dump().splitlines()
    plan = lab.plan(preserve=[Preserve(type=guid, type_name=name) for guid, name in CEPH_TYPES.items()])
    assert {planned.entry.number: planned.fate.value for planned in plan.partitions if planned.os} == {
        1: "created",
        2: "formatted",
        3: "created",
    }

    lab.carry_out(plan)

    found, bytes_after = lab.disk(), lab.image.read_bytes()
    assert plan.differences(found) == ()
    assert [entry for entry in found.partitions if entry.number not in (1, 3)] == [*before.partitions]
    assert set(dump_before) <= set(lab.dump().splitlines())
    last = SIZE_BYTES // lab.sector_bytes - 1
    for header_sector in (1, last):
        old, new = (entries_of(image, lab.sector_bytes, header_sector) for image in (bytes_before, bytes_after))
        assert {number for number in range(1, 129) if old[number - 1] != new[number - 1]} == {1, 3}
    # Outside of the partitions that are the system's only the two copies of the table differ: not the MBR, not the gaps.
    ours = [area_of(entry) for entry in found.partitions if entry.number in (1, 2)]
    changed = changed_sectors(bytes_before, bytes_after, lab.sector_bytes, but_for=ours)
    table = range(1, 2 + 128 * ENTRY_BYTES // lab.sector_bytes)
    assert changed <= {*table, *(last + 1 - sector for sector in table)}
    assert {1, last} <= changed


def test_a_second_run_does_not_touch_the_table(lab: Lab) -> None:
    furnish(lab)
    lab.carry_out(lab.plan())
    kept = [entry for entry in lab.disk().partitions if entry.number not in (1, 2)]
    before, dump = [lab.sum_of(entry) for entry in kept], lab.dump()
    ends = lab.read(0, MIB), lab.read(SIZE_BYTES - 64 * 1024, 64 * 1024)
    again = lab.plan()
    assert again.script() == ""
    lab.carry_out(again)
    assert lab.dump() == dump
    assert (lab.read(0, MIB), lab.read(SIZE_BYTES - 64 * 1024, 64 * 1024)) == ends
    assert [lab.sum_of(entry) for entry in kept] == before


@pytest.mark.needs("mkfs.ext4", "mkfs.vfat", "mkfs.xfs", "mkfs.btrfs", "mkswap", "blkid")
def test_an_empty_disk(lab: Lab) -> None:
    wanted = (
        replace(os_partition("efi", 64, "vfat", "/boot/efi", "esp"), label="EFI"),
        replace(os_partition("root", 64, "ext4", "/"), label="root"),
        replace(os_partition("swap", 8, "swap", "", "swap"), label="swap"),
        replace(os_partition("data", 120, "btrfs", "/data"), label="data"),
    )
    plan = lab.plan(*wanted, create_table=True)
    lab.carry_out(plan)
    found = lab.disk()
    assert plan.differences(found) == ()
    assert found.table and (found.table.first_sector, found.table.last_sector) == plan.new_table
    assert found.table.problems == ()
    told = []
    for entry in found.partitions:
        with lab.part(entry) as device:
            said = run(("blkid", "--probe", "--output", "export", device)).stdout.decode()
            told.append([line.partition("=")[2] for line in sorted(said.splitlines()) if line.startswith(("LABEL=", "TYPE="))])
    assert told == [["EFI", "vfat"], ["root", "ext4"], ["swap", "swap"], ["data", "btrfs"]]
    assert lab.plan(*wanted).script() == ""


def test_no_old_signature_shines_through(lab: Lab) -> None:
    was = os_partition("root", 120, "btrfs", "/")
    lab.carry_out(lab.plan(was, create_table=True))
    plan = lab.plan(replace(was, filesystem="ext4"))
    lab.carry_out(plan)
    with lab.part(lab.disk().partitions[0]) as device:
        assert run(("wipefs", "--noheadings", "--output", "TYPE", device)).stdout.split() == [b"ext4"]


def damage(offset: int, content: bytes) -> Callable[[Lab], None]:
    """Overwrites a part of the image; from its end when the offset is negative."""

    def overwrite(lab: Lab) -> None:
        with lab.image.open("r+b") as file:
            file.seek(offset * lab.sector_bytes, os.SEEK_SET if offset >= 0 else os.SEEK_END)
            file.write(content)

    return overwrite


def grow(lab: Lab) -> None:
    with lab.image.open("r+b") as file:
        file.truncate(SIZE_BYTES + MIB)


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        pytest.param(damage(-1, b"x"), "is damaged: The backup GPT table is corrupt", id="the copy at the end"),
        pytest.param(damage(1, b"x"), "is damaged: The primary GPT table is corrupt", id="the table itself"),
        pytest.param(damage(2, b"x"), "is damaged: The primary GPT table is corrupt", id="an entry"),
        pytest.param(grow, "is damaged: GPT PMBR size mismatch", id="a disk that has grown"),
        pytest.param(damage(0, bytes(512)), "has no partition table", id="no protective MBR"),
    ],
)
def test_a_damaged_table_is_refused(lab: Lab, break_it: Callable[[Lab], None], message: str) -> None:
    furnish(lab)
    break_it(lab)
    assert any(message in refusal.message for refusal in lab.plan().refusals)


def test_an_mbr_is_refused(lab: Lab) -> None:
    lab.sfdisk(script="label: dos\n\nsize=10M\n")
    assert [refusal.message for refusal in lab.plan().refusals] == [f"{lab.image} has an MBR, and only GPT is supported"]


def test_a_copied_partuuid_is_refused(lab: Lab) -> None:
    furnish(lab)
    one, other = lab.disk().partitions[5:7]
    with lab.device() as device:
        run(("sgdisk", f"--partition-guid={one.number}:{other.uuid}", device))
    plan = lab.plan()
    names = {entry.number: entry.path for entry in plan.disk.partitions}
    assert [refusal.message for refusal in plan.refusals] == [
        f"2 partitions have the PARTUUID {other.uuid}: {names[one.number]}, {names[other.number]}"
    ]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("disk-4 : start={free}, size={step}\ndisk-128 : start={more}, size={step}\n", id="a number that is taken"),
        pytest.param("disk-4 : start={free}, size={step}\ndisk-6 : start={taken}, size={step}\n", id="sectors that are taken"),
        pytest.param("disk-4 : start={free}, size={step}\ndisk-129 : start={more}, size={step}\n", id="a number beyond the table"),
    ],
)
def test_sfdisk_itself_writes_all_or_nothing(lab: Lab, line: str) -> None:
    """The last net: a script that a plan would never give changes nothing."""
    furnish(lab)
    before = lab.image.read_bytes()
    step = MIB // lab.sector_bytes
    script = line.format(step=step, free=200 * step, more=210 * step, taken=70 * step)
    command = lab.plan().sfdisk_command("")[:-1]
    with pytest.raises(CommandFailed), lab.device() as device:
        run((*command, device), stdin=script.encode())
    assert lab.image.read_bytes() == before


def partitions_of(device: str) -> set[str]:
    """What the kernel has made of a disk."""
    return {place.parent.name for place in Path("/sys/block", Path(device).name).glob("*/partition")}


def test_beside_a_partition_in_use(tmp_path: Path) -> None:
    """A preserved partition may be in use: sfdisk adds entries beside it, and the kernel learns of the new ones alone."""
    lab = Lab(tmp_path / "disk.img", 4096)
    furnish(lab)
    kept = next(entry for entry in lab.disk().partitions if entry.number == 128)
    with lab.device() as device:
        run(("partx", "--add", device))
        held = os.open(f"{device}p{kept.number}", os.O_RDONLY | os.O_EXCL)
        try:
            plan = lab.plan()
            run(plan.sfdisk_command(device), stdin=plan.script().encode())
            before = partitions_of(device)
            for command in plan.partx_commands(device):
                run(command)
        finally:
            os.close(held)
        assert partitions_of(device) - before == {f"{Path(device).name}p{number}" for number in (1, 3)}
        assert before == {f"{Path(device).name}p{entry.number}" for entry in plan.disk.partitions}
    assert plan.differences(lab.disk()) == ()
