"""reprov activate: the OSDs of a node up again, after an upgrade or a reinstall."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from reprov.cli import options
from reprov.cli.afterwards import told_afterwards
from reprov.cli.tables import Table, human_count, print_command, print_json, print_table, print_text
from reprov.domain.entry import show
from reprov.errors import ExitCode, ProofFailed
from reprov.events import Monitor

if TYPE_CHECKING:
    from reprov.domain.activation import Decision, State
    from reprov.workflows.activate import Activation, Outcome


@click.command()
@click.option("--plan", "plan_only", is_flag=True, help="Show what would be done for which OSD, and do nothing.")
@click.option(
    "--expect",
    type=click.Path(exists=True, path_type=Path),
    metavar="FILE",
    help="An earlier proof: its OSDs are to be up afterwards, instead of those that are found.",
)
@options.as_json
@options.monitored
def activate(plan_only: bool, expect: Path | None, as_json: bool, monitor: Monitor) -> ExitCode | None:
    """Bring up every OSD of this machine that is not running, and compare ids and fsids with those before.

    By ceph-volume (lvm, raw, simple), where it is missing by ceph-bluestore-tool or a mount; those of cephadm by their unit
    or by the cluster. What runs is left alone. So is an OSD of which anything contradicts: two of one id, another cluster, a device
    that is missing. Where no systemd runs, directories are made ready and nothing is started.

    \b
    reprov prove --output before.json
    reprov activate --expect before.json

    Exit status with --plan: 0 nothing to do, 3 something, 4 an OSD is left alone. Without: 7 when an OSD is not up.
    """
    from reprov.workflows import activate as workflow
    from reprov.workflows.prove import load_proof

    root = Path("/")
    plan = workflow.plan_activation(root, before=load_proof(expect) if expect else None, monitor=monitor)
    if plan_only:
        _show_plan(plan, as_json=as_json)
        if any(decision.reason for decision in plan.decisions):
            return ExitCode.REFUSED
        return ExitCode.PENDING if plan.pending else None
    outcome = workflow.activate(root, plan, monitor=monitor)
    with told_afterwards():
        _show_outcome(plan, outcome, as_json=as_json)
    if outcome.differences:
        names = ", ".join(dict.fromkeys(difference.device for difference in outcome.differences))
        raise ProofFailed(
            f"not every OSD is up as it was before: {names}",
            hint="find out why before this node, or any other, is changed again",
        )
    return None


def _show_plan(plan: "Activation", *, as_json: bool) -> None:
    from reprov.domain.activation_commands import shown

    if as_json:
        print_json({"osds": [_fields(plan, decision, decision.state, decision.reason) for decision in plan.decisions]})
        return
    if plan.decisions:
        rows = [_row(decision, decision.method.value if decision.method else decision.state.value) for decision in plan.decisions]
        print_table(Table.of("OSD", "KIND", "FSID", "HOW", rows=rows))
        click.echo()
    for argv in dict.fromkeys(argv for decision in plan.decisions for argv in shown(decision, plan.means)):
        print_command([_printable(word) for word in argv])
    for decision in plan.decisions:
        _say(decision, decision.reason)
    click.echo(f"{_count(len(plan.decisions))}, {human_count(len(plan.pending))} to bring up")


def _show_outcome(plan: "Activation", outcome: "Outcome", *, as_json: bool) -> None:
    if as_json:
        osds = [_fields(plan, osd.decision, osd.after, osd.problem) for osd in outcome.osds]
        print_json({"osds": osds, "differences": outcome.differences, "remarks": outcome.remarks})
        return
    if outcome.osds:
        print_table(Table.of("OSD", "KIND", "FSID", "STATE", rows=[_row(osd.decision, osd.after.value) for osd in outcome.osds]))
        click.echo()
    for osd in outcome.osds:
        _say(osd.decision, osd.problem)
    for difference in outcome.differences:
        print_text(_printable(f"{difference.device}: {difference.what} {difference.before}, now {difference.after}"))
    for remark in outcome.remarks:
        print_text(_printable(remark))
    brought_up = sum(osd.decision.method is not None and not osd.problem for osd in outcome.osds)
    click.echo(f"{_count(len(outcome.osds))}, {human_count(brought_up)} brought up")


def _row(decision: "Decision", last: str) -> tuple[str, ...]:
    return decision.name, decision.osd.kind.value, decision.osd.fsid or "-", last


def _say(decision: "Decision", problem: str) -> None:
    if problem:
        print_text(_printable(f"{decision.name}: {problem}"))


def _fields(plan: "Activation", decision: "Decision", state: "State", problem: str) -> dict[str, object]:
    from reprov.domain.activation_commands import shown

    osd = decision.osd
    return {
        "id": osd.id,
        "fsid": osd.fsid,
        "cluster_fsid": osd.cluster_fsid,
        "kind": osd.kind,
        "state": state,
        "method": decision.method,
        "commands": shown(decision, plan.means),
        "problem": problem,
    }


def _count(number: int) -> str:
    return f"{human_count(number)} OSD{'' if number == 1 else 's'}"


def _printable(text: str) -> str:
    return show(text)[1:]
