"""reprov rollback: the previous tree comes back."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from reprov.cli import options
from reprov.cli.afterwards import told_afterwards
from reprov.cli.armed_text import print_armed, reboot_after, require_reboot
from reprov.cli.settled_text import print_settled, settled_json
from reprov.cli.tables import human_time, print_json
from reprov.domain.commit_time import CommitTime
from reprov.domain.data_devices import Proving
from reprov.domain.entry import show
from reprov.domain.labels import Labelling
from reprov.errors import ExitCode
from reprov.events import Monitor

if TYPE_CHECKING:
    from reprov.workflows.rollback import RolledBack

_NO_RELEASE = "the tree from before reprov"


@click.command()
@options.root
@click.option("--accept-changed", is_flag=True, help="Go back even to files that were changed since and cannot be fetched again.")
@options.apply_chown
@options.prove
@options.labels
@options.commit
@options.reboot
@options.as_json
@options.monitored
def rollback(
    root: Path,
    accept_changed: bool,
    apply_chown: bool,
    proving: Proving,
    labelling: Labelling,
    commit: CommitTime,
    reboots: bool,
    as_json: bool,
    monitor: Monitor,
) -> ExitCode:
    """Go back to the tree before the last upgrade; the node's own files stay those of now.

    The previous tree is checked first. Rolling back twice is going forward again.
    """
    from reprov.workflows.rollback import rollback as roll_back_node

    require_reboot(root, reboots=reboots)
    done = roll_back_node(
        root,
        accept_changed=accept_changed,
        apply_chown=apply_chown,
        proving=proving,
        labelling=labelling,
        commit=commit,
        monitor=monitor,
    )
    with told_afterwards():
        _answer(done, as_json=as_json)
    return reboot_after(root, "to go back", reboots=reboots) if done.armed else ExitCode.DONE


def _answer(done: "RolledBack", *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "installed": str(done.installed) if done.installed else None,
                "left": str(done.left) if done.left else None,
                "mixed_s": done.mixed_s,
                "armed": list(done.armed) or None,
                "accepted": [show(path) for path in done.accepted],
                "storage": done.proof.verdict if done.proof else None,
                "services": settled_json(done.settled),
            }
        )
    elif done.armed:
        print_armed(f"{done.installed or _NO_RELEASE} is checked and can come back", done.armed)
    else:
        installed, left = done.installed or _NO_RELEASE, done.left or _NO_RELEASE
        click.echo(f"{installed} is back in {human_time(done.mixed_s)}; {left} is the way forward")
        if done.proof:
            click.echo(done.proof.verdict)
        for path in done.accepted:
            click.echo(f"not what it was: {show(path)}")
        print_settled(done.settled)
