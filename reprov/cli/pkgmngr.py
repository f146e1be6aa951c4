"""reprov pkgmngr: whether people can use the package manager of a managed node."""

from pathlib import Path

import click

from reprov.cli import options
from reprov.cli.tables import Table, print_json, print_table
from reprov.domain.entry import show


@click.command()
@click.argument("what", type=click.Choice(["deactivate", "activate", "status"]))
@options.root
@options.as_json
def pkgmngr(what: str, root: Path, as_json: bool) -> None:
    """Keep people from installing packages on a managed node, where the next upgrade would undo it, or let them.

    Deactivated, apt, apt-get, aptitude, dpkg, dnf, yum, zypper and rpm still answer questions, and refuse everything else with exit
    status 4. dpkg refuses also when it is called by path or by another program; dnf, yum, zypper and rpm only when PATH finds
    them. What reprov starts itself (post-scripts, convergence, builds) is not concerned. It stays so over upgrades and rollbacks.
    """
    from reprov.workflows import package_managers

    found = {"deactivate": package_managers.deactivate, "activate": package_managers.activate, "status": package_managers.status}[what](
        root
    )
    if as_json:
        print_json([{"name": item.name, "active": item.is_active, "stopped_by_path": item.is_stopped_by_path} for item in found])
    elif not found:
        click.echo("no package manager that reprov knows")
    else:
        rows = [
            (
                item.name,
                "active" if item.is_active else "deactivated",
                "-" if item.is_active else f"{show(item.path)}{', and by dpkg itself' if item.is_stopped_by_path else ''}",
            )
            for item in found
        ]
        print_table(Table.of("PACKAGE MANAGER", "STATE", "BY", rows=rows))
