"""reprov converge: run the convergence hook of a node by hand."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from reprov.cli import options
from reprov.cli.tables import Table, human_count, print_json, print_table
from reprov.domain.entry import show
from reprov.errors import ExitCode
from reprov.events import Monitor

if TYPE_CHECKING:
    from reprov.domain.convergence import Converged, Round

_LISTED = 10


@click.command()
@click.option("--check-only", "looking", is_flag=True, help="Only say what would be changed (Puppet's --noop, Ansible's --check).")
@options.root
@options.as_json
@options.monitored
def converge(looking: bool, root: Path, as_json: bool, monitor: Monitor) -> ExitCode:
    """Run Puppet or Ansible as the node's role says, until the role's checks pass and nothing is left to change.

    Up to five rounds for each step, on the running system under the data guard. /etc/reprov/converge.json, where there is one,
    goes before what the role says. Logs and results are in /.reprov/converge and /.reprov/checks.

    Exit status 0: converged; 1: not; with --check-only 0: nothing to do, 3: there is, 1: it cannot be told.
    """
    from reprov.domain.convergence import Effect
    from reprov.workflows.converge import converge_node

    found = converge_node(root, looking=looking, monitor=monitor)
    if as_json:
        print_json(found.to_fields())
    else:
        print_converged(found, looking=looking)
    if not found.is_fine:
        return ExitCode.FAILED
    pending = looking and any(item.run.effect is Effect.CHANGED for item in found.rounds)
    return ExitCode.PENDING if pending else ExitCode.DONE


def print_converged(found: "Converged", *, looking: bool = False) -> None:
    """Print what came of a convergence, for people."""
    rows = [_row(item) for item in found.rounds]
    print_table(Table.of("STEP", "> ROUND", "RUN", "> CHANGED", "> FAILED", "CHECKS", "> TOOK", rows=rows))
    changed = dict.fromkeys(name for item in found.rounds for name in item.run.changed)
    for name in list(changed)[:_LISTED]:
        click.echo(f"{'would change' if looking else 'changed'}: {show(name)[1:]}")
    if len(changed) > _LISTED:
        click.echo(f"... and {human_count(len(changed) - _LISTED)} more; --json has them all")
    if not looking:
        for name in found.unsettled[:_LISTED]:
            click.echo(f"changed in every run: {show(name)[1:]}")
    for item in found.rewritten:
        click.echo(f"# {item.why}\n{item.line}    ({item.owner.value})")
    if found.problem:
        click.secho(f"not converged: {show(found.problem)[1:]}", bold=True)


def _row(item: "Round") -> tuple[str, ...]:
    checks = "-"
    if item.checked is not None:
        checks = ", ".join(result.name for result in item.checked.failed) if not item.checked.is_fine else "passed"
    return (
        "-" if item.step is None else str(item.step),
        str(item.number),
        item.run.effect.value,
        human_count(len(item.run.changed)),
        human_count(len(item.run.failed)),
        checks,
        f"{item.run.elapsed_s:.1f} s",
    )
