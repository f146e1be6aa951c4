"""reprov explain: whose a path is."""

from pathlib import Path

import click

from reprov.cli import options
from reprov.cli.tables import print_json
from reprov.domain.entry import show
from reprov.errors import ExitCode


@click.command()
@click.argument("path")
@options.root
@options.as_json
def explain(path: str, root: Path, as_json: bool) -> ExitCode:
    """Show whose PATH is (image, keep, add-only, merge, accounts, protected), by which rule, and what the release says of it."""
    from reprov.workflows.explain import explain as explain_path

    found = explain_path(root, path)
    rule = None if found.is_account or found.fence else found.verdict.rule
    owner = "protected" if found.fence else "accounts" if found.is_account else found.verdict.owner.value
    if as_json:
        print_json(
            {
                "path": show(found.path),
                "class": owner,
                "rule": str(rule) if rule else None,
                "place": rule.place if rule else None,
                "protected": {"path": show(found.fence.path), "reason": found.fence.kept} if found.fence else None,
                "release": str(found.release),
                "package": found.package or None,
                "digest": found.entry.digest or None if found.entry else None,
            }
        )
        return ExitCode.DONE
    through = f" (where {show(found.asked)} leads)" if found.asked != found.path else ""
    click.echo(f"path     {show(found.path)}{through}")
    click.echo(f"class    {owner}")
    if found.fence:
        click.echo(f"rule     built in: {show(found.fence.path)} stays as it is ({found.fence.kept})")
    elif found.is_account:
        click.echo("rule     built in: the six account files are merged together, entry by entry")
    else:
        click.echo(f"rule     {f'{rule} ({rule.place})' if rule else 'none: what no list names is the image' + chr(39) + 's'}")
    click.echo(f"package  {found.package or 'none'}")
    if found.entry is None:
        click.echo(f"release  {found.release} has no such path")
    else:
        digest = f" sha256 {found.entry.digest}" if found.entry.digest else ""
        click.echo(f"release  {found.release}: {found.entry.kind.value} mode {found.entry.mode:04o}{digest}")
    return ExitCode.DONE
