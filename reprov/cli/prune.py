"""reprov prune: old releases go."""

from pathlib import Path

import click

from reprov.cli import options
from reprov.cli.tables import human_size, print_json
from reprov.events import Monitor


@click.command()
@click.argument("role", required=False)
@click.option("--keep", type=int, required=True, metavar="N", help="How many of the newest releases of each role stay.")
@options.store
@options.yes
@options.as_json
@options.monitored
def prune(role: str | None, keep: int, store: Path, yes: bool, as_json: bool, monitor: Monitor) -> None:
    """Delete all but the newest releases of a role, or of every role.

    What killed runs left in the store goes, too.
    """
    from reprov.workflows import prune as workflow

    plan = workflow.plan_prune(store, keep, role)
    names = [str(release.id) for release in plan.releases] + [f"leftover {path.relative_to(store)}" for path in plan.leftovers]
    if names:
        options.confirm(f"delete {', '.join(names)}?", yes=yes)
    pruned = workflow.prune(store, plan, monitor)
    if as_json:
        print_json(
            {
                "releases": [{"role": release.role, "version": release.version} for release in pruned.releases],
                "leftovers": pruned.leftovers,
                "freed_bytes": pruned.freed_bytes,
            }
        )
        return
    for name in names:
        click.echo(f"deleted {name}")
    click.echo(f"{human_size(pruned.freed_bytes)} freed" if names else "nothing to delete")
