"""The packages of a tree with their scripts, whatever its family."""

from collections.abc import Callable, Collection, Iterable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from reprov.adapters.debian_database import Reader, read_debian_tree
from reprov.adapters.files import opened_directory, read_at
from reprov.adapters.node_state import STAGED
from reprov.adapters.rpm_database import find_database, read_rpm_packages
from reprov.adapters.volumes import Volumes
from reprov.domain.hop_script import PackageTree
from reprov.domain.package_databases import RPM_DATABASES
from reprov.domain.scan import volume_holding


def read_package_tree(tree: Path, known: Collection[str] | None = None) -> PackageTree:
    """What a post-script needs to know of a tree, nothing of one without a database. `known`: its paths, where they are at hand."""
    if find_database(tree) is not None:
        return read_rpm_packages(tree)
    with opened_directory(tree) as tree_fd:
        return read_debian_tree(partial(read_at, dir_fd=tree_fd), str(tree), known)


def read_staged_tree(volumes: Volumes, paths: Collection[str], source: str) -> PackageTree:
    """The same of a node's next tree, which has these paths: what is staged of it, and the rest where it is live."""
    read = _staged_reader(volumes)
    databases = [path for path in RPM_DATABASES if path in paths]
    return _copied_rpm_tree(databases, read) if databases else read_debian_tree(read, source, paths)


def _copied_rpm_tree(databases: Iterable[str], read: Reader) -> PackageTree:
    with TemporaryDirectory(prefix="reprov-staged-") as folder:
        for path in databases:
            copy = Path(folder, path)
            copy.parent.mkdir(parents=True)
            copy.write_bytes(read(path))
        return read_rpm_packages(Path(folder))


def _staged_reader(volumes: Volumes) -> Callable[[str], bytes]:
    def read(path: str) -> bytes:
        volume = volume_holding(path, volumes.own_fds)
        try:
            return read_at(f"{STAGED}/{volumes.inside(volume, path)}", dir_fd=volumes.own_fds[volume])
        except (FileNotFoundError, NotADirectoryError):
            return read_at(path, dir_fd=volumes.root_fd)

    return read
