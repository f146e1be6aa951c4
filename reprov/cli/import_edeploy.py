"""reprov import-edeploy: eDeploy's metadata in, a site directory out."""

from pathlib import Path

import click

from reprov.cli import options
from reprov.cli.tables import Table, print_json, print_table
from reprov.errors import InvalidInput


@click.command("import-edeploy")
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path))
@click.option(
    "--from", "olds", multiple=True, metavar="V", help="The version that a hop starts from; may be repeated with --role and --to."
)
@click.option("--role", "roles", multiple=True, metavar="R", help="The role of the hop.")
@click.option("--to", "news", multiple=True, metavar="V", help="The version that the hop leads to.")
@click.option(
    "--family", type=click.Choice(("debian", "rpm")), help="Whose ids an ids.tables holds.  [default: what the versions say: D7-, RH7.0-]"
)
@click.option(
    "--output",
    required=True,
    type=click.Path(resolve_path=True, path_type=Path),
    metavar="DIR",
    help="The site directory to make; it must not exist.",
)
@options.as_json
def import_edeploy(
    folder: Path, olds: tuple[str, ...], roles: tuple[str, ...], news: tuple[str, ...], family: str | None, output: Path, as_json: bool
) -> None:
    """Turn what an eDeploy server knows of its upgrades into a site directory.

    DIR holds metadata/FROM/ROLE/TO/ with exclude, add_only, pre and post, and where they are there
    a node's conf and ids.tables (beside it or in install/TO/). Without --from, --role and
    --to every hop is imported. Nothing of it is executed, and no symbolic link is followed.

    The lists become a concern of the role, pre and post what runs on that very hop, once TO is
    published with --library: after the exchange, pre before and post after the packages' scripts.

    \b
    reprov import-edeploy /var/lib/debootstrap --from D7-H.1.0 --role mysql --to D7-H.1.1 --output site
    """
    from reprov.domain.edeploy_hop import HopName
    from reprov.domain.entry import show
    from reprov.workflows import import_edeploy as workflow

    if not len(olds) == len(roles) == len(news):
        raise InvalidInput("--from, --role and --to go together: each hop needs all three", hint="reprov import-edeploy --help")
    wanted = [HopName.of(*names) for names in zip(olds, roles, news, strict=True)]
    site = workflow.import_edeploy(folder, wanted, family, output)
    if as_json:
        print_json(
            {
                "output": str(output),
                "hops": [{"role": hop.role, "from": hop.old.version, "to": hop.new.version} for hop in site.hops],
                "files": [{"name": file.name, "origin": file.origin} for file in site.files],
                "differences": site.differences,
                "to_look_at": site.to_look_at,
                "left_out": site.left_out,
            }
        )
        return
    click.echo(f"imported {', '.join(str(hop) for hop in site.hops)} into {output}")
    print_table(Table.of("FILE", "FROM", rows=[(file.name, file.origin) for file in site.files]))
    for heading, lines in (
        ("What reprov does otherwise than eDeploy:", site.differences),
        ("Lines of the scripts to look at before they are published:", site.to_look_at),
        ("Left out:", site.left_out),
    ):
        if lines:
            click.echo(heading)
        for line in lines:
            click.echo(f"- {show(line).removeprefix('/')}")  # file names are in it
