"""reprov recover: bring an interrupted node to rest."""

from pathlib import Path

import click

from reprov.cli import options
from reprov.cli.afterwards import told_afterwards
from reprov.errors import ExitCode
from reprov.events import Monitor


@click.command()
@options.root
@options.monitored
def recover(root: Path, monitor: Monitor) -> ExitCode:
    """Finish or undo what an interrupted run left; every other change of the node begins with the same."""
    from reprov.workflows.recover import recover as recover_node

    done = recover_node(root, monitor).done
    with told_afterwards():
        click.echo(done or "nothing to do")
    return ExitCode.DONE
