"""reprov publish: words in, a release out."""

from pathlib import Path

import click

from reprov.cli import options
from reprov.cli.tables import human_count, human_size, print_json
from reprov.errors import InvalidInput
from reprov.events import Monitor


@click.command()
@click.argument("role", required=False)
@click.argument("version", required=False)
@click.option(
    "--tree",
    type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path),
    metavar="DIR",
    help="Publish this tree, built elsewhere; it is copied and stays as it is.",
)
@click.option("--role", "role_option", metavar="ROLE", help="With --tree: the role.")
@click.option("--version", "version_option", metavar="V", help="With --tree: the version.")
@click.option(
    "--lists",
    metavar="NAMES",
    help="With --tree: the concerns of excludes/ to publish it with, in order.  [default: base,identity,network,ssh,logs-and-caches]",
)
@click.option(
    "--filesystems",
    metavar="NAMES",
    help="With --tree: what the release manages where a node has it on a filesystem of its own.  [default: boot,usr,var and the like]",
)
@options.store
@options.library
@options.as_json
@options.monitored
def publish(
    role: str | None,
    version: str | None,
    tree: Path | None,
    role_option: str | None,
    version_option: str | None,
    lists: str | None,
    filesystems: str | None,
    store: Path,
    library: Path | None,
    as_json: bool,
    monitor: Monitor,
) -> None:
    """Seal a tree into the store as a release.

    \b
    reprov publish ROLE VERSION                        what reprov build made
    reprov publish --tree DIR --role R --version V     a tree made elsewhere
    """
    from reprov.domain.release import MANAGED_FILESYSTEMS, ReleaseId
    from reprov.workflows import publish as workflow

    if tree is None:
        if lists is not None or filesystems is not None:
            raise InvalidInput("--lists and --filesystems go with --tree; those of a built role are in its role.yaml")
        candidate = workflow.built(store, ReleaseId.of(*_names(role or role_option, version or version_option)))
    else:
        if role is not None:
            raise InvalidInput("--tree goes with --role and --version, not with bare words")
        candidate = workflow.Candidate(
            ReleaseId.of(*_names(role_option, version_option)),
            tree,
            _words(lists) if lists is not None else workflow.DEFAULT_CONCERNS,
            _paths(filesystems) if filesystems is not None else MANAGED_FILESYSTEMS,
        )
    published = workflow.publish(store, library, candidate, monitor)
    if as_json:
        print_json(
            {
                "role": published.release.id.role,
                "version": published.release.id.version,
                "serial": published.release.serial,
                "paths": published.paths,
                "size_bytes": published.size_bytes,
                "new_bytes": published.new_bytes,
                "compared_with": [base.version for base in published.hops],
                "hop_scripts": [script.path for script in published.hop_scripts],
            }
        )
        return
    click.echo(f"published {published.release.id} (serial {published.release.serial})")
    size, new = human_size(published.size_bytes), human_size(published.new_bytes)
    if published.hop_scripts:
        click.echo(f"  with {', '.join(script.name for script in published.hop_scripts)}")
    click.echo(f"  {human_count(published.paths)} paths, {size}, of which {new} are new in the store")


def _names(role: str | None, version: str | None) -> tuple[str, str]:
    if role is None or version is None:
        raise InvalidInput("which release? a role and a version are needed", hint="reprov publish --help")
    return role, version


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _paths(text: str) -> tuple[str, ...]:
    return tuple(path for word in _words(text) if (path := word.strip("/")))
