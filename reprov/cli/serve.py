"""reprov serve: the store over rsync."""

import sys
from pathlib import Path

import click

from reprov.cli import options
from reprov.errors import InvalidInput
from reprov.events import Monitor


@click.command()
@options.store
@click.option("--address", default="127.0.0.1", show_default=True, metavar="IP", help="The address to listen on.")
@click.option("--port", type=int, default=8730, show_default=True, metavar="N", help="The port to listen on.")
@click.option("--max-connections", type=int, default=32, show_default=True, metavar="N", help="Per module; further nodes are told to wait.")
@click.option("--print-config", is_flag=True, help="Print the rsync daemon's configuration and exit.")
@click.option("--systemd", is_flag=True, help="Print a systemd unit that serves like this and exit.")
@options.monitored
def serve(store: Path, address: str, port: int, max_connections: int, print_config: bool, systemd: bool, monitor: Monitor) -> None:
    """Serve the store to nodes, read-only, over rsync, until stopped.

    The daemon has no passwords: whoever reaches the port can read every tree. Started as root it is jailed into the store.
    """
    from reprov.domain.rsyncd import Served, render_unit
    from reprov.workflows import serve as workflow

    if print_config and systemd:
        raise InvalidInput("--print-config or --systemd, not both")
    served = Served.of(store, address, port, max_connections)
    if print_config:
        click.echo(workflow.config(served), nl=False)
    elif systemd:
        click.echo(render_unit(served, f"{sys.executable} -m reprov"), nl=False)
    else:
        workflow.serve(served, monitor)
