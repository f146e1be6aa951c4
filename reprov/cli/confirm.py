"""reprov confirm: the word of somebody who has reached the node after an upgrade."""

from pathlib import Path

import click

from reprov.cli import options
from reprov.cli.afterwards import told_afterwards
from reprov.errors import ExitCode
from reprov.events import Monitor


@click.command()
@click.option("--at-boot", is_flag=True, help="Go on with what follows a commit, as the service does that runs after a boot.")
@click.option("--handed-over", "request", hidden=True, help="Go on in place of the process that has committed, which holds the node.")
@options.root
@options.monitored
def confirm(at_boot: bool, request: str | None, root: Path, monitor: Monitor) -> ExitCode:
    """Say that a node which waits for it, because of `reprov upgrade --await-confirm`, is well and can be reached.

    To prove that, run it over a new connection. When it does not come in time the node goes back (status 5, here as there).
    """
    if request is not None:
        from reprov.cli.handed_over import go_on_for_another

        return go_on_for_another(root, request, monitor)
    from reprov.workflows.confirm import confirm as confirm_node
    from reprov.workflows.confirm import confirm_at_boot

    if at_boot:
        done = confirm_at_boot(root, monitor)
        answer = done or "nothing to do"
    else:
        release = confirm_node(root, monitor)
        answer = f"{release} is confirmed" if release else "nothing to do: no release waits to be confirmed"
    with told_afterwards():
        click.echo(answer)
    return ExitCode.DONE
