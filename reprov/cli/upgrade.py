"""reprov upgrade: re-image the node in place."""

from pathlib import Path

import click

from reprov.cli import options
from reprov.cli.tables import human_count, human_paths, human_size, human_time, print_json
from reprov.domain.data_devices import Proving
from reprov.domain.entry import show
from reprov.domain.labels import Labelling
from reprov.errors import ExitCode
from reprov.events import Monitor


@click.command()
@options.release
@options.source
@options.root
@click.option("--stage-only", is_flag=True, help="Fetch, build and check the next tree, but do not exchange anything.")
@options.apply_chown
@options.prove
@options.labels
@click.option("--commit", type=click.Choice(["live"]), default="live", show_default=True, help="When to exchange the trees.")
@click.option("--no-post", is_flag=True, help="Run no scripts after the exchange; the node stays committed, and is not confirmed.")
@click.option("--retry", is_flag=True, help="Take a release that this node was rolled back from before.")
@options.as_json
@options.monitored
def upgrade(
    role: str | None,
    version: str,
    source: str,
    root: Path,
    stage_only: bool,
    apply_chown: bool,
    proving: Proving,
    labelling: Labelling,
    commit: str,
    no_post: bool,
    retry: bool,
    as_json: bool,
    monitor: Monitor,
) -> ExitCode:
    """Re-image the node to VERSION: plan, stage beside the live tree, check, exchange, keep the way back, run the scripts of the hop.

    A failure before the exchange leaves the node as it was; one after it rolls the node back (status 5), and keeps it from that
    release until --retry. Status 100: all is well, and a script wants a reboot. `reprov plan` shows beforehand what would happen.
    """
    from reprov.domain.source import Source
    from reprov.workflows.upgrade import upgrade as upgrade_node

    done = upgrade_node(
        root,
        Source.parse(source),
        role,
        version,
        stage_only=stage_only,
        apply_chown=apply_chown,
        proving=proving,
        no_post=no_post,
        retry=retry,
        labelling=labelling,
        monitor=monitor,
    )
    if as_json:
        print_json(
            {
                "role": done.plan.release.role,
                "version": done.plan.release.version,
                "state": done.state,
                "changed_paths": len(done.plan.comparison.changes),
                "exchanges": len(done.plan.swaps.ops),
                "fetched_bytes": done.plan.fetch_bytes,
                "mixed_s": done.mixed_s,
                "conflicts": [show(conflict.path) for conflict in done.plan.conflicts],
                "storage": done.proof.verdict if done.proof else None,
                "steps": done.after.steps if done.after else 0,
                "reboot_wanted_by": done.after.reboot_wanted_by if done.after else (),
            }
        )
    elif done.plan.is_empty:
        click.echo(f"{done.plan.release}: nothing to do")
    elif stage_only:
        click.echo(f"{done.plan.release} is staged; `reprov upgrade` without --stage-only exchanges it")
    else:
        paths, count = human_paths(len(done.plan.comparison.changes)), len(done.plan.swaps.ops)
        exchanges = f"{human_count(count)} exchange{'' if count == 1 else 's'}"
        fetched, mixed = human_size(done.plan.fetch_bytes), human_time(done.mixed_s)
        click.echo(f"{done.plan.release} is installed: {paths} by {exchanges} in {mixed}, {fetched} fetched")
        if done.after and done.after.steps:
            click.echo(f"after it: {done.after.summary}")
        if done.proof:
            click.echo(done.proof.verdict)
        if done.after and done.after.reboot_wanted_by:
            click.echo(f"reboot wanted by {', '.join(done.after.reboot_wanted_by)}")
        if done.plan.conflicts:
            beside, total = sum(1 for conflict in done.plan.conflicts if conflict.new), len(done.plan.conflicts)
            listed = "them" if beside == total else f"{human_count(beside)} of them, `reprov history --json` all"
            click.echo(f"{human_paths(total)} that both sides changed: the node's stay; `reprov conflicts` lists {listed}")
    return ExitCode.REBOOT_WANTED if done.after and done.after.reboot_wanted_by else ExitCode.DONE
