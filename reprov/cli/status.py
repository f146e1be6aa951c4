"""reprov status: what the node is, was, and is about to be."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from reprov.cli import options
from reprov.cli.tables import human_steps, human_time, print_json, print_text
from reprov.errors import ExitCode

if TYPE_CHECKING:
    from reprov.domain.post_progress import Progress


@click.command()
@options.root
@options.as_json
def status(root: Path, as_json: bool) -> ExitCode:
    """Show the installed, the staged and the previous deployment."""
    from reprov.workflows.status import status as status_of

    found = status_of(root)
    deployment, after = found.deployment, found.after
    if as_json:
        print_json(
            {
                "state": deployment.state,
                "installed": str(deployment.installed) if deployment.installed else None,
                "target": str(deployment.target) if deployment.target else None,
                "previous": str(deployment.previous) if deployment.previous else None,
                "can_roll_back": deployment.has_previous,
                "interrupted": found.interrupted,
                "source": deployment.source,
                "changed_at": deployment.changed_at,
                "storage": found.storage or None,
                "armed": list(found.armed) or None,
                "confirm_within_s": found.confirm_within_s,
                "reboot": list(found.reboot),
                "steps": {"done": len(after.done), "total": after.steps, "end": after.end or None} if after else None,
                "quarantined": [item.to_fields() for item in found.quarantined],
            }
        )
        return ExitCode.DONE
    if deployment.state is None:
        click.echo("reprov has never changed this node")
        return ExitCode.DONE
    click.echo(f"state      {deployment.state.value} since {deployment.changed_at}")
    click.echo(f"installed  {deployment.installed or 'not a release'}")
    if deployment.target:
        click.echo(f"target     {deployment.target}")
    for reason in found.armed:
        print_text(f"next boot  {reason}")
    previous = deployment.previous or "not a release"
    click.echo(f"previous   {previous if deployment.has_previous else 'none'}")
    click.echo(f"source     {deployment.source}")
    if after and (after.steps or after.end not in ("", "confirmed")):
        click.echo(f"scripts    {_told(after)}")
    if found.confirm_within_s is not None:
        click.echo(f"confirm    `reprov confirm`, over a new connection, within {human_time(found.confirm_within_s)}, or it goes back")
    for item in found.quarantined:
        print_text(f"refused    {item.release} since {item.since}: {item.reason}")
    if found.storage:
        click.echo(f"storage    {found.storage}")
    for reason in found.reboot:
        print_text(f"reboot     {reason}")
    if found.interrupted:
        click.echo("interrupted: the next change, or `reprov recover`, finishes or undoes it")
    return ExitCode.DONE


def _told(after: "Progress") -> str:
    """What ran after the last commit, and how it ended."""
    if after.end == "confirmed":
        return human_steps(len(after.done))
    if after.end:
        return f"failed after {human_steps(len(after.done))}: {after.end}"
    return f"{human_steps(len(after.done))} done, {after.steps} from the scripts of the release"
