"""reprov diff: what changes between two releases."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reprov.cli import options
from reprov.cli.tables import Table, human_count, human_size, labelled, print_json, print_table

if TYPE_CHECKING:
    from reprov.domain.hop import Hop
    from reprov.domain.packages import PackageChange

_ANY_ARCHITECTURE = ("all", "noarch")


@click.command()
@click.argument("role")
@click.argument("old")
@click.argument("new")
@click.option("--files", is_flag=True, help="List the paths, too.")
@options.store
@options.as_json
def diff(role: str, old: str, new: str, files: bool, store: Path, as_json: bool) -> None:
    """Show what changes between two releases of a role: packages, paths, services, sizes."""
    from reprov.domain.release import ReleaseId
    from reprov.workflows.diff import diff as compare
    from reprov.workflows.diff import post_script_of

    releases = ReleaseId.of(role, old), ReleaseId.of(role, new)
    hop, post = compare(store, *releases), post_script_of(store, *releases)
    scripts = None if post is None else [step.script for step in post.steps]
    if as_json:
        _print_json(hop, scripts, files=files)
    else:
        _print_words(hop, scripts, files=files)


def _print_json(hop: "Hop", scripts: Sequence[str] | None, *, files: bool) -> None:
    answer: dict[str, object] = {
        "packages": hop.packages,
        "paths": _counts(hop),
        "services": hop.services,
        "scripts": scripts,
        "size_before_bytes": hop.size_before_bytes,
        "size_after_bytes": hop.size_after_bytes,
        "fetch_bytes": hop.fetch_bytes,
    }
    if files:
        answer["files"] = [{"path": path, "change": change} for path, change in hop.paths.items()]
    print_json(answer)


def _print_words(hop: "Hop", scripts: Sequence[str] | None, *, files: bool) -> None:
    from reprov.domain.entry import show

    for table in _package_tables(hop.packages):
        print_table(table)
        click.echo()
    if files and hop.paths:
        print_table(Table.of("CHANGE", "PATH", rows=[(change, show(path)) for path, change in hop.paths.items()]))
        click.echo()
    click.echo("packages: " + _sums([change.change for change in hop.packages]))
    click.echo("paths:    " + (", ".join(f"{human_count(count)} {change}" for change, count in _counts(hop).items() if count) or "none"))
    click.echo(labelled("services: ", hop.services))
    if scripts is not None:
        click.echo(f"scripts:  {human_count(len(scripts))} after the commit")
    click.echo(
        f"size:     {human_size(hop.size_before_bytes)} -> {human_size(hop.size_after_bytes)}, {human_size(hop.fetch_bytes)} to fetch"
    )


def _package_tables(packages: "Sequence[PackageChange]") -> list[Table]:
    """A table for each kind of change, so that names and versions, which are long, have the line to themselves."""
    several = len({change.arch for change in packages} - set(_ANY_ARCHITECTURE)) > 1
    tables = []
    for kind in sorted({change.change for change in packages}):
        chosen = [change for change in packages if change.change == kind]
        names = [f"{change.name}:{change.arch}" if several and change.arch not in _ANY_ARCHITECTURE else change.name for change in chosen]
        if all(change.before and change.after for change in chosen):
            rows = [(name, change.before, change.after) for name, change in zip(names, chosen, strict=True)]
            tables.append(Table.of(kind.upper(), "BEFORE", "AFTER", rows=rows))
        else:
            versions = [(name, change.before or change.after) for name, change in zip(names, chosen, strict=True)]
            tables.append(Table.of(kind.upper(), "VERSION", rows=versions))
    return tables


def _counts(hop: "Hop") -> dict[str, int]:
    from reprov.domain.hop import CHANGES

    return {change: hop.count(change) for change in CHANGES}


def _sums(words: list[str]) -> str:
    return ", ".join(f"{human_count(words.count(word))} {word}" for word in sorted(set(words))) or "none"
