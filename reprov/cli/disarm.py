"""reprov disarm: forget what is to be done at the next boot."""

from pathlib import Path

import click

from reprov.cli import options
from reprov.cli.afterwards import told_afterwards
from reprov.errors import ExitCode
from reprov.events import Monitor


@click.command()
@options.root
@options.monitored
def disarm(root: Path, monitor: Monitor) -> ExitCode:
    """Forget the upgrade or rollback that waits for the next boot. What has been fetched for it serves the next one."""
    from reprov.workflows.arm import disarm_node

    forgotten = disarm_node(root, monitor)
    with told_afterwards():
        click.echo("nothing is to be done at the next boot any more" if forgotten else "nothing is armed")
    return ExitCode.DONE
