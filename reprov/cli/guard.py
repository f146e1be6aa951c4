"""reprov guard: run a command that cannot write to the data devices."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reprov.cli import options
from reprov.cli.tables import Table, print_json
from reprov.domain.entry import show
from reprov.events import Monitor

if TYPE_CHECKING:
    from reprov.domain.guard import Refusal
    from reprov.workflows.guarded import Guard

_STDOUT, _STDERR = 1, 2


@click.command(context_settings={"allow_interspersed_args": False})
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND [ARGUMENT...]")
@options.root
@options.as_json
@options.monitored
def guard(command: tuple[str, ...], root: Path, as_json: bool, monitor: Monitor) -> int:
    """Run a command with the data devices guarded: nothing that it starts writes to one of them.

    For Puppet, Ansible and scripts. mkfs, wipefs, sgdisk, ceph-volume zap and their like are refused on data devices, and so is
    every open for writing; the command is stopped at the first refusal. Other devices, files and images work as ever. With --root
    it runs in a chroot. What it leaves running in the background is ended. Not guarded is what it has done by systemd, cron, ssh
    or a container engine.

    The command gets PATH and locale of reprov's own, HOME, TERM, SSH_AUTH_SOCK and no other variable; "env NAME=VALUE COMMAND"
    gives it more.

    \b
    reprov guard -- puppet apply site.pp

    Exit status: the command's own; 4 when something was refused.
    """
    from reprov.workflows.guarded import DataGuarded, guarded
    from reprov.workflows.inventory import take_inventory
    from reprov.workflows.node import require_root

    require_root("guard the devices of a machine")
    inventory = take_inventory(root, monitor=monitor)
    with guarded(inventory, root) as opened:
        try:
            status = opened.run(command, stdout_fd=_STDERR if as_json else _STDOUT, stderr_fd=_STDERR)
        except DataGuarded as error:
            if as_json:
                print_json(_fields(command, error.exit_code, opened))
            else:
                click.echo(refusals_text(opened.refusals), err=True)
            raise
        if as_json:
            print_json(_fields(command, status, opened))
    return status


def _fields(command: tuple[str, ...], status: int, opened: "Guard") -> dict[str, object]:
    return {"command": command, "status": int(status), "guarded": opened.guarded.devices, "refusals": opened.refusals}


def refusals_text(refusals: "list[Refusal]") -> str:
    """The refusals of a guard as a table, for a terminal or a log."""
    rows = [
        (shlex.join((refusal.program, *refusal.arguments)), refusal.device or "-", refusal.reason, str(refusal.pid), refusal.script)
        for refusal in refusals
    ]
    printable = [[show(cell)[1:] for cell in row] for row in rows]
    return "\n".join(Table.of("REFUSED", "DEVICE", "REASON", "> PID", "CALLED BY", rows=printable).lines())
