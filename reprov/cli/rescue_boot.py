"""reprov rescue-boot: what /init of a rescue image calls."""

import click

from reprov.cli import options
from reprov.events import Monitor


@click.command()
@click.option("--command-line", metavar="TEXT", help="Words to obey.  [default: those of the kernel]")
@options.monitored
def rescue_boot(command_line: str | None, monitor: Monitor) -> None:
    """In a rescue system: bring up the network, start ssh, and install if the kernel command line says so.

    The answer is what comes next: shell, reboot or poweroff. Refused where the root is not in memory. /init of a rescue image
    calls it at boot; afterwards it can be called by hand with other words.

    \b
    reprov rescue-boot --command-line 'reprov.ip=10.0.0.5/24,10.0.0.1'
    """
    from reprov.workflows.rescue import boot

    click.echo(boot(command_line, monitor))
