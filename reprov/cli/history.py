"""reprov history: every change of state of the node."""

from pathlib import Path

import click

from reprov.cli import options
from reprov.cli.tables import Table, human_time, print_json, print_table
from reprov.errors import ExitCode


@click.command()
@options.root
@options.as_json
def history(root: Path, as_json: bool) -> ExitCode:
    """List what was staged, committed and rolled back, when, and how it ended; the oldest first."""
    from reprov.workflows.status import history as history_of

    lines = history_of(root)
    if as_json:
        print_json(lines)
        return ExitCode.DONE
    rows = [
        (
            str(line["at"]),
            str(line["state"]),
            str(line.get("target") or line.get("installed") or ""),
            human_time(line["mixed_s"]) if "mixed_s" in line else "",
            str(line.get("note") or ""),
        )
        for line in lines
    ]
    if rows:
        print_table(Table.of("WHEN", "STATE", "RELEASE", "> MIXED", "NOTE", rows=rows))
    else:
        click.echo("reprov has never changed this node")
    return ExitCode.DONE
