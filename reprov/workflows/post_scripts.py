"""The post-script of a hop on a node: the published one, or one that is made here, for a node that comes from something else."""

from dataclasses import replace
from pathlib import Path

from reprov.adapters.edeploy_node import release_by_edeploy
from reprov.adapters.node_state import NodeState
from reprov.adapters.package_tree import read_package_tree, read_staged_tree
from reprov.adapters.release_reader import ReleaseFiles
from reprov.adapters.volumes import Volumes
from reprov.domain.comparison import Action
from reprov.domain.hop_script import post_script_between
from reprov.domain.package_databases import PACKAGE_DATABASES
from reprov.domain.post_script import PostScript
from reprov.domain.scan import Scan
from reprov.workflows.plan import Prepared


def post_script_of(root: Path, ready: Prepared, volumes: Volumes) -> PostScript:
    """What runs after the commit of a plan that is staged and whose release the node keeps; asked for before the commit, when the
    live tree is still the old one.

    It is the published one when the node is at a release that the target knows, with the very packages of that release. Raises
    `InvalidInput` for a package database, a fragment, or what eDeploy has left on the node, that cannot be read.
    """
    installed = ready.installed
    # The files lie there since the release is kept; the rest of what is known of it has been read before.
    target = replace(ready.target, directory=NodeState(root).release_directory(ready.target.release.id))
    if installed and _has_its_packages(installed, ready.seen):
        published = target.post_script(installed.release.id)
        if published:
            return published
    old = read_package_tree(root)
    new = read_staged_tree(volumes, ready.target.manifest.entries, str(target.release.id))
    changed = {change.path for change in ready.plan.comparison.changes if change.action is not Action.METADATA}
    of_hops = target.hop_fragments
    before = installed.release.id if installed else None
    if before is None and of_hops:
        before = release_by_edeploy(root)
    return post_script_between(before, target.release.id, old, new, changed, target.fragments, of_hops)


def _has_its_packages(installed: ReleaseFiles, seen: Scan) -> bool:
    """False when a package manager has been at work since."""
    promised = [installed.manifest.entries[path] for path in PACKAGE_DATABASES if path in installed.manifest.entries]
    return all(entry.path in seen.entries and seen.entries[entry.path].digest == entry.digest for entry in promised)
