"""reprov upgrade: re-image the node in place."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reprov.cli import options
from reprov.cli.afterwards import told_afterwards
from reprov.cli.armed_text import print_armed, reboot_after, require_reboot
from reprov.cli.converge import print_converged
from reprov.cli.settled_text import print_settled, settled_json
from reprov.cli.tables import human_count, human_paths, human_size, human_time, print_json, print_text
from reprov.domain.commit_time import CommitTime
from reprov.domain.data_devices import Proving
from reprov.domain.deployment import State
from reprov.domain.entry import show
from reprov.domain.health import DEFAULT_TIMEOUT_S, Patience
from reprov.domain.labels import Labelling
from reprov.errors import ExitCode
from reprov.events import Monitor

if TYPE_CHECKING:
    from reprov.workflows.after_commit import Finished
    from reprov.workflows.upgrade import Upgraded


@click.command()
@options.release
@options.source
@options.root
@click.option("--stage-only", is_flag=True, help="Fetch, build and check the next tree, but do not exchange anything.")
@options.apply_chown
@options.prove
@options.labels
@options.commit
@options.reboot
@click.option("--no-post", is_flag=True, help="Run no scripts after the exchange; the node stays committed, and is not confirmed.")
@click.option("--retry", is_flag=True, help="Take a release that this node was rolled back from before.")
@click.option(
    "--confirm-timeout",
    "timeout_s",
    type=click.IntRange(min=1),
    default=DEFAULT_TIMEOUT_S,
    show_default=True,
    metavar="SECONDS",
    help="How long a live node may take, when all else is done, to be as well as before: network, services, ssh, install server.",
)
@click.option("--await-confirm", is_flag=True, help="Go back unless `reprov confirm` is run on the node within that time, too.")
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
    commit: CommitTime,
    reboots: bool,
    no_post: bool,
    retry: bool,
    timeout_s: int,
    await_confirm: bool,
    as_json: bool,
    monitor: Monitor,
) -> ExitCode:
    """Re-image the node to VERSION: plan, stage beside the live tree, check, exchange, keep the way back, run the scripts of the hop.

    A failure before the exchange leaves the node as it was; one after it rolls the node back (status 5), and keeps it from that
    release until --retry. It is a failure, too, when a live node is less well than it was before. Status 100: all is well, and a
    script wants a reboot. `reprov plan` shows beforehand what would happen.
    """
    from reprov.domain.source import Source
    from reprov.workflows.upgrade import upgrade as upgrade_node

    require_reboot(root, reboots=reboots)
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
        commit=commit,
        reboots=reboots,
        patience=Patience(timeout_s, await_confirm),
        labelling=labelling,
        monitor=monitor,
    )
    with told_afterwards():
        _answer(done, as_json=as_json, stage_only=stage_only)
    if done.state is State.ARMED or (done.after and done.after.reboot_reasons):
        return reboot_after(root, f"upgrade to {done.plan.release}", reboots=reboots)
    return ExitCode.DONE


def _answer(done: "Upgraded", *, as_json: bool, stage_only: bool) -> None:
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
                "armed": list(done.plan.commit.reasons) if done.state is State.ARMED else None,
                "conflicts": [show(conflict.path) for conflict in done.plan.conflicts],
                "storage": done.proof.verdict if done.proof else None,
                "after": _after_json(done.after) if done.after else None,
            }
        )
    elif done.state is State.ARMED:
        print_armed(f"{done.plan.release} is staged and checked", done.plan.commit.reasons)
    elif done.plan.is_empty:
        click.echo(f"{done.plan.release}: nothing to do")
    elif stage_only:
        click.echo(f"{done.plan.release} is staged; `reprov upgrade` without --stage-only exchanges it")
    else:
        paths, count = human_paths(len(done.plan.comparison.changes)), len(done.plan.swaps.ops)
        exchanges = f"{human_count(count)} exchange{'' if count == 1 else 's'}"
        fetched, mixed = human_size(done.plan.fetch_bytes), human_time(done.mixed_s)
        click.echo(f"{done.plan.release} is installed: {paths} by {exchanges} in {mixed}, {fetched} fetched")
        if done.after:
            _print_after(done.after)
        if done.proof:
            click.echo(done.proof.verdict)
        if done.plan.conflicts:
            beside, total = sum(1 for conflict in done.plan.conflicts if conflict.new), len(done.plan.conflicts)
            listed = "them" if beside == total else f"{human_count(beside)} of them, `reprov history --json` all"
            click.echo(f"{human_paths(total)} that both sides changed: the node's stay; `reprov conflicts` lists {listed}")


def _after_json(after: "Finished") -> dict[str, Any]:
    return {
        "steps": after.steps,
        "elapsed_s": after.elapsed_s,
        "services": settled_json(after.in_use.settled),
        "kernel": after.in_use.booted.default or None,
        "converged": after.converged.to_fields() if after.converged else None,
        "checks": after.checked.to_fields(),
        "reboot": list(after.reboot_reasons),
    }


def _print_after(after: "Finished") -> None:
    if after.steps:
        click.echo(f"after it: {after.summary}")
    print_settled(after.in_use.settled)
    if after.converged:
        print_converged(after.converged)
    if after.checked.results:
        count = len(after.checked.results)
        click.echo(f"{count} check{'' if count == 1 else 's'} passed")
    for reason in after.asked_for_reboot:
        print_text(f"reboot wanted: {reason}")
