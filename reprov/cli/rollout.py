"""reprov rollout: a procedure on many nodes, through Ansible."""

import gc
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from reprov.cli import options
from reprov.cli.rollout_plan import plan
from reprov.cli.tables import print_json, print_table, print_text
from reprov.errors import ExitCode
from reprov.events import Monitor

if TYPE_CHECKING:
    from reprov.workflows.rollout import Ended
    from reprov.workflows.rollout_status import Look, Seen

R = TypeVar("R")

_WATCH_INTERVAL_S = 1.0


@click.group(subcommand_metavar="COMMAND DIR ...")
def rollout() -> None:
    """Take many nodes from one release to another: reprov decides who goes next, Ansible does it.

    A rollout is a directory: what is to be done, an ordinary Ansible project, and everything that happened. It can be interrupted
    at any time, also by kill -9; `resume` repeats at most the step that was in flight.
    """


rollout.add_command(plan)

directory = click.argument("directory", metavar="DIR", type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path))


def _policy(function: Callable[..., R]) -> Callable[..., R]:
    """Adds the options that change the policy of rollout.json for one time."""
    function = click.option("--max-failures", type=int, metavar="N", help="Stop only after more failed hosts.")(function)
    return click.option("--skip-unreachable", is_flag=True, help="A host that cannot be reached is no failure.")(function)


@rollout.command("run")
@directory
@_policy
@options.as_json
@options.monitored
def run(directory: Path, max_failures: int | None, skip_unreachable: bool, as_json: bool, monitor: Monitor) -> ExitCode:
    """Begin a rollout and bring it to its end, or to a reason to stop.

    Exit status 0: every host is done; 1: hosts failed, or it stopped; 3: it was paused, or waits behind canaries.
    """
    from reprov.workflows import rollout as workflow

    overrides = _overrides(max_failures, skip_unreachable, retry_failed=False)
    return _control(directory, as_json, partial(workflow.run, directory, overrides, monitor))


@rollout.command("resume")
@directory
@_policy
@click.option("--retry-failed", is_flag=True, help="Have hosts that were given up go on where they stopped.")
@options.as_json
@options.monitored
def resume(
    directory: Path, max_failures: int | None, skip_unreachable: bool, retry_failed: bool, as_json: bool, monitor: Monitor
) -> ExitCode:
    """Go on with a rollout that stopped, was paused or interrupted; one that waits behind its canaries goes on behind them.

    Exit status as of `run`.
    """
    from reprov.workflows import rollout as workflow

    overrides = _overrides(max_failures, skip_unreachable, retry_failed=retry_failed)
    return _control(directory, as_json, partial(workflow.resume, directory, overrides, monitor))


@rollout.command("status")
@directory
@click.option("--watch", is_flag=True, help="Follow it until nobody controls it any more.")
@options.as_json
def status(directory: Path, watch: bool, as_json: bool) -> ExitCode:
    """Show how far a rollout is, and who was given up.

    Exit status 0: every host is done; 1: it is at its end, and hosts were given up; 3: it is not at its end.
    """
    from reprov.workflows.rollout_status import Look

    if watch and as_json:
        raise click.UsageError("--watch is for people, --json is not", click.get_current_context())
    look = Look(directory)
    seen = _follow(look) if watch else look.look()
    if not watch or sys.stdout.isatty():
        _print(seen, as_json)
    if not seen.status.is_finished:
        return ExitCode.PENDING
    return ExitCode.FAILED if seen.status.given_up else ExitCode.DONE


@rollout.command("pause")
@directory
def pause(directory: Path) -> None:
    """Have no further host begin. Those that have begun go through their stage, then the controller ends; `resume` goes on."""
    from reprov.workflows import rollout as workflow

    click.echo(f"asked {workflow.pause(directory)}")


@rollout.command("abort")
@directory
@options.yes
@options.monitored
def abort(directory: Path, yes: bool, monitor: Monitor) -> None:
    """Give a rollout up for good, after the step that is in flight.

    Hosts that are in the middle of their stage stay there; `status` names them.
    """
    from reprov.workflows import rollout as workflow

    options.confirm("give the rollout up for good?", yes=yes)
    holder = workflow.abort(directory, monitor)
    click.echo(f"asked {holder}" if holder else "aborted")


@rollout.command("report")
@directory
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write it to FILE. [default: stdout]")
def report(directory: Path, output: Path | None) -> None:
    """Print the report of a rollout as one HTML file that loads nothing: every host, and the timeline of every step."""
    from reprov.cli.rollout_text import verdict
    from reprov.domain.rollout_report import render_report
    from reprov.domain.rollout_status import timeline
    from reprov.workflows.rollout_status import Look

    seen = Look(directory).look()
    page = render_report(seen.rollout, seen.status, timeline(seen.events), verdict(seen))
    if output is None:
        click.echo(page, nl=False)
    else:
        output.write_text(page, "utf-8")


def _overrides(max_failures: int | None, skip_unreachable: bool, *, retry_failed: bool) -> dict[str, object]:
    given = {"max_failures": max_failures, "skip_unreachable": skip_unreachable or None, "retry_failed": retry_failed}
    return {name: value for name, value in given.items() if value is not None}


def _control(directory: Path, as_json: bool, go: "Callable[[], Ended]") -> ExitCode:
    from reprov.domain.rollout import Done, Gate, Halt
    from reprov.workflows.rollout_status import Look

    gc.enable()  # which main turns off for the short life of a verb; a controller lives for days
    move = go().move
    seen = Look(directory).look()
    _print(seen, as_json)
    if isinstance(move, Done):
        return ExitCode.FAILED if seen.status.given_up else ExitCode.DONE
    return ExitCode.PENDING if isinstance(move, Gate) or move.halt is Halt.PAUSED else ExitCode.FAILED


def _follow(look: "Look") -> "Seen":
    """Show each change until nobody controls the rollout; on a terminal in place, elsewhere one after the other."""
    if sys.stdout.isatty():
        return _follow_live(look)
    from reprov.cli.rollout_text import lines

    shown: list[str] = []
    while True:
        seen = look.look()
        text = list(lines(seen))
        if text != shown:
            click.echo("\n".join([*([""] if shown else []), *text]))
            sys.stdout.flush()
            shown = text
        if seen.holder is None:
            return seen
        time.sleep(_WATCH_INTERVAL_S)


def _follow_live(look: "Look") -> "Seen":
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from reprov.cli.rollout_text import lines

    with Live(console=Console(highlight=False), auto_refresh=False, transient=True) as live:
        while True:
            seen = look.look()
            live.update(Text("\n".join(lines(seen)), overflow="fold"), refresh=True)
            if seen.holder is None:
                return seen
            time.sleep(_WATCH_INTERVAL_S)


def _print(seen: "Seen", as_json: bool) -> None:
    from reprov.cli import rollout_text

    if as_json:
        print_json(
            {
                "procedure": seen.rollout.procedure,
                "infra": seen.rollout.infra,
                "releases": seen.rollout.releases,
                "verdict": rollout_text.verdict(seen),
                "controller": seen.holder,
                "status": seen.status,
            }
        )
        return
    for line in rollout_text.head(seen):
        print_text(line)
    click.echo()
    print_table(rollout_text.stages(seen))
    if seen.status.given_up:
        click.echo()
        print_table(rollout_text.given_up(seen))
