"""Looking at a running node that need not be managed: what ownership lists would it want?"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reprov.adapters.changed_files import find_changed
from reprov.adapters.files import opened_directory
from reprov.adapters.installed_files import read_installed_files
from reprov.adapters.library import Library
from reprov.adapters.mounts import read_mounts
from reprov.adapters.puppet_state import read_managed_files
from reprov.adapters.release_files import known_concerns, read_lists
from reprov.adapters.systemd_units import read_unit_directories
from reprov.adapters.unowned import NOT_ENTERED, Walker
from reprov.domain.installed_files import InstalledFiles
from reprov.domain.learn import Facts, Proposals, propose
from reprov.domain.mounts import Mount
from reprov.domain.ownership import Ownership
from reprov.domain.release import MANAGED_FILESYSTEMS
from reprov.domain.rules import RuleList
from reprov.events import Monitor, phase
from reprov.workflows.node import inspect_node


@dataclass(frozen=True, slots=True)
class Learned:
    """What a node says of itself, and what is proposed for it."""

    root: Path
    family: str
    """Of its package database; "" when there is none that could be read."""
    packages: int
    concerns: tuple[str, ...]
    """The lists that were asked."""
    proposals: Proposals
    mounts: tuple[Mount, ...]
    """Mounts that a release does not manage: kept by construction."""
    subvolumes: tuple[str, ...]
    """Directories on a filesystem of their own without a mount; not looked into either."""
    unreadable: tuple[str, ...]
    """What could not be looked into for want of permission."""


def learn(root: Path, library: Path | None, concerns: Sequence[str], *, deep: bool, measure_all: bool, monitor: Monitor) -> Learned:
    """Propose ownership classes for a node; nothing of it is changed.

    `concerns` are the lists whose paths are classed already. `deep` also hashes what packages installed besides
    configuration; `measure_all` also measures what is classed already. Raises `Refused` when `root` is no root of a node,
    `InvalidInput` for a concern that the library does not have.
    """
    inspect_node(root)
    shelf = Library.default(library)
    lists = _ownership(shelf, concerns)
    others = {name: _ownership(shelf, [name]) for name in known_concerns(shelf) if name not in concerns}
    fences, volumes = _sorted_mounts(read_mounts(root))
    with opened_directory(root) as root_fd:
        with phase(monitor, "packages", "Reading the package database") as progress:
            installed = read_installed_files(root, root_fd, digests=deep, monitor=monitor, progress=progress)
        unreadable: list[str] = []
        with phase(monitor, "changed", "Comparing files with what packages brought", files=_recorded(installed)) as progress:
            changed = find_changed(root_fd, installed.conffiles, are_conffiles=True, unreadable=unreadable, progress=progress)
            changed += find_changed(root_fd, installed.files, are_conffiles=False, unreadable=unreadable, progress=progress)
        with phase(monitor, "scan", "Looking for what no package owns") as progress:
            walker = Walker(
                root_fd,
                installed.held,
                lists,
                fences={mount.path for mount in fences},
                volumes=volumes,
                measure_classed=measure_all,
                progress=progress,
            )
            walker.walk()
        with phase(monitor, "services", "Reading what services say of themselves"):
            units = [(unit, walker.look(unit.path)) for unit in read_unit_directories(root_fd)]
            files = [(source, walker.look(path)) for path, source in read_managed_files(root_fd).items()]
    facts = Facts(
        found=walker.found,
        changed=changed,
        units=[(unit, found.extent) for unit, found in units if found and found.is_dir],
        puppet={found.path: (source, found.extent) for source, found in files if found and not found.is_dir},
        left_behind=installed.left_behind,
    )
    return Learned(
        root=root,
        family=installed.family,
        packages=installed.packages,
        concerns=tuple(concerns),
        proposals=propose(facts, lists, others),
        mounts=fences,
        subvolumes=tuple(walker.subvolumes),
        unreadable=tuple(sorted({*unreadable, *walker.unreadable})),
    )


def _ownership(library: Library, concerns: Sequence[str]) -> Ownership:
    """The lists of these concerns as a release would have them, except that a kind may be missing altogether."""
    files = read_lists(library, concerns)

    def kind(folder: str) -> list[tuple[str, bytes]]:
        return [(name, text) for name, text in files.items() if name.startswith(folder)]

    return Ownership(
        RuleList.join(kind("excludes/")),
        RuleList.join(kind("add-only/"), plain_includes=True),
        RuleList.join(kind("merge/"), plain_includes=True, text_merges=True),
    )


def _recorded(installed: InstalledFiles) -> int:
    return len(installed.conffiles) + len(installed.files)


def _sorted_mounts(mounts: Sequence[Mount]) -> tuple[tuple[Mount, ...], frozenset[str]]:
    """The mounts that are kept by construction, and the mount points that a release usually manages and that are looked into."""
    apart = [mount for mount in mounts if mount.path and mount.path.partition("/")[0] not in NOT_ENTERED]
    volumes = frozenset(mount.path for mount in apart if mount.path in MANAGED_FILESYSTEMS)
    return tuple(mount for mount in apart if mount.path not in volumes), volumes
