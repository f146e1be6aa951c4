"""The table of a run: ratios and limits first, then what each side took."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from statistics import median

from bench.limits import REFERENCE_PATHS, Verdict, judge
from bench.values import REPROV, RSYNC, Results

_MICROSECOND, _MILLISECOND = 1e-6, 1e-3


def render(results: Results) -> str:
    """The whole report as text."""
    return "\n".join((*_heading(results), "", *_limits(judge(results)), "", *_sides(results), "", *_others(results), ""))


def to_json(results: Results) -> str:
    """Everything that was measured, and the verdicts."""
    verdicts = [{**asdict(verdict), "is_kept": verdict.is_kept} for verdict in judge(results)]
    return json.dumps({"format": 1, "verdicts": verdicts, **asdict(results)}, indent=2) + "\n"


def columns(rows: Iterable[Sequence[str]]) -> list[str]:
    """Rows as lines, the first column to the left and the others to the right."""
    table = [tuple(row) for row in rows]
    widths = [max(len(row[index]) for row in table) for index in range(len(table[0]))]
    return [
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width) for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]


def amount(value: float, unit: str) -> str:
    """A figure for people: three digits and the unit that suits it."""
    if unit == "x":
        return (
            f"{value:,.0f} x"
            if value >= 100
            else f"{value:.1f} x"
            if value >= 10
            else f"{value:.2f} x"
            if value >= 0.01
            else f"{value:.1g} x"
        )
    if unit == "s":
        if value >= 100 * _MILLISECOND:
            return f"{value:.1f} s" if value >= 10 else f"{value:.2f} s"
        return f"{value / _MILLISECOND:.1f} ms" if value >= _MILLISECOND else f"{value / _MICROSECOND:.0f} us"
    if unit == "B":
        return f"{value / 1e9:.2f} GB" if value >= 1e9 else f"{value / 1e6:.1f} MB" if value >= 1e6 else f"{value / 1e3:.1f} kB"
    raise ValueError(f"no such unit: {unit}")


def spread(values: Sequence[float], unit: str) -> str:
    """Median and range of repeated measurements."""
    found = extent((min(values), max(values)), unit)
    return amount(median(values), unit) + (f" ({found})" if found else "")


def extent(bounds: tuple[float, float], unit: str) -> str:
    """The smallest and the largest of some measurements; nothing when they read the same."""
    least, most = (amount(bound, unit) for bound in bounds)
    return "" if least == most else f"{least} - {most}"


def _heading(results: Results) -> list[str]:
    change, machine = results.change, results.machine
    return [
        f"compute, {change.paths:,} paths, {amount(change.size_bytes, 'B')}; the update changes {change.changed_paths:,} paths, "
        f"{amount(change.missing_bytes, 'B')} of its content are new",
        f"{machine.date}, {machine.processors} processors, Linux {machine.kernel}, rsync {machine.rsync}, Python {machine.python}; "
        f"caches: server warm, node {machine.caches}; upgrades of each side, in turn: {len(results.of(REPROV))}",
    ]


def _limits(verdicts: Sequence[Verdict]) -> list[str]:
    rows = [("LIMIT", "FOUND", "RANGE", "WANTED", "")]
    for verdict in verdicts:
        found = extent(verdict.spread, verdict.unit) if verdict.spread else ""
        wanted = f"{'>=' if verdict.at_least else '<='} {amount(verdict.limit, verdict.unit)}"
        rows.append((verdict.name, amount(verdict.value, verdict.unit), found, wanted, "pass" if verdict.is_kept else "MISS"))
    missed = [verdict.name for verdict in verdicts if not verdict.is_kept]
    summary = f"{len(missed)} of {len(verdicts)} limits missed: {', '.join(missed)}" if missed else f"all {len(verdicts)} limits kept"
    return [*columns(rows), summary]


def _sides(results: Results) -> list[str]:
    rsync, reprov = results.of(RSYNC), results.of(REPROV)
    rows: list[tuple[str, ...]] = [("UPGRADE, median (range)", "RSYNC", "REPROV", "RATIO")]
    for name, unit, figures in (
        ("wall, to the last fsync", "s", [[upgrade.client.wall_s for upgrade in side] for side in (rsync, reprov)]),
        ("client CPU", "s", [[upgrade.client.cpu_s for upgrade in side] for side in (rsync, reprov)]),
        ("server CPU", "s", [[upgrade.server_cpu_s for upgrade in side] for side in (rsync, reprov)]),
        ("bytes on the wire", "B", [[float(upgrade.wire_bytes) for upgrade in side] for side in (rsync, reprov)]),
        ("client memory, largest process", "B", [[float(upgrade.client.largest_bytes) for upgrade in side] for side in (rsync, reprov)]),
        ("client memory, together", "B", [[float(upgrade.together_bytes) for upgrade in side] for side in (rsync, reprov)]),
        ("mixed window, observed", "s", [[upgrade.mixed_s for upgrade in side] for side in (rsync, reprov)]),
    ):
        theirs, ours = figures
        rows.append((name, spread(theirs, unit), spread(ours, unit), amount(median(ours) / median(theirs), "x")))
    told = [upgrade.told_mixed_s for upgrade in reprov if upgrade.told_mixed_s is not None]
    rows.append(("mixed window, as reprov tells", "", spread(told, "s"), ""))
    rows.append(
        ("observer's longest gap in it", *(amount(max(upgrade.resolution_s for upgrade in side), "s") for side in (rsync, reprov)), "")
    )
    for phase in reprov[0].phases_s or {}:
        rows.append((f"  phase {phase}", "", spread([(upgrade.phases_s or {})[phase] for upgrade in reprov], "s"), ""))
    return columns(rows)


def _others(results: Results) -> list[str]:
    change, growth = results.change, results.growth
    rows = [("REPROV ALONE", "FOUND", "CPU", "MEMORY")]
    for name, costs in (
        (f"no-op upgrade, {len(results.no_op)} times", results.no_op),
        (f"verify, {len(results.verify)} times", results.verify),
        (f"recovery of {results.recovery.ops} ops, undone", results.recovery.undone),
        (f"recovery of {results.recovery.ops} ops, finished", results.recovery.finished),
        ("publish of the old version", results.publish[:1]),
        ("publish of the new version", results.publish[1:]),
    ):
        wall, cpu, memory = [cost.wall_s for cost in costs], [cost.cpu_s for cost in costs], max(cost.largest_bytes for cost in costs)
        rows.append((name, spread(wall, "s"), amount(median(cpu), "s"), amount(memory, "B")))
    scale = f"limits for {REFERENCE_PATHS:,} paths are held to times scaled by {max(1.0, REFERENCE_PATHS / change.paths):.2f}"
    return [
        *columns(rows),
        scale,
        "",
        f"second version in the store: {amount(change.changed_bytes, 'B')} of files changed in content or metadata "
        f"({amount(change.changed_disk_bytes, 'B')} in blocks);",
        f"it added {amount(growth.content_bytes, 'B')} of files ({amount(growth.disk_bytes, 'B')} on disk), "
        f"{growth.directories:,} directories ({amount(growth.directory_bytes, 'B')}), "
        f"{amount(growth.other_bytes, 'B')} of manifest and other data; du: {amount(growth.du_bytes, 'B')}",
        f"wire: the release's own files are {amount(change.release_bytes, 'B')} of it",
        f"scripts: {results.scripts.packages} packages, {results.scripts.steps} steps in {amount(results.scripts.reprov_s, 's')}; "
        f"apt {amount(results.scripts.apt_s, 's')}",
        *(
            f"rollout: {run.hosts} hosts, Ansible run {run.steps} times: {amount(run.reprov_s, 's')}; by hand {amount(run.ansible_s, 's')}"
            for run in results.fleet.rollouts
        ),
    ]
