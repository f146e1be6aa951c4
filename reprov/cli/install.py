"""reprov install: a node installed anew on its disk, with every partition that is not the system's left alone."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from reprov.cli import options
from reprov.cli.afterwards import told_afterwards
from reprov.cli.tables import Table, human_count, human_size, print_json, print_table, print_text
from reprov.domain.entry import show
from reprov.errors import ExitCode, ProofFailed
from reprov.events import Monitor

if TYPE_CHECKING:
    from reprov.workflows.install import Installed


@click.command()
@options.release
@click.option(
    "--layout",
    "layout_file",
    type=click.Path(exists=True, dir_okay=False, resolve_path=True, path_type=Path),
    required=True,
    metavar="FILE",
    help="Which partitions are the system's, and which have to be there and are never touched (YAML or JSON).",
)
@options.source
@click.option("--plan", "only_plan", is_flag=True, help="Show what would be kept, formatted and made, and why; write nothing.")
@click.option(
    "--identity-archive",
    "archive",
    type=click.Path(dir_okay=False, resolve_path=True, path_type=Path),
    metavar="FILE",
    help="Keep the node's identity in FILE while / is formatted, or bring back the one that is there; it goes when that is done.",
)
@click.option("--new-node", is_flag=True, help="Go on where there is no identity to keep.")
@options.yes
@options.as_json
@options.monitored
def install(
    role: str | None,
    version: str,
    layout_file: Path,
    source: str,
    only_plan: bool,
    archive: Path | None,
    new_node: bool,
    yes: bool,
    as_json: bool,
    monitor: Monitor,
) -> ExitCode:
    """Install VERSION anew on the disk of a layout, from a rescue system or on a disk image.

    The system's partitions are formatted, missing ones made; every other one stays as it is, to the last bit, and that is proven.
    Hostname, keys, network configuration and the like are carried over. The plan is shown and asked for first.

    Exit status 3 (with --plan): there is something to do; 4: refused, nothing was written; 6: half installed, run it again; 7: data has
    changed.
    """
    from reprov.cli.install_text import install_fields, install_lines, install_question
    from reprov.domain.install_plan import InstallChoices
    from reprov.domain.source import Source
    from reprov.workflows import install as workflow
    from reprov.workflows.install_plan import load_layout, make_plan, target_of

    layout = load_layout(layout_file)
    choices = InstallChoices(str(archive or ""), may_be_new=new_node)
    wanted = workflow.Wanted(Source.parse(source), role, version, choices, layout_file.with_name(f"{layout_file.name}.table"))
    with target_of(layout) as target:
        plan = make_plan(target, choices, monitor)
        if only_plan and as_json:
            print_json(install_fields(plan, target.image))
        else:
            for line in install_lines(plan, target.image):
                click.echo(line, err=as_json)
        if only_plan and plan.partitions.refusals:
            return ExitCode.REFUSED
        plan.partitions.require_accepted()
        workflow.check_release(target, plan, wanted)
        if only_plan:
            return ExitCode.PENDING
        options.confirm(install_question(plan), yes=yes)
        done = workflow.install(target, plan, wanted, monitor)
    with told_afterwards():
        if as_json:
            print_json({**_fields(done), "plan": install_fields(plan, target.image)})
        else:
            _print(done, target.image or plan.partitions.disk.path)
    if done.proven.differences:
        count = len(done.proven.differences)
        raise ProofFailed(
            f"data proof failed: {human_count(count)} difference{'' if count == 1 else 's'} since before the installation",
            hint="stop here: find out what wrote to these devices before this node, or any other, is changed again",
        )
    return ExitCode.DONE


def _print(done: "Installed", disk: str) -> None:
    release, proven = done.upgraded.plan.release, done.proven
    if proven.differences:
        rows = [[show(cell)[1:] for cell in difference] for difference in proven.differences]
        print_table(Table.of("DEVICE", "WHAT", "BEFORE", "AFTER", rows=rows))
        click.echo()
    print_text(f"{release} is installed on {disk}: {human_size(done.upgraded.plan.fetch_bytes)} fetched")
    said = "as before" if not proven.differences else "compared"
    click.echo(f"{human_count(len(proven.devices))} device{'' if len(proven.devices) == 1 else 's'} of data {said}")


def _fields(done: "Installed") -> dict[str, object]:
    plan = done.upgraded.plan
    return {
        "role": plan.release.role,
        "version": plan.release.version,
        "state": done.upgraded.state,
        "fetched_bytes": plan.fetch_bytes,
        "conflicts": [show(conflict.path) for conflict in plan.conflicts],
        "proof": {"devices": done.proven.devices, "differences": done.proven.differences, "remarks": done.proven.remarks},
    }
