"""reprov inventory: disks, OSDs, mounts and network of a node, or of a disk image."""

from pathlib import Path

import click

from reprov.cli import options
from reprov.cli.tables import print_json, print_table
from reprov.errors import InvalidInput
from reprov.events import Monitor


@click.command()
@click.option(
    "--image",
    type=click.Path(exists=True, resolve_path=True, path_type=Path),
    metavar="FILE",
    help="List what a disk image holds, instead of this machine.",
)
@options.root
@options.as_json
@options.monitored
def inventory(image: Path | None, root: Path, as_json: bool, monitor: Monitor) -> None:
    """Show disks, partitions, volumes, OSDs and network, and which devices are data that reprov never writes to.

    Nothing is opened for writing. Keys and other secrets are left out.
    """
    from reprov.cli.inventory_text import inventory_tables
    from reprov.domain.protected import protected
    from reprov.workflows.inventory import inventory_of_image, take_inventory

    if image is not None and root != Path("/"):
        raise InvalidInput("--image and --root do not go together", hint="an image is listed without the node that it belongs to")
    found = inventory_of_image(image, monitor=monitor) if image else take_inventory(root, monitor=monitor)
    data = protected(found)
    if as_json:
        print_json({**found.to_fields(), "protected": data})
        return
    for number, table in enumerate(inventory_tables(found, data)):
        if number:
            click.echo()
        print_table(table)
