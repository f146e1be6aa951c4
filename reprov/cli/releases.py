"""reprov releases: what there is, and whether it is still what was published."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from reprov.cli import options
from reprov.cli.tables import Table, human_count, human_files, human_size, print_json, print_table
from reprov.errors import ExitCode
from reprov.events import Monitor

if TYPE_CHECKING:
    from reprov.workflows.releases import Checked, Listed


@click.command()
@click.argument("role", required=False)
@click.option("--check", is_flag=True, help="Compare everything with manifests and digests; exit status 3 when something differs.")
@options.store
@options.as_json
@options.monitored
def releases(role: str | None, check: bool, store: Path, as_json: bool, monitor: Monitor) -> ExitCode:
    """List the releases of a role, or of all, or check them.

    OWN is the disk space that only this release takes: what pruning it would free.
    """
    from reprov.workflows import releases as workflow

    if check:
        checked = workflow.check(store, role, monitor)
        _print_checked(checked, as_json=as_json)
        return ExitCode.PENDING if checked.findings else ExitCode.DONE
    _print_listed(workflow.list_releases(store, role), as_json=as_json)
    return ExitCode.DONE


def _print_listed(listed: "tuple[Listed, ...]", *, as_json: bool) -> None:
    if as_json:
        print_json(
            [
                {
                    "role": item.release.id.role,
                    "version": item.release.id.version,
                    "serial": item.release.serial,
                    "created_at": item.release.created_at,
                    "family": item.release.family,
                    "machine": item.release.machine,
                    "paths": item.usage.paths,
                    "size_bytes": item.usage.size_bytes,
                    "own_bytes": item.usage.own_bytes,
                    "packages": item.packages,
                }
                for item in listed
            ]
        )
        return
    rows = [
        (
            item.release.id.role,
            item.release.id.version,
            str(item.release.serial),
            item.release.created_at[:16].replace("T", " "),
            human_count(item.usage.paths),
            human_size(item.usage.size_bytes),
            human_size(item.usage.own_bytes),
            human_count(item.packages),
        )
        for item in listed
    ]
    print_table(Table.of("ROLE", "VERSION", "> SERIAL", "CREATED", "> PATHS", "> SIZE", "> OWN", "> PKGS", rows=rows))


def _print_checked(checked: "Checked", *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "releases": [{"role": release.role, "version": release.version} for release in checked.releases],
                "files_read": checked.files_read,
                "findings": checked.findings,
            }
        )
        return
    if checked.findings:
        rows = [(finding.place, finding.problem, ", ".join(map(str, finding.releases))) for finding in checked.findings]
        print_table(Table.of("PATH", "PROBLEM", "RELEASES", rows=rows))
        return
    count = len(checked.releases)
    click.echo(f"{count} release{'' if count == 1 else 's'} as published ({human_files(checked.files_read)} read)")
