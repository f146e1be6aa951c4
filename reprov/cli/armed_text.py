"""What is said of a change that waits for the next boot, and the reboot that it waits for."""

from collections.abc import Sequence
from pathlib import Path

import click

from reprov.cli.tables import print_text
from reprov.errors import ExitCode

_SHOWN = 3


def print_armed(what: str, reasons: Sequence[str]) -> None:
    """Say that it waits, and why."""
    click.echo(f"{what}; the next boot exchanges the trees, before anything runs")
    for reason in reasons[:_SHOWN]:
        print_text(f"not now: {reason}")
    if (more := len(reasons) - _SHOWN) > 0:
        click.echo(f"and {more} more reason{'' if more == 1 else 's'}; --json lists them")


def require_reboot(root: Path, *, reboots: bool) -> None:
    """Raise `Refused` where the node is to reboot by itself, and could not: asked before anything is done for it."""
    if reboots:
        from reprov.workflows.reboot import refuse_no_reboot

        refuse_no_reboot(root)


def reboot_after(root: Path, why: str, *, reboots: bool) -> ExitCode:
    """Reboot the node if it is to do that by itself; the exit status of a verb that waits for a reboot.

    Raises `Refused` where it cannot, with everything left as it is armed.
    """
    if reboots:
        from reprov.workflows.reboot import reboot_now

        reboot_now(root, why)
    return ExitCode.REBOOT_WANTED
