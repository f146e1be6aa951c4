"""Has the node drifted from its release? Compared as an upgrade to what is installed would be, by owner package."""

from dataclasses import dataclass, replace
from pathlib import Path

from reprov.adapters.files import opened_directory
from reprov.adapters.mounts import read_mounts
from reprov.adapters.standing import read_standing
from reprov.adapters.statcache import EMPTY
from reprov.adapters.survey import survey
from reprov.domain.beside import original_of
from reprov.domain.comparison import Action, Change, compare
from reprov.domain.entry import Kind
from reprov.domain.ground import find_ground
from reprov.domain.labels import Labelling
from reprov.domain.ownership import Owner, Ownership
from reprov.domain.packages import PackageChange
from reprov.domain.release import ReleaseId
from reprov.errors import Refused
from reprov.events import Monitor, phase
from reprov.workflows import record
from reprov.workflows.hot_fixes import find_hot_fixes
from reprov.workflows.merging import merge
from reprov.workflows.node import inspect_node
from reprov.workflows.owned import node_owns

_DRIFT = {Action.CREATE: "missing", Action.REPLACE: "changed", Action.METADATA: "metadata", Action.DELETE: "added"}


@dataclass(frozen=True, slots=True)
class Drift:
    """One path that is not what the installed release says."""

    path: str
    drift: str
    """missing, changed, metadata or added."""
    reason: str
    package: str
    """The package that owns the path; "" for none."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What a verification found."""

    release: ReleaseId
    paths: int
    """How many paths of the image were compared."""
    drift: tuple[Drift, ...]
    packages: tuple[PackageChange, ...] = ()
    """What somebody has installed, changed or removed with a package manager, from the release to the node."""


def verify(root: Path, *, deep: bool, labelling: Labelling = Labelling.AUTO, monitor: Monitor) -> Verified:
    """Compare the node with its installed release; `deep` reads every file instead of trusting what is known of unchanged ones.

    Raises `Refused` for a node that reprov has not installed.
    """
    node = inspect_node(root, labelling)
    installed = node.installed()
    if installed is None:
        raise Refused("this node was not installed by reprov", hint="`reprov plan ROLE VERSION` compares it with a release")
    wanted = installed.manifest.entries
    with opened_directory(root) as root_fd, phase(monitor, "scan", "Reading the node", files=len(wanted)) as progress:
        mounts = read_mounts(root)
        # What is missing at a mount point where nothing is mounted is missing.
        standing = replace(read_standing(root, root_fd, mounts), waiting={})
        ground = find_ground(mounts, installed.release.filesystems, wanted, standing)
        cache = EMPTY if deep else record.load_live(node, installed)
        seen = survey(
            root_fd,
            wanted,
            installed.ownership,
            volumes=ground.volumes,
            fences=ground.fences,
            cache=cache,
            promised=node.promises(),
            labels=installed.labels,
            progress=progress,
        )
        merged = merge(root_fd, seen, installed, installed).merged
        packages = find_hot_fixes(root_fd, seen, installed)
    known = record.known_of(seen)
    if known.signatures != cache.signatures and node.may_write:
        record.save_live(node, known, installed)
    # What the node may own and lacks is its own affair: an operator may have removed it.
    owned = node_owns(installed.ownership, target=wanted, base=wanted)
    changes = [
        change
        for change in compare(merged.target, merged.scan, installed.ownership, ground.fences).changes
        if not owned(change.path, _is_dir(change)) and not _is_laid_beside(change, installed.ownership)
    ]
    owners = installed.owner_packages if changes else {}
    drift = tuple(Drift(change.path, _DRIFT[change.action], change.reason, owners.get(change.path, "")) for change in changes)
    return Verified(installed.release.id, len(known.entries), drift, packages)


def _is_laid_beside(change: Change, ownership: Ownership) -> bool:
    """What an earlier upgrade laid beside a path, and nobody needs any more, is for `reprov conflicts` to list, and no drift."""
    original = original_of(change.path)
    return bool(original) and ownership.of(original, is_dir=False).owner is Owner.MERGE


def _is_dir(change: Change) -> bool:
    entry = change.after or change.before
    return entry is not None and entry.kind is Kind.DIR
