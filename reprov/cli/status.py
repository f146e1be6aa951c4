"""reprov status: what the node is, was, and is about to be."""

from pathlib import Path

import click

from reprov.cli import options
from reprov.cli.tables import print_json
from reprov.errors import ExitCode


@click.command()
@options.root
@options.as_json
def status(root: Path, as_json: bool) -> ExitCode:
    """Show the installed, the staged and the previous deployment."""
    from reprov.workflows.status import status as status_of

    found = status_of(root)
    deployment = found.deployment
    if as_json:
        print_json(
            {
                "state": deployment.state,
                "installed": str(deployment.installed) if deployment.installed else None,
                "target": str(deployment.target) if deployment.target else None,
                "previous": str(deployment.previous) if deployment.previous else None,
                "can_roll_back": deployment.has_previous,
                "interrupted": found.interrupted,
                "source": deployment.source,
                "changed_at": deployment.changed_at,
                "storage": found.storage or None,
            }
        )
        return ExitCode.DONE
    if deployment.state is None:
        click.echo("reprov has never changed this node")
        return ExitCode.DONE
    click.echo(f"state      {deployment.state.value} since {deployment.changed_at}")
    click.echo(f"installed  {deployment.installed or 'not a release'}")
    if deployment.target:
        click.echo(f"target     {deployment.target}")
    previous = deployment.previous or "not a release"
    click.echo(f"previous   {previous if deployment.has_previous else 'none'}")
    click.echo(f"source     {deployment.source}")
    if found.storage:
        click.echo(f"storage    {found.storage}")
    if found.interrupted:
        click.echo("interrupted: the next change, or `reprov recover`, finishes or undoes it")
    return ExitCode.DONE
