"""reprov build: words in, a role tree out."""

from pathlib import Path

import click

from reprov.cli import options
from reprov.cli.tables import human_files, human_time, print_json
from reprov.events import Monitor


@click.command()
@click.argument("role")
@click.option("--version", required=True, metavar="V", help="The version to build.")
@click.option(
    "--from",
    "from_version",
    metavar="VERSION",
    help="Start from this version of the role and upgrade its packages, rather than from the role that it extends.",
)
@click.option("--parent-version", metavar="VERSION", help="The version of the role that it extends.  [default: the newest]")
@click.option("--skip-repository", "skipped", multiple=True, metavar="NAME", help="Leave out a repository of the role; may be repeated.")
@options.store
@options.library
@options.as_json
@options.monitored
def build(
    role: str,
    version: str,
    from_version: str | None,
    parent_version: str | None,
    skipped: tuple[str, ...],
    store: Path,
    library: Path | None,
    as_json: bool,
    monitor: Monitor,
) -> None:
    """Build a version of a role from its definition, into the build directory of the store.

    \b
    reprov build base --version 1.0               a first tree
    reprov build base --version 1.1 --from 1.0    the same with today's packages
    """
    from reprov.workflows import build as workflow

    wanted = workflow.Wanted(role, version, from_version, parent_version, skipped)
    built = workflow.build(store, library, wanted, monitor)
    if as_json:
        print_json(
            {
                "role": built.role.id.role,
                "version": built.role.id.version,
                "parent": {"role": built.role.parent.role, "version": built.role.parent.version} if built.role.parent else None,
                "folder": str(built.folder),
                "files": built.files,
                "new_ids": built.role.new_ids,
                "elapsed_s": round(built.elapsed_s, 1),
            }
        )
        return
    on = f" on {built.role.parent}" if built.role.parent else ""
    click.echo(f"built {built.role.id}{on}: {human_files(built.files)} in {human_time(built.elapsed_s)}")
    click.echo(f"  {built.folder}")
