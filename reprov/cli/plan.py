"""reprov plan: what an upgrade would do, and why."""

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reprov.cli import options
from reprov.cli.owner_text import owner_lines
from reprov.cli.tables import Table, human_count, human_paths, human_size, print_json, print_table, print_text
from reprov.domain.commit_time import CommitTime
from reprov.domain.data_devices import Proving
from reprov.domain.entry import is_below, show
from reprov.domain.labels import Labelling
from reprov.errors import ExitCode
from reprov.events import Monitor

if TYPE_CHECKING:
    from reprov.domain.plan import Plan

_LISTED = 12


@click.command()
@options.release
@options.source
@options.root
@click.option("--all", "everything", is_flag=True, help="List every path, not only a summary.")
@click.option("--explain", "explained", metavar="PATH", help="Show only what would happen to PATH and below.")
@options.apply_chown
@options.prove
@options.labels
@options.commit
@click.option(
    "--show-rules",
    is_flag=True,
    help="Show every rule of the release's lists, in the order in which they are tried, and how many paths it matches.",
)
@options.as_json
@options.monitored
def plan(
    role: str | None,
    version: str,
    source: str,
    root: Path,
    everything: bool,
    explained: str | None,
    show_rules: bool,
    apply_chown: bool,
    proving: Proving,
    labelling: Labelling,
    commit: CommitTime,
    as_json: bool,
    monitor: Monitor,
) -> ExitCode:
    """Show what an upgrade to VERSION would do: paths, exchanges, space, what is kept and why.

    Nothing of the node is changed. Exit status 0: nothing to do; 3: there is; 4: it would be refused.
    """
    from reprov.domain.source import Source
    from reprov.workflows.plan import plan_upgrade

    found = plan_upgrade(
        root,
        Source.parse(source),
        role,
        version,
        monitor,
        apply_chown=apply_chown,
        proving=proving,
        labelling=labelling,
        commit=commit,
        count_rules=show_rules,
    )
    if as_json:
        print_json(found.to_fields())
    elif explained is not None:
        _print_explained(found, os.path.normpath("/" + explained).strip("/"))
    else:
        print_plan(found, everything=everything)
        if show_rules:
            _print_rules(found)
    if found.blockers:
        return ExitCode.REFUSED
    return ExitCode.DONE if found.is_empty else ExitCode.PENDING


def print_plan(found: "Plan", *, everything: bool) -> None:
    """Print a plan for people."""
    before = f"from {found.installed}" if found.installed else "from a node without a release"
    click.echo(f"Upgrade to {found.release} {before}")
    if found.is_empty:
        click.echo("Nothing to do: the node's content is the release's.")
    else:
        counts = ", ".join(f"{human_count(count)} {action.value}" for action, count in found.counts.items() if count)
        click.echo(f"  paths      {counts}")
        click.echo(f"  fetch      {human_size(found.fetch_bytes)}")
        for volume, cost in found.costs.items():
            click.echo(f"  needs      {human_size(cost.size_bytes)} and {human_count(cost.inodes)} inodes on {show(volume)}")
        when = "at the next boot, before anything runs" if found.commit.time is CommitTime.BOOT else "now"
        click.echo(f"  commit     {when}")
        for reason in found.commit.reasons:
            print_text(f"             {reason}")
        _print_ops(found, everything=everything)
        _print_changes(found, everything=everything)
    _print_kept(found, everything=everything)
    _print_conflicts(found)
    for note in (*found.notes, *found.alternatives):
        click.echo(f"{show(note.path)}: {note.text}")
    for fix in found.hot_fixes:
        click.echo(f"{fix.change.name}: {fix.text}")
    for fence in found.fences:
        click.echo(f"{show(fence.path)}: {fence.note}")
    _print_data(found)
    for line in owner_lines(found.owners, everything=everything):
        click.echo(line)
    for blocker in found.blockers:
        click.secho(f"refused: {blocker.text}", bold=True)
        click.echo(f"hint: {blocker.hint}")


def _print_ops(found: "Plan", *, everything: bool) -> None:
    ops = found.swaps.ops
    shown = ops if everything else ops[:_LISTED]
    click.echo(f"  exchanges  {human_count(len(ops))}")
    for op in shown:
        click.echo(f"             {op.kind.value} {show(op.path)}")
    if len(ops) > len(shown):
        click.echo(f"             ... and {human_count(len(ops) - len(shown))} more; --all lists them")


def _print_changes(found: "Plan", *, everything: bool) -> None:
    changes = found.comparison.changes
    if everything:
        print_table(Table.of("CHANGE", "PATH", "REASON", rows=[(item.action.value, show(item.path), item.reason) for item in changes]))
        return
    tops = Counter(("/".join(item.path.split("/")[:2]), item.action.value) for item in changes)
    rows = [(show(top), action, human_count(count)) for (top, action), count in tops.most_common(_LISTED)]
    print_table(Table.of("BELOW", "CHANGE", "> PATHS", rows=sorted(rows)))
    if len(tops) > len(rows):
        click.echo(f"... and {len(tops) - len(rows)} more rows; --all lists every path")


def _print_kept(found: "Plan", *, everything: bool) -> None:
    kept = found.comparison.kept
    if not kept:
        return
    if everything:
        rows = [(show(item.path), item.reason, item.rule.place if item.rule else "") for item in kept]
        print_table(Table.of("KEPT", "REASON", "RULE", rows=rows))
    else:
        click.echo(f"Kept: {human_paths(len(kept))} of the node's; --all lists them with their rules")


def _print_data(found: "Plan") -> None:
    if found.data.not_looked:
        click.echo(f"Data devices: not looked at: {found.data.not_looked}")
    elif found.data.problem:
        click.echo(f"Data devices: cannot be proved, so an upgrade would be refused: {found.data.problem}")
    elif found.data.found:
        click.echo(f"Data devices: {human_count(len(found.data.found))}, proved before and after:")
        for item in found.data.found:
            click.echo(f"  {show(item.device.path or item.device.volume)[1:]}: {show('; '.join(item.reasons))[1:]}")


def _print_conflicts(found: "Plan") -> None:
    """All of them, in every form of the answer: what is not settled by the lists is for a person to know beforehand."""
    if not found.conflicts:
        return
    click.echo(f"Conflicts: {human_paths(len(found.conflicts))} that both sides changed; the node's stay")
    for conflict in found.conflicts:
        click.echo(f"  {show(conflict.path)}: {conflict.reason}")
        if conflict.new:
            click.echo(f"    the release's: {show(conflict.new)}")


def _print_rules(found: "Plan") -> None:
    rows = [(human_count(usage.paths), str(usage.rule), usage.rule.place) for usage in found.rules]
    print_table(Table.of("> PATHS", "RULE", "PLACE", rows=rows))
    unused = sum(1 for usage in found.rules if not usage.paths)
    click.echo(f"{human_count(unused)} of {human_count(len(rows))} rules match nothing on this node")


def _print_explained(found: "Plan", path: str) -> None:
    changes = [item for item in found.comparison.changes if is_below(item.path, path)]
    kept = [item for item in found.comparison.kept if is_below(item.path, path) or is_below(path, item.path)]
    rows = [(item.action.value, show(item.path), item.reason) for item in changes]
    rows += [("keep", show(item.path), f"{item.reason} ({item.rule.place})" if item.rule else item.reason) for item in kept]
    if rows:
        print_table(Table.of("CHANGE", "PATH", "REASON", rows=rows))
    else:
        click.echo(f"{show(path)}: nothing would happen to it")
