"""Options that several verbs share, as decorators, so that one word means one thing everywhere.

@click.command()
@click.argument("version")
@options.root
@options.source
@options.as_json
@options.monitored
def upgrade(version: str, root: Path, source: str, as_json: bool, monitor: Monitor) -> ExitCode:
"""

import functools
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

import click

from reprov.cli.monitors import open_monitor
from reprov.domain.commit_time import CommitTime
from reprov.domain.data_devices import Proving
from reprov.domain.labels import Labelling
from reprov.errors import InvalidInput, ReprovError

R = TypeVar("R")

root = click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path),
    default="/",
    show_default=True,
    metavar="DIR",
    help="The node's root directory.",
)
"""Passes `root: Path`, absolute and existing; whether it is the root of a node, the workflow judges."""

store = click.option(
    "--store",
    type=click.Path(file_okay=False, resolve_path=True, path_type=Path),
    default="/srv/reprov",
    show_default=True,
    metavar="DIR",
    help="The store of published releases.",
)
"""Passes `store: Path`, absolute; it need not exist."""

library = click.option(
    "--library",
    type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path),
    metavar="DIR",
    help="A directory whose roles/, excludes/, post-scripts/, ids/ and playbooks/ go before those of /etc/reprov and reprov's own.",
)
"""Passes `library: Path | None`."""

source = click.option(
    "--from",
    "source",
    required=True,
    metavar="SOURCE",
    help="Where the releases are: rsync://HOST:8730, ssh://USER@HOST/srv/reprov, or a directory.",
)
"""Passes `source: str`, as typed."""

as_json = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
"""Passes `as_json: bool`."""

apply_chown = click.option(
    "--apply-chown",
    is_flag=True,
    help="Let the node's own files follow accounts whose ids move, in the same transaction.",
)
"""Passes `apply_chown: bool`."""


def _automatic(flag: str, name: str, values: type[StrEnum], text: str) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Adds an option that is one of these values, "auto" by default."""
    return click.option(
        flag,
        name,
        type=click.Choice([item.value for item in values]),
        default="auto",
        show_default=True,
        callback=lambda context, option, value: values(value),
        help=text,
    )


prove = _automatic(
    "--prove",
    "proving",
    Proving,
    "Prove that data devices are left alone: on the running system, always (with --root: the devices of this machine), or never.",
)
"""Passes `proving: Proving`."""

labels = _automatic(
    "--selinux",
    "labelling",
    Labelling,
    "Set the release's SELinux labels: where the node has SELinux, in any case, or never.",
)
"""Passes `labelling: Labelling`."""

commit = _automatic(
    "--commit",
    "commit",
    CommitTime,
    "When to exchange the trees: now, at the next boot before anything runs, or now where nothing speaks against it.",
)
"""Passes `commit: CommitTime`."""

reboot = click.option("--reboot", "reboots", is_flag=True, help="Reboot the node where that is the next step.")
"""Passes `reboots: bool`."""

yes = click.option("--yes", is_flag=True, help="Do it without asking.")
"""Passes `yes: bool`, for `confirm`."""


def release(function: Callable[..., R]) -> Callable[..., R]:
    """Adds the arguments `[ROLE] VERSION` and passes `role: str | None` and `version: str`.

    Not two arguments of click's, which would give the only word of `upgrade 1.1` to the role.
    """

    @click.argument("names", nargs=-1, required=True, metavar="[ROLE] VERSION")
    @functools.wraps(function)
    def with_release(*arguments: object, names: tuple[str, ...], **options: object) -> R:
        *roles, version = names
        if len(roles) > 1:
            raise click.UsageError(f"a release is [ROLE] VERSION, not {' '.join(names)!r}", click.get_current_context())
        return function(*arguments, role=roles[0] if roles else None, version=version, **options)

    return with_release


def monitored(function: Callable[..., R]) -> Callable[..., R]:
    """Adds `--events` and passes `monitor: Monitor`, which is open while the verb runs."""

    @click.option("--events", metavar="FILE", help='Write progress as JSON lines to FILE ("-": stdout).')
    @functools.wraps(function)
    def with_monitor(*arguments: object, events: str | None, **options: object) -> R:
        quiet = bool(click.get_current_context().find_root().params.get("quiet"))
        with open_monitor(events, quiet=quiet) as monitor:
            return function(*arguments, monitor=monitor, **options)

    return with_monitor


def confirm(question: str, *, yes: bool) -> None:
    """Return when the operator agrees, by `--yes` or at the terminal.

    Raises `InvalidInput` when nobody can be asked, `ReprovError` on a no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise InvalidInput(f"nobody can be asked: {question}", hint="add --yes, because standard input is not a terminal")
    if not click.confirm(question, err=True):
        raise ReprovError("not done, as you answered")
