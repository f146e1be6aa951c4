"""The plan of a reinstall in words and in JSON."""

import textwrap
from collections.abc import Iterator

from reprov.cli.tables import Table, human_count, human_size
from reprov.domain.entry import show
from reprov.domain.install_plan import InstallPlan
from reprov.domain.partition_plan import Fate, PartitionPlan

_WIDTH = 79
_LEAST_REASON_WIDTH = 20
_GAPS = 8


def install_lines(plan: InstallPlan, image: str) -> Iterator[str]:
    """The plan for people, in 80 columns unless names are long; `image` is the disk image that the disk shows, "" for hardware."""
    disk = plan.partitions.disk
    names = ", ".join(f"{key} {value}" for key, value in (("wwn", disk.wwn), ("serial", disk.serial)) if value)
    yield from _folded(
        "Disk ", f"{image or disk.path}{f' as {disk.path}' if image else ''}, {human_size(disk.size_bytes)}{names and ', '}{names}"
    )
    yield f"  table     {_table(plan.partitions)}"
    if not plan.partitions.refusals:
        yield from _folded("  identity  ", _identity(plan))
    yield from _partition_table(plan.partitions).lines()
    for refusal in plan.partitions.refusals:
        yield from _folded("refused: ", refusal.message)
        if refusal.hint:
            yield from _folded("hint: ", refusal.hint)


def install_question(plan: InstallPlan) -> str:
    """What the operator agrees to."""
    formatted, created = (_counted(plan.partitions, fate) for fate in (Fate.FORMATTED, Fate.CREATED))
    done = [f"format {formatted} with all that is on them"] * bool(formatted) + [f"make {created}"] * bool(created)
    return f"{plan.partitions.disk.path}: {' and '.join(done)}?"


def install_fields(plan: InstallPlan, image: str) -> dict[str, object]:
    """The plan as JSON has it."""
    disk = plan.partitions.disk
    return {
        "disk": {"path": disk.path, "image": image, "wwn": disk.wwn, "serial": disk.serial, "size_bytes": disk.size_bytes},
        "makes_table": plan.partitions.new_table is not None,
        "partitions": [
            {
                "number": planned.entry.number,
                "name": planned.entry.label,
                "fate": planned.fate,
                "reason": planned.reason,
                "start_sector": planned.entry.start_sector,
                "sectors": planned.entry.sectors,
                "type": planned.entry.type,
                "partuuid": planned.entry.uuid,
                "filesystem": planned.os.filesystem if planned.os else "",
                "mount": planned.os.mount if planned.os else "",
            }
            for planned in plan.partitions.partitions
        ],
        "volumes": [
            {
                "group": planned.os.group,
                "name": planned.os.volume,
                "fate": planned.fate,
                "reason": planned.reason,
                "size_bytes": planned.os.size_bytes,
                "uuid": planned.uuid,
                "filesystem": planned.os.filesystem,
                "mount": planned.os.mount,
            }
            for planned in plan.partitions.volumes
        ],
        "identity": {
            "from": plan.old_root.path if plan.old_root else "",
            "kept_in": plan.archive or (plan.keeper.entry.label if plan.keeper and plan.old_root else ""),
        },
        "refusals": [{"message": refusal.message, "hint": refusal.hint} for refusal in plan.partitions.refusals],
    }


def _table(plan: PartitionPlan) -> str:
    created = sum(planned.fate is Fate.CREATED for planned in plan.partitions)
    if plan.refusals:
        return "stays as it is: the plan is refused"
    if plan.new_table:
        return f"a new GPT with {_partitions(created)}"
    return (
        f"{human_count(created)} {'entry' if created == 1 else 'entries'} added, the others stay as they are"
        if created
        else "stays as it is"
    )


def _identity(plan: InstallPlan) -> str:
    if plan.old_root is None:
        return f"from {plan.archive}" if plan.archive else "none: a new node"
    where = plan.archive or (f"on {plan.keeper.entry.label}" if plan.keeper else "")
    return f"from {plan.old_root.path}; it lies {'in ' if plan.archive else ''}{where} while / is formatted"


def _partition_table(plan: PartitionPlan) -> Table:
    cells = [
        (str(item.entry.number), _printable(item.entry.label), human_size(item.entry.sectors * plan.disk.sector_bytes), item.fate.value)
        for item in plan.partitions
    ]
    cells += [(str(item.number), _printable(item.os.name), human_size(item.os.size_bytes), item.fate.value) for item in plan.volumes]
    used = sum(max((len(cell[column]) for cell in cells), default=0) for column in range(4)) + _GAPS
    width = max(_WIDTH - used, _LEAST_REASON_WIDTH)
    rows: list[tuple[str, ...]] = []
    reasons = [*(item.reason for item in plan.partitions), *(item.reason for item in plan.volumes)]
    for cell, reason in zip(cells, reasons, strict=True):
        first, *others = textwrap.wrap(_printable(reason), width, break_long_words=False, break_on_hyphens=False) or [""]
        rows += [(*cell, first), *(("", "", "", "", other) for other in others)]
    return Table.of("> NR", "NAME", "> SIZE", "FATE", "WHY", rows=rows)


def _folded(label: str, text: str) -> Iterator[str]:
    indent = " " * (len(label) if label.startswith(" ") else 2)
    words = _printable(text)
    yield from textwrap.wrap(words, _WIDTH, initial_indent=label, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _counted(plan: PartitionPlan, fate: Fate) -> str:
    """How many partitions and volumes have a fate; "" for none."""
    partitions, volumes = (sum(item.fate is fate for item in items) for items in (plan.partitions, plan.volumes))
    words = [_partitions(partitions)] * bool(partitions)
    words += [f"{human_count(volumes)} volume{'' if volumes == 1 else 's'}"] * bool(volumes)
    return " and ".join(words)


def _partitions(count: int) -> str:
    return f"{human_count(count)} partition{'' if count == 1 else 's'}"


def _printable(text: str) -> str:
    return show(text)[1:]
