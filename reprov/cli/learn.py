"""reprov learn: ownership lists that a node would want, as text to review."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from reprov.cli import options
from reprov.cli.tables import print_json
from reprov.domain.entry import show
from reprov.events import Monitor

if TYPE_CHECKING:
    from reprov.domain.learn import Made, Proposal
    from reprov.workflows.learn import Learned


@click.command()
@options.root
@click.option("--lists", default="base", show_default=True, metavar="NAMES", help="The concerns of excludes/ that class paths already.")
@click.option("--deep", is_flag=True, help="Also read every file of every package, to find those that were changed.")
@click.option("--all", "everything", is_flag=True, help="Also show what the lists class already.")
@options.library
@options.as_json
@options.monitored
def learn(root: Path, lists: str, deep: bool, everything: bool, library: Path | None, as_json: bool, monitor: Monitor) -> None:
    """Propose ownership lists for a node that runs, managed by reprov or not; nothing is applied.

    The answer is the text of lists to review: cut it at the section lines and save the sections below excludes/.
    """
    from reprov.cli.list_text import list_text
    from reprov.workflows.learn import learn as learn_node

    concerns = tuple(word.strip() for word in lists.split(",") if word.strip())
    learned = learn_node(root, library, concerns, deep=deep, measure_all=everything, monitor=monitor)
    if as_json:
        print_json(_as_data(learned, everything))
    else:
        click.echo("\n".join(list_text(learned, everything=everything)))


def _as_data(learned: "Learned", everything: bool) -> dict[str, object]:
    proposals = learned.proposals
    return {
        "root": learned.root,
        "family": learned.family or None,
        "packages": learned.packages,
        "lists": learned.concerns,
        "proposals": [_proposal_as_data(proposal) for proposal in proposals.open],
        "already": [_proposal_as_data(proposal) for proposal in proposals.already] if everything else len(proposals.already),
        "made_by_packages": [_made_as_data(made) for made in proposals.made],
        "mounts": [
            {"path": show(mount.path), "device": mount.source, "filesystem": mount.filesystem, "read_only": mount.read_only}
            for mount in learned.mounts
        ],
        "subvolumes": [show(path) for path in learned.subvolumes],
        "unreadable": [show(path) for path in learned.unreadable],
    }


def _made_as_data(made: "Made") -> dict[str, object]:
    extent = made.extent
    return {"pattern": made.pattern, "why": made.why, "paths": made.paths, "files": extent.files, "size_bytes": extent.size_bytes}


def _proposal_as_data(proposal: "Proposal") -> dict[str, object]:
    rule = proposal.already.rule if proposal.already else None
    return {
        "path": show(proposal.path),
        "class": proposal.already.owner if proposal.already else proposal.owner,
        "line": proposal.line,
        "why": proposal.why,
        "evidence": proposal.evidence,
        "files": proposal.extent.files,
        "size_bytes": proposal.extent.size_bytes,
        "newest": proposal.extent.newest_day if proposal.extent.newest_ns else None,
        "concern": proposal.concern or None,
        "rule": str(rule) if rule else None,
        "place": rule.place if rule else None,
    }
