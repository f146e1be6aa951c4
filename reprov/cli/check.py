"""reprov check: run the role's checks on a node."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from reprov.cli import options
from reprov.cli.tables import Table, human_count, print_json, print_table
from reprov.domain.entry import show
from reprov.errors import ExitCode
from reprov.events import Monitor

if TYPE_CHECKING:
    from reprov.domain.check import Checked


@click.command()
@click.argument("names", nargs=-1, metavar="[CHECK...]")
@click.option("--python", default="/usr/bin/python3", show_default=True, metavar="PROGRAM", help="What runs pytest, as the node has it.")
@options.root
@options.as_json
@options.monitored
def check(names: tuple[str, ...], python: str, root: Path, as_json: bool, monitor: Monitor) -> ExitCode:
    """Run the checks of the installed release, or only those that are named.

    A test_*.py is run by pytest (with testinfra), a *_spec.rb by rspec or rake (serverspec), anything else by the interpreter in
    its first line. On the running system they run under the data guard. Logs, results.json and junit.xml are in /.reprov/checks.

    Exit status 0: all passed; 1: some have failed, hung, or could not be run.
    """
    from reprov.workflows.checks import check_node

    checked = check_node(root, names, python, monitor)
    if as_json:
        print_json(checked.to_fields())
    else:
        print_checked(checked)
    return ExitCode.DONE if checked.is_fine else ExitCode.FAILED


def print_checked(checked: "Checked") -> None:
    """Print what checks said, for people."""
    if not checked.results:
        click.echo("no checks")
        return
    rows = [
        (
            result.name,
            result.kind.value,
            result.outcome.value,
            human_count(len(result.cases)) if result.cases else "-",
            f"{result.elapsed_s:.1f} s",
            show(result.message)[1:],
        )
        for result in checked.results
    ]
    print_table(Table.of("CHECK", "KIND", "OUTCOME", "> TESTS", "> TOOK", "MESSAGE", rows=rows))
