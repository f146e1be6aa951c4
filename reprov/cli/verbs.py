"""The verbs: where each runs and what it does in a line. Nothing is imported until a verb is typed.

A verb NAME is the click command of that name in the module `reprov.cli.NAME`, dashes as underscores.
"""

import importlib
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, cast

if TYPE_CHECKING:
    import click


class Section(StrEnum):
    """Which machine a verb is for; the value is the heading in the help."""

    SERVER = "On the install server"
    NODE = "On a node"


class Verb(NamedTuple):
    """A line of the help."""

    section: Section
    summary: str


VERBS = {
    "lint": Verb(Section.SERVER, "Check infra.yaml, roles, lists, templates, playbooks."),
    "build": Verb(Section.SERVER, "Build a version of a role from its definition."),
    "publish": Verb(Section.SERVER, "Seal a tree into the store as a release."),
    "releases": Verb(Section.SERVER, "List the releases of the store, or check them."),
    "diff": Verb(Section.SERVER, "Show what changes between two releases."),
    "prune": Verb(Section.SERVER, "Delete old releases from the store."),
    "serve": Verb(Section.SERVER, "Serve the store to nodes, read-only, over rsync."),
    "rescue-image": Verb(Section.SERVER, "Make kernel and initramfs to boot nodes for installation."),
    "import-edeploy": Verb(Section.SERVER, "Turn eDeploy's metadata into a site directory."),
    "rollout": Verb(Section.SERVER, "Take many nodes to another release, through Ansible."),
    "inventory": Verb(Section.NODE, "Show disks, OSDs, mounts, network, and which devices are data."),
    "prove": Verb(Section.NODE, "Fingerprint the data devices, or compare with an earlier proof."),
    "activate": Verb(Section.NODE, "Bring the OSDs up, and see that they are the same ones."),
    "guard": Verb(Section.NODE, "Run a command that cannot write to the data devices."),
    "plan": Verb(Section.NODE, "Show everything that an upgrade would do, and why."),
    "upgrade": Verb(Section.NODE, "Stage a release and swap it in."),
    "install": Verb(Section.NODE, "Install a node anew from outside, with its data left alone."),
    "disarm": Verb(Section.NODE, "Forget what waits for the next boot."),
    "rollback": Verb(Section.NODE, "Go back to the deployment before this one."),
    "confirm": Verb(Section.NODE, "Say that a node which waits for it can be reached."),
    "status": Verb(Section.NODE, "Show the staged, the current and the previous deployment."),
    "history": Verb(Section.NODE, "List what was deployed, when, and how it ended."),
    "verify": Verb(Section.NODE, "Find what differs from the installed release."),
    "converge": Verb(Section.NODE, "Run Puppet or Ansible as the role says, judged by its checks."),
    "check": Verb(Section.NODE, "Run the role's checks."),
    "pkgmngr": Verb(Section.NODE, "Keep people from using the package manager, or let them."),
    "conflicts": Verb(Section.NODE, "List and settle what node and release both changed."),
    "explain": Verb(Section.NODE, "Show whose a path is, and the rule that says so."),
    "learn": Verb(Section.NODE, "Propose ownership lists for a node that runs."),
    "rescue-boot": Verb(Section.NODE, "Do what the kernel command line says, in the rescue system."),
    "recover": Verb(Section.NODE, "Finish or undo an interrupted commit."),
}


def load(name: str) -> "click.Command":
    """The command of a verb of `VERBS`; importing it is the verb's own cost and nobody else's."""
    attribute = name.replace("-", "_")
    command = cast("click.Command", getattr(importlib.import_module(f"reprov.cli.{attribute}"), attribute))
    command.short_help = VERBS[name].summary
    return command
