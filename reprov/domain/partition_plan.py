"""What a reinstall does to the partitions of a disk. The plan is a contract: what it does not say does not happen.

Entries are only ever added. sfdisk loads the table, appends entries whose number, start and size are all given, and writes it
back: entries that are there already pass through as they are, none of their fields is ever spelt out and read again. A plan that
adds nothing does not run sfdisk at all.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from reprov.domain.free_space import Area
from reprov.domain.inventory import Disk, Partition, Table, TableKind
from reprov.domain.layout import OsDevice, OsPartition, OsVolume
from reprov.errors import Refused


class Fate(StrEnum):
    """What becomes of a partition."""

    KEPT = "kept"
    FORMATTED = "formatted"
    """Its entry stays as it is; its filesystem is made anew."""
    CREATED = "created"
    """Entry and filesystem are new."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the plan is not carried out, and the way out."""

    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class PlannedPartition:
    """A partition as it will be; what happens to it, and why."""

    fate: Fate
    entry: Partition
    """Of one that is created `uuid` is empty: sfdisk makes it up. `path` is empty, too: the kernel names it."""
    reason: str
    os: OsPartition | None = None
    """What the layout says of it; None for what is not the operating system's."""

    @property
    def path(self) -> str:
        """Of the device; "" for one that is created."""
        return self.entry.path


@dataclass(frozen=True, slots=True)
class PlannedVolume:
    """A logical volume of the layout as it will be; what happens to it, and why."""

    fate: Fate
    """That of the physical volume is its partition's: where that is created or formatted, the group is new."""
    os: OsVolume
    number: int
    """Of the partition that it lies on."""
    reason: str
    uuid: str = ""
    """Of a volume that is there; "" for one that is created."""

    @property
    def path(self) -> str:
        """Of the device, while it is active."""
        return self.os.device


@dataclass(frozen=True, slots=True)
class PartitionPlan:
    """The whole plan for one disk."""

    disk: Disk
    """As it was found."""
    partitions: tuple[PlannedPartition, ...]
    """By number."""
    new_table: Area | None = None
    """The usable sectors of the table that is made; None when there is one."""
    refusals: tuple[Refusal, ...] = ()
    volumes: tuple[PlannedVolume, ...] = ()
    """In the layout's order."""

    def require_accepted(self) -> None:
        """Raise `Refused` with the first refusal when there is one."""
        if self.refusals:
            first, others = self.refusals[0], len(self.refusals) - 1
            more = f" (and {others} more {'reason' if others == 1 else 'reasons'})" if others else ""
            raise Refused(first.message + more, hint=first.hint or None)

    def formatted(self) -> Iterator[tuple[OsDevice, int]]:
        """What gets a filesystem (its `format_commands`), and the number of its partition. Raises `Refused`."""
        self.require_accepted()
        for planned in self.partitions:
            if planned.os and planned.os.filesystem and planned.fate in (Fate.FORMATTED, Fate.CREATED):
                yield planned.os, planned.entry.number
        for volume in self.volumes:
            yield volume.os, volume.number

    def groups(self) -> Iterator[tuple[str, PlannedPartition]]:
        """The layout's volume groups, each with the partition that it lies on. Raises `Refused`."""
        self.require_accepted()
        for planned in self.partitions:
            if planned.os and planned.os.group:
                yield planned.os.group, planned

    def sfdisk_command(self, device: str) -> tuple[str, ...]:
        """The program that reads `script`; empty when the table stays as it is. Raises `Refused`.

        Wiping is off: sfdisk would look for signatures in sectors that are not its business. The kernel is told by `partx_commands`:
        sfdisk would make it forget all partitions and read them again, which it refuses while one is in use, as when the volume group
        on a preserved partition has activated itself. For the same reason --no-reread.
        """
        if not self.script():
            return ()
        append = () if self.new_table else ("--append",)
        quiet = ("--no-reread", "--no-tell-kernel", "--wipe", "never", "--wipe-partitions", "never")
        return "sfdisk", "--quiet", *append, *quiet, device

    def partx_commands(self, device: str) -> Iterator[tuple[str, ...]]:
        """The programs that tell the kernel of each new partition, and of no other. Raises `Refused`.

        One fails where the kernel knows already: udev may have been faster.
        """
        self.require_accepted()
        for planned in self.partitions:
            if planned.fate is Fate.CREATED:
                yield "partx", "--add", "--nr", f"{planned.entry.number}:{planned.entry.number}", device

    def script(self) -> str:
        """What sfdisk reads: the new entries and nothing else; "" when there are none. Raises `Refused`."""
        self.require_accepted()
        heading = ""
        if self.new_table:
            heading = f"label: gpt\nfirst-lba: {self.new_table.first}\nlast-lba: {self.new_table.last}\n\n"
        entries = [planned.entry for planned in self.partitions if planned.fate is Fate.CREATED]
        return heading + "".join(map(_script_line, entries))

    def after(self) -> Disk:
        """The disk as it will be: its table and entries, not what they hold. Raises `Refused`."""
        self.require_accepted()
        table = self.disk.table
        if self.new_table:
            table = Table(kind=TableKind.GPT, first_sector=self.new_table.first, last_sector=self.new_table.last)
        return replace(self.disk, table=table, partitions=tuple(planned.entry for planned in self.partitions))

    def differences(self, found: Disk) -> tuple[str, ...]:
        """What of the table that was found after writing is not as planned; none is the only good answer. Raises `Refused`."""
        wanted, there = self.after(), {partition.number: partition for partition in found.partitions}
        unplanned = sorted(there.keys() - {partition.number for partition in wanted.partitions})
        said = [f"there is a partition {number} that nobody planned" for number in unplanned]
        before, now = self.disk.table, found.table
        if now is None or now.kind is not TableKind.GPT or now.problems:
            said.append("the partition table is damaged")
        elif before is not None and replace(before, problems=()) != now:
            said.append("the header of the partition table has changed")
        for entry in wanted.partitions:
            if entry.number not in there:
                said.append(f"partition {entry.number} ({entry.label}) is missing")
            elif changed := _changed_fields(entry, there[entry.number]):
                said.append(f"partition {entry.number} ({entry.label}) has another {' and '.join(changed)}")
        return tuple(said)


_ENTRY_FIELDS = ("start_sector", "sectors", "type", "uuid", "label", "attributes")


def _changed_fields(wanted: Partition, found: Partition) -> list[str]:
    return [name for name in _ENTRY_FIELDS if getattr(wanted, name) != getattr(found, name) and (name != "uuid" or wanted.uuid)]


def _script_line(entry: Partition) -> str:
    """sfdisk takes the number from the end of the device's name, and does not look at the rest of it."""
    return f'disk-{entry.number} : start={entry.start_sector}, size={entry.sectors}, type={entry.type.upper()}, name="{entry.label}"\n'
