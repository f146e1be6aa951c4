"""Hot fixes of a node: packages that are not what the installed release says, and what another release makes of them."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from reprov.adapters.release_reader import ReleaseFiles
from reprov.domain.entry import ancestors_of
from reprov.domain.hot_fixes import HotFix, judge
from reprov.domain.package_databases import PACKAGE_DATABASES, STATUS
from reprov.domain.packages import PackageChange, difference
from reprov.domain.scan import Scan

if TYPE_CHECKING:  # most nodes have no hot fix, and no need of what reads databases
    from reprov.adapters.hot_fixes import NodePackages


def find_hot_fixes(root_fd: int, seen: Scan, installed: ReleaseFiles) -> tuple[PackageChange, ...]:
    """From the installed release to the node, by name; nothing where its package database is the release's, or none that is known."""
    node = _node_packages(root_fd, seen, installed)
    if node is None:
        return ()
    from reprov.domain.hop import COMPARE_VERSIONS

    return difference(installed.packages, node.installed, COMPARE_VERSIONS[installed.packages.family])


def _node_packages(root_fd: int, seen: Scan, installed: ReleaseFiles) -> "NodePackages | None":
    """The packages of a node whose database is not as the release has it."""
    for path in PACKAGE_DATABASES:
        known, found = installed.manifest.entries.get(path), seen.entries.get(path)
        if known is None or found is None:
            continue
        journal = seen.entries.get(f"{path}-wal")
        if known.digest != found.digest or (journal is not None and journal.size):
            from reprov.adapters.hot_fixes import DebianNode, RpmNode

            return DebianNode(root_fd) if path == STATUS else RpmNode(root_fd)
    return None


def judge_hot_fixes(
    root_fd: int, seen: Scan, installed: ReleaseFiles | None, target: ReleaseFiles, changed: Collection[str]
) -> tuple[HotFix, ...]:
    """What an upgrade to `target`, which replaces or removes these paths, makes of the hot fixes of a node."""
    node = _node_packages(root_fd, seen, installed) if installed else None
    if node is None or installed is None:
        return ()
    from reprov.domain.hop import COMPARE_VERSIONS

    compare = COMPARE_VERSIONS[installed.packages.family]
    changes = difference(installed.packages, node.installed, compare)

    def stays(change: PackageChange) -> bool:
        files = node.files_of(f"{change.name}:{change.arch}")
        return bool(files) and not any(place in changed for path in files for place in (path, *ancestors_of(path)))

    return judge(changes, target.packages, compare, stays)
