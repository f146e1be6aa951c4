"""reprov lint: everything that is wrong with what people wrote, before a verb stumbles over it."""

from pathlib import Path

import click

from reprov.cli import options
from reprov.cli.tables import human_files, print_json
from reprov.domain.entry import show
from reprov.errors import ExitCode


@click.command()
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(exists=True, path_type=Path))
@options.as_json
def lint(paths: tuple[Path, ...], as_json: bool) -> ExitCode:
    """Check infra.yaml, roles, ownership lists, post-scripts, tables of ids, snippets and procedures.

    PATH is a file or a directory of a site, by default this one. All problems are named, each
    with its file and line; with any of them the exit status is 2.

    \b
    reprov lint
    reprov lint infra.yaml roles/compute/role.yaml
    """
    from reprov.workflows import lint as workflow

    linted = workflow.lint(paths or (Path(),))
    if as_json:
        print_json(linted)
    else:
        for note in linted.notes:
            click.echo(f"note: {_printable(note)}", err=True)
        for problem in linted.problems:
            click.echo(_printable(str(problem)))
            if problem.hint:
                click.echo(f"  hint: {_printable(problem.hint)}")
        click.echo(f"{human_files(len(linted.files))} checked, {len(linted.problems) or 'no'} problem{'s' * (len(linted.problems) != 1)}")
    return ExitCode.INVALID if linted.problems else ExitCode.DONE


def _printable(text: str) -> str:
    return show(text).removeprefix("/")  # file names are in it
