"""reprov rollout plan: a procedure on the hosts of an infra, to be read, approved and run."""

import platform
import re
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reprov.cli import options
from reprov.cli.tables import Table, human_count, print_json, print_table, print_text
from reprov.errors import ExitCode, InvalidInput

if TYPE_CHECKING:
    from reprov.domain.procedure import Applied
    from reprov.workflows.rollout_plan import Planned

_FILE = click.Path(exists=True, dir_okay=False, resolve_path=True, path_type=Path)
_FEW_SERVICES = 2
_WIDTH = 80
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@click.command("plan")
@click.argument("words", nargs=-1, required=True, metavar="[DIR] ROLE=VERSION...")
@click.option("--infra", "infra_file", type=_FILE, default="infra.yaml", show_default=True, metavar="FILE", help="The hosts and profiles.")
@click.option("--procedure", default="re-image", show_default=True, metavar="NAME", help="A procedure of the library.")
@click.option("--now", "known", multiple=True, metavar="ROLE=VERSION", help="What hosts have now. [default: what was published before]")
@click.option("--from", "source", metavar="SOURCE", help="Where nodes fetch from. [default: rsync://THIS-HOST:8730]")
@click.option("--format", "form", type=click.Choice(["text", "markdown", "json"]), default="text", show_default=True, help="How to answer.")
@click.option("--canary", type=click.IntRange(min=0), metavar="N", help="So many hosts of each stage go first. [default: 1]")
@click.option(
    "--batch", "batches", multiple=True, metavar="N|N%", help="The next batch after the canaries; the last one stays. [default: 1]"
)
@click.option("--by-domain", is_flag=True, help="No batch has hosts of two failure domains.")
@click.option("--max-unavailable", type=click.IntRange(min=1), metavar="N", help="So many hosts may be unavailable at a time.")
@click.option("--max-unavailable-per-domain", type=click.IntRange(min=1), metavar="N", help="So many of one failure domain at a time.")
@click.option("--max-failures", type=click.IntRange(min=0), metavar="N", help="Begin no further host after more failed ones. [default: 0]")
@click.option("--soak", "soak_s", type=click.FloatRange(min=0), metavar="SECONDS", help="Wait so long between batches.")
@click.option("--window", "windows", multiple=True, metavar="WINDOW", help='Hosts begin only then, in UTC: "mon-fri 22:00-04:00".')
@click.option("--ask-after-canary", is_flag=True, help="Wait behind the canaries of each stage until `resume`.")
@options.store
@options.library
def plan(
    words: tuple[str, ...],
    infra_file: Path,
    procedure: str,
    known: tuple[str, ...],
    source: str | None,
    form: str,
    store: Path,
    library: Path | None,
    **policy: object,
) -> ExitCode:
    """Plan a rollout: which hosts get what, in which order, and why. With DIR, write it there to be run.

    \b
    reprov rollout plan compute=1.2
    reprov rollout plan --procedure openstack-basic --format markdown controller=2.0 compute=2.0
    reprov rollout plan /var/lib/reprov/may controller=2.0 compute=2.0 && reprov rollout run /var/lib/reprov/may

    Exit status 0: every host has its release; 3: there is something to do; 4: DIR cannot be used.
    """
    from reprov.domain.rollout_policy import Policy
    from reprov.workflows import rollout_plan as workflow

    directories = [word for word in words if "=" not in word]
    if len(directories) > 1:
        raise InvalidInput(f"one directory is made, not {' and '.join(map(repr, directories))}", hint="a release is ROLE=VERSION")
    wanted = _versions(word for word in words if "=" in word)
    if not wanted:
        raise InvalidInput("it is not said what is to be rolled out", hint="ROLE=VERSION, for each role that gets another release")
    rules = Policy.of({name: value for name, value in policy.items() if value is not None and value != ()}, "command line")
    source = source or f"rsync://{platform.node()}:8730"
    directory = Path(directories[0]).absolute() if directories else None
    name = directory.name if directory else procedure
    if not _NAME.fullmatch(name):
        raise InvalidInput(f"{name!r} is no name for a rollout, whose backups on hosts go by it", hint="letters, digits, dots and dashes")
    planned = workflow.plan(infra_file, procedure, store, source, wanted, _versions(known), rules, name, library)
    if directory:
        workflow.write(planned, directory)
    if form == "markdown":
        click.echo(planned.runbook, nl=False)
    elif form == "json":
        _print_json(planned)
    else:
        _print_text(planned)
    return ExitCode.PENDING if planned.is_needed else ExitCode.DONE


def _versions(words: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in words:
        role, _, version = word.partition("=")
        if not role or not version:
            raise InvalidInput(f"{word!r} is not ROLE=VERSION")
        if role in found:
            raise InvalidInput(f"the role {role!r} has two versions, {found[role]} and {version}")
        found[role] = version
    return found


def _print_text(planned: "Planned") -> None:
    from reprov.domain.runbook import releases

    print_text(f"{planned.procedure.name}: {planned.procedure.title}, on {planned.infra.name} ({_hosts(len(planned.infra.hosts))})")
    for line in releases(planned.procedure, planned.infra, planned.gets, planned.before):
        print_text(line)
    click.echo()
    rows = [
        (item.stage.name, human_count(len(item.stage.hosts)), item.stage.spread.value, _tags(item.stage.tags), _services(item))
        for item in planned.stages
    ]
    print_table(Table.of("STAGE", "> HOSTS", "HOW", "STEPS", "SERVICES THAT CHANGE", rows=rows))
    if planned.left_out:
        click.echo()
        print_table(Table.of("LEFT OUT", "WHY", rows=[(item.rule.name, item.reason) for item in planned.left_out]))
    click.echo()
    for line in textwrap.wrap(f"impact: {planned.procedure.impact}", _WIDTH):
        print_text(line)


def _print_json(planned: "Planned") -> None:
    print_json(
        {
            "procedure": planned.procedure.name,
            "infra": planned.infra.name,
            "releases": planned.rollout.releases,
            "before": {profile: release.version for profile, release in planned.before.items()},
            "policy": planned.rollout.policy.model_dump(),
            "impact": planned.procedure.impact,
            "stages": [
                {
                    **item.stage._asdict(),
                    "impact": item.rule.impact,
                    "before": [check.name for check in item.rule.before],
                    "actions": [{"tag": tag, "action": action.name} for tag, action in item.rule.actions],
                    "after": [check.name for check in item.rule.after],
                    "undo": {"text": item.rule.undo.text, "actions": [action.name for action in item.rule.undo.actions]},
                    "derived": item.derived,
                }
                for item in planned.stages
            ],
            "left_out": [{"stage": item.rule.name, "reason": item.reason} for item in planned.left_out],
        }
    )


def _services(item: "Applied") -> str:
    services = list(dict.fromkeys(touched.service for found in item.derived for touched in found.services))
    if len(services) > _FEW_SERVICES:
        return f"{', '.join(services[:_FEW_SERVICES])} and {len(services) - _FEW_SERVICES} more"
    return ", ".join(services) or "-"


def _tags(tags: tuple[int, ...]) -> str:
    return f"{tags[0]}-{tags[-1]}" if tags == tuple(range(tags[0], tags[-1] + 1)) and len(tags) > 2 else ",".join(map(str, tags))


def _hosts(count: int) -> str:
    return f"{human_count(count)} host{'' if count == 1 else 's'}"
