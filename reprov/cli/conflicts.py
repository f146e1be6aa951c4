"""reprov conflicts: what upgrades laid beside the node's own."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reprov.cli import options
from reprov.cli.tables import Table, human_count, human_size, print_json, print_table
from reprov.domain.beside import SUFFIX
from reprov.domain.conflicts import Standing, Take, Unsettled
from reprov.domain.entry import Entry, Kind, show
from reprov.errors import ExitCode
from reprov.events import Monitor

if TYPE_CHECKING:
    from reprov.workflows.conflicts import Compared, Found, Settled

_STANDINGS = {Standing.DIFFERS: "differs", Standing.SAME: "same now", Standing.GONE: "gone"}
_HINTS = {
    Standing.DIFFERS: "--diff PATH shows how; --take ours PATH keeps it,\n          --take theirs PATH puts the release's in its place",
    Standing.SAME: "both are alike by now; --take ours PATH tidies up",
    Standing.GONE: "the node removed it; --take ours PATH leaves it so,\n          --take theirs PATH brings it back",
}


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@options.root
@click.option(
    "--take", type=click.Choice([side.value for side in Take]), help="Settle the conflicts at PATH... for the node or the release."
)
@click.option("--diff", "as_diff", is_flag=True, help="Show how the release's differs from the node's, at PATH... or everywhere.")
@options.as_json
@options.monitored
def conflicts(paths: tuple[str, ...], root: Path, take: str | None, as_diff: bool, as_json: bool, monitor: Monitor) -> ExitCode:
    """List the configuration that node and release both changed: the node's has stayed, the release's lies beside it as
    PATH.reprov-new. Where programs read a whole directory (/etc/logrotate.d) it lies beside that: /etc/logrotate.d%NAME.reprov-new.

    "--take ours PATH..." removes the .reprov-new. "--take theirs PATH..." replaces the node's content with it; mode,
    owner and attributes stay the node's. PATH is a path of the node, with or without .reprov-new.

    Exit status 0: no conflicts, or settled; 3: there are conflicts.
    """
    from reprov.workflows import conflicts as workflow

    if take and as_diff:
        raise click.UsageError("--take and --diff are two things", click.get_current_context())
    if take and not paths:
        raise click.UsageError("--take needs the PATHs that are to be settled", click.get_current_context())
    if paths and not take and not as_diff:
        raise click.UsageError("a PATH needs --diff or --take", click.get_current_context())
    if take:
        _print_settled(workflow.settle_conflicts(root, Take(take), paths, monitor), Take(take), as_json)
        return ExitCode.DONE
    if as_diff:
        compared = workflow.compare_conflicts(root, paths)
        _print_compared(compared, as_json)
        return ExitCode.PENDING if compared else ExitCode.DONE
    found = workflow.find_conflicts(root)
    _print_found(found, as_json)
    return ExitCode.PENDING if found.conflicts else ExitCode.DONE


def _print_found(found: "Found", as_json: bool) -> None:
    if as_json:
        release = found.release
        print_json({"role": release.role, "version": release.version, "conflicts": [_as_data(conflict) for conflict in found.conflicts]})
        return
    if not found.conflicts:
        click.echo("no conflicts")
        return
    rows = [
        (_STANDINGS[conflict.standing], _kind_of_ours(conflict) or "-", conflict.theirs.kind.value, show(conflict.path))
        for conflict in found.conflicts
    ]
    print_table(Table.of("STANDING", "NODE", "RELEASE", "PATH", rows=rows))
    click.echo(f"\n{_count(len(rows))} on {found.release}; the release's lie beside, as PATH.reprov-new")
    for conflict in found.conflicts:
        if conflict.theirs.path != conflict.path + SUFFIX:
            click.echo(f"the release's of {show(conflict.path)}: {show(conflict.theirs.path)}")
    for standing, text in _STANDINGS.items():
        if any(conflict.standing is standing for conflict in found.conflicts):
            click.echo(f"{text:<9} {_HINTS[standing]}")
    if any(_is_in_the_way(conflict) for conflict in found.conflicts):
        click.echo("dir       is not replaced: to take the release's, move it away first")


def _print_compared(compared: Sequence["Compared"], as_json: bool) -> None:
    if as_json:
        print_json({"conflicts": [{**_as_data(item.conflict), "diff": item.lines} for item in compared]})
        return
    if not compared:
        click.echo("no conflicts")
    for item in compared:
        for line in item.lines or (_without_lines(item),):
            click.echo(line)


def _without_lines(item: "Compared") -> str:
    conflict = item.conflict
    if item.lines is not None:
        return f"{show(conflict.path)} and {show(conflict.theirs.path)} are the same"
    return f"{show(conflict.path)}: {_sized(conflict.ours)} here, {_sized(conflict.theirs)} in the release; no lines to show"


def _sized(entry: Entry | None) -> str:
    if entry is None:
        return "nothing"
    return f"file of {human_size(entry.size)}" if entry.kind is Kind.FILE else entry.kind.value


def _print_settled(done: "Settled", take: Take, as_json: bool) -> None:
    if as_json:
        print_json({"take": take, "settled": [_as_data(conflict) for conflict in done.settled], "left": done.left})
        return
    for conflict in done.settled:
        click.echo(f"{_outcome(conflict, take)} {show(conflict.path)}")
    click.echo(f"{_count(done.left)} left")


def _outcome(conflict: Unsettled, take: Take) -> str:
    if conflict.standing is Standing.SAME:
        return "tidied up"
    if take is Take.THEIRS:
        return "taken"
    return "stays" if conflict.ours else "stays away"


def _as_data(conflict: Unsettled) -> dict[str, object]:
    return {
        "path": show(conflict.path),
        "new": show(conflict.theirs.path),
        "standing": conflict.standing,
        "node": _kind_of_ours(conflict),
        "release": conflict.theirs.kind,
    }


def _kind_of_ours(conflict: Unsettled) -> str | None:
    return conflict.ours.kind.value if conflict.ours else None


def _is_in_the_way(conflict: Unsettled) -> bool:
    return conflict.ours is not None and conflict.ours.kind is Kind.DIR


def _count(number: int) -> str:
    return f"{human_count(number) if number else 'no'} conflict{'' if number == 1 else 's'}"
