"""reprov rescue-image: a role tree in, kernel and initramfs out."""

import os
from pathlib import Path

import click

from reprov.cli import options
from reprov.cli.tables import human_count, human_size, print_json
from reprov.errors import InvalidInput
from reprov.events import Monitor

_FILE = click.Path(exists=True, dir_okay=False, resolve_path=True, path_type=Path)


@click.command()
@click.argument("role", required=False)
@click.argument("version", required=False)
@click.option(
    "--tree",
    type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path),
    metavar="DIR",
    help="Make it of this tree, rather than of a version of the store.",
)
@click.option(
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The directory of vmlinuz and initrd.img; it is made, or replaced as a whole when it holds nothing else.",
)
@click.option("--kernel", metavar="VERSION", help="The kernel, where the tree has several.  [default: the newest]")
@click.option("--ssh-key", "ssh_keys", type=_FILE, multiple=True, metavar="FILE", help="Public keys that may log in; may be repeated.")
@click.option(
    "--layout", "layouts", type=_FILE, multiple=True, metavar="FILE", help="A layout to bake in, for reprov.layout=NAME; may be repeated."
)
@options.store
@options.as_json
@options.monitored
def rescue_image(
    role: str | None,
    version: str | None,
    tree: Path | None,
    output: Path,
    kernel: str | None,
    ssh_keys: tuple[Path, ...],
    layouts: tuple[Path, ...],
    store: Path,
    as_json: bool,
    monitor: Monitor,
) -> None:
    """Make kernel and initramfs of a role tree, to boot nodes over the network for inventory and installation.

    \b
    reprov rescue-image rescue 1.0 --output /srv/tftp/rescue --ssh-key KEY.pub
    reprov rescue-image --tree DIR --output /srv/tftp/rescue

    What the node then does stands on its kernel command line: reprov.ip=dhcp|none|ADDRESS/PREFIX[,GATEWAY][,DNS][,DEVICE],
    reprov.install=ROLE/VERSION@SOURCE, reprov.layout=NAME|/PATH|URL, reprov.new-node=yes|no, reprov.then=reboot|poweroff|shell.

    Everybody can read the image: no passwords, host keys or files that only root may read get into it. With
    SOURCE_DATE_EPOCH in the environment no time in it is later, and the same tree gives the same bytes.
    """
    from reprov.domain.release import ReleaseId
    from reprov.workflows import rescue_image as workflow

    if (tree is None) == (role is None):
        raise InvalidInput("which tree? ROLE VERSION, or --tree DIR", hint="reprov rescue-image --help")
    if tree is None:
        if role is None or version is None:
            raise InvalidInput("which release? a role and a version are needed", hint="reprov rescue-image --help")
        tree = workflow.tree_of(store, ReleaseId.of(role, version))
    wanted = workflow.WantedImage(output.absolute(), kernel, ssh_keys, layouts, _source_date_epoch_s())
    made = workflow.make_rescue_image(tree, wanted, monitor)
    if as_json:
        print_json(made)
        return
    click.echo(f"{made.folder}: vmlinuz {made.kernel}, initrd.img {human_size(made.initrd_bytes)}")
    click.echo(f"  {human_count(made.paths)} paths, which take {human_size(made.unpacked_bytes)} of a node's memory")


def _source_date_epoch_s() -> int | None:
    """https://reproducible-builds.org/specs/source-date-epoch/"""
    text = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()):
        raise InvalidInput(f"SOURCE_DATE_EPOCH={text}: not a number of seconds")
    return int(text)
