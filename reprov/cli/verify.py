"""reprov verify: what differs from the installed release."""

from pathlib import Path

import click

from reprov.cli import options
from reprov.cli.tables import Table, human_count, print_json, print_table
from reprov.domain.entry import show
from reprov.domain.labels import Labelling
from reprov.errors import ExitCode
from reprov.events import Monitor


@click.command()
@options.root
@options.labels
@click.option("--deep", is_flag=True, help="Read every file, instead of those only whose inode has changed since they were last read.")
@options.as_json
@options.monitored
def verify(root: Path, labelling: Labelling, deep: bool, as_json: bool, monitor: Monitor) -> ExitCode:
    """Find what differs from the installed release, by the package that owns it.

    Exit status 0: nothing; 3: there is drift.
    """
    from reprov.workflows.verify import verify as verify_node

    found = verify_node(root, deep=deep, labelling=labelling, monitor=monitor)
    if as_json:
        print_json(
            {
                "role": found.release.role,
                "version": found.release.version,
                "paths": found.paths,
                "packages": found.packages,
                "drift": [
                    {"path": show(item.path), "drift": item.drift, "reason": item.reason, "package": item.package} for item in found.drift
                ],
            }
        )
    elif found.drift:
        if found.packages:
            changes = [(item.name, item.change, item.before or "-", item.after or "-") for item in found.packages]
            print_table(Table.of("PACKAGE", "BY HAND", "RELEASE", "NODE", rows=changes))
            click.echo()
        rows = [(item.package or "-", item.drift, show(item.path), item.reason) for item in found.drift]
        print_table(Table.of("PACKAGE", "DRIFT", "PATH", "REASON", rows=sorted(rows)))
    else:
        click.echo(f"{human_count(found.paths)} paths are as {found.release} says")
    return ExitCode.PENDING if found.drift else ExitCode.DONE
