"""`reprov confirm --handed-over`: how a process that has committed is answered, in lines of JSON between those of `--events -`."""

from pathlib import Path

import click

from reprov import __version__
from reprov.domain.hand_over import Failed, Request, Said, TookOver, WentOn, line_of
from reprov.domain.plain import plain
from reprov.errors import ExitCode, ReprovError
from reprov.events import Monitor
from reprov.workflows.take_over import take_over


def go_on_for_another(root: Path, request: str, monitor: Monitor) -> ExitCode:
    """Go on with what it asks for, and say when that has begun, and how it has ended."""
    try:
        finished = take_over(root, Request.parse(request), lambda: _say(TookOver(__version__)), monitor)
    except ReprovError as error:
        _say(Failed.of(error))
        raise
    _say(WentOn(plain(finished)))
    return ExitCode.DONE


def _say(said: Said) -> None:
    click.echo(line_of(said))
