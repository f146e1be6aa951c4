"""The store of published releases: reading them, and the safe order in which one appears and goes.

A release exists when `releases/<role>/<version>/release.json` does. Everything that is not complete yet, or not
wanted any more, has a name with `.tmp-`; who holds the lock may remove such names.
`trees/` and `pool/` can be entered by the owner of the store alone: trees hold setuid programs with yesterday's holes
and files of users that may exist on the server, too. That, and that reprov only ever renames into and out of
`trees/`, is the seal; `releases --check` proves it.
"""

import fcntl
import gzip
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reprov.adapters import kernel
from reprov.adapters.files import opened_directory
from reprov.domain import store_layout as layout
from reprov.domain.debian_version import order_key
from reprov.domain.manifest import Manifest
from reprov.domain.packages import PackageSet
from reprov.domain.release import MANIFEST_NAME, PACKAGES_NAME, Release, ReleaseId
from reprov.errors import InvalidInput, Refused
from reprov.events import Monitor, Note


class Store:
    """A store by its directory."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def opened(cls, root: Path) -> "Store":
        """A store that is there. Raises `InvalidInput` when the directory is none."""
        if not (root / layout.RELEASES).is_dir():
            raise InvalidInput(f"{root} is not a store (it has no {layout.RELEASES}/)", hint="reprov publish --store DIR makes one")
        return cls(root)

    @classmethod
    def created(cls, root: Path) -> "Store":
        """A store that is there now; what is missing of its directories is made."""
        for name, mode in ((layout.RELEASES, 0o755), (layout.TREES, 0o700), (layout.POOL, 0o700)):
            (root / name).mkdir(mode=0o755, parents=True, exist_ok=True)
            (root / name).chmod(mode)
        return cls(root)

    def tree(self, release: ReleaseId) -> Path:
        """Where its sealed tree is."""
        return self.root / layout.tree_path(release)

    def folder(self, release: ReleaseId) -> Path:
        """Where its release.json and the files beside it are."""
        return self.root / layout.release_path(release)

    def build(self, release: ReleaseId) -> Path:
        """Where `reprov build` leaves a tree that is to become this release."""
        return self.root / layout.build_path(release)

    def has(self, release: ReleaseId) -> bool:
        """True when it is published."""
        return (self.folder(release) / layout.RELEASE_NAME).is_file()

    def ids(self, role: str | None = None) -> tuple[ReleaseId, ...]:
        """What is published, of one role or of all, by role and version; nothing is read."""
        found = self.root.glob(f"{layout.RELEASES}/{role or '*'}/*/{layout.RELEASE_NAME}")
        names = [file.parent.relative_to(self.root / layout.RELEASES).parts for file in found]
        ids = [ReleaseId.of(*parts) for parts in names if not any(part.startswith(".") for part in parts)]
        return tuple(sorted(ids, key=lambda release: (release.role, order_key(release.version))))

    def releases(self, role: str | None = None) -> tuple[Release, ...]:
        """What is published, by role and serial."""
        found = [self._read(release) for release in self.ids(role)]
        return tuple(sorted(found, key=lambda release: (release.id.role, release.serial)))

    def release(self, release: ReleaseId) -> Release:
        """One release. Raises `InvalidInput` that lists what there is when it is not published."""
        if not self.has(release):
            versions = [known.version for known in self.ids(release.role)]
            if versions:
                raise InvalidInput(f"{release} is not in {self.root}", hint=f"{release.role} has {', '.join(versions)}")
            roles = sorted({known.role for known in self.ids()})
            raise InvalidInput(f"{release} is not in {self.root}", hint=f"the roles are {', '.join(roles)}" if roles else "it is empty")
        return self._read(release)

    def manifest(self, release: ReleaseId) -> Manifest:
        """The manifest of a release."""
        return read_manifest(self.folder(release) / MANIFEST_NAME)

    def packages(self, release: ReleaseId) -> PackageSet:
        """The packages of a release."""
        file = self.folder(release) / PACKAGES_NAME
        return PackageSet.parse(_text(file), str(file))

    def leftovers(self) -> tuple[Path, ...]:
        """What killed runs left and nobody can see: temporary names, and trees without a release."""
        folders = [self.root / layout.RELEASES, self.root / layout.TREES]
        temporary = [path for folder in folders for path in folder.glob(f"{layout.TEMPORARY_PREFIX}*")]
        trees = [path for path in self.root.glob(f"{layout.TREES}/*/*") if not path.parent.name.startswith(".")]
        orphans = [tree for tree in trees if not self.has(ReleaseId.of(tree.parent.name, tree.name))]
        return tuple(sorted([*temporary, *orphans]))

    @contextmanager
    def locked(self, monitor: Monitor) -> Iterator[None]:
        """Be the only one who changes the store; a second one waits, with a note.

        Waiting and not refusing, because two roles published by two jobs of a pipeline is nobody's mistake, a publish takes
        seconds to minutes, and the kernel frees the lock of a killed one.
        """
        with (self.root / layout.LOCK).open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                monitor.emit(Note(f"waiting for another publish or prune of {self.root}"))
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nobody changes the store inside the block; several may hold it. For reading everything, in peace."""
        with (self.root / layout.LOCK).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            yield

    def sync(self) -> None:
        """Bring everything that was written to the store to its disk."""
        with opened_directory(self.root) as fd:
            kernel.syncfs(fd)

    def seal(self, release: ReleaseId) -> None:
        """Make the release that lies complete and synced under its temporary names appear; the rename of the release is the instant."""
        temporary = layout.temporary_name(release)
        tree = self.tree(release)
        if tree.exists() or tree.is_symlink():
            self._discard_tree(release)
        for folder, target in ((layout.TREES, tree), (layout.RELEASES, self.folder(release))):
            target.parent.mkdir(mode=0o755, exist_ok=True)
            (self.root / folder / temporary).rename(target)
            _sync_directories(target.parent, self.root / folder)

    def unseal(self, release: ReleaseId) -> None:
        """Make the release disappear: first from sight, then its files."""
        gone = self.root / layout.RELEASES / layout.temporary_name(release)
        self.folder(release).rename(gone)
        _sync_directories(gone.parent, self.folder(release).parent)
        self._discard_tree(release)
        self.remove(gone)

    def remove(self, path: Path) -> None:
        """Delete a temporary name or an orphan of this store. Raises `Refused` for anything else."""
        if path.parent not in (self.root / layout.RELEASES, self.root / layout.TREES) or not path.name.startswith(layout.TEMPORARY_PREFIX):
            raise Refused(f"{path} is not a temporary name of the store")
        if path.is_symlink() or not path.is_dir():
            path.unlink()
        else:
            shutil.rmtree(path)  # through directory descriptors, follows no symbolic link

    def discard(self, path: Path) -> None:
        """Delete one of the `leftovers`."""
        if path.name.startswith(layout.TEMPORARY_PREFIX):
            self.remove(path)
        else:
            self._discard_tree(ReleaseId.of(path.parent.name, path.name))

    def discard_build(self, release: ReleaseId) -> None:
        """Delete what a release was built in, whose files are the release's own now. Raises `Refused` when it is not published."""
        if not self.has(release):
            raise Refused(f"{release} is not published, its build stays")
        shutil.rmtree(self.build(release))

    def _discard_tree(self, release: ReleaseId) -> None:
        if self.has(release):
            raise Refused(f"{release} is published, its tree stays")
        tree = self.tree(release)
        gone = self.root / layout.TREES / f"{layout.temporary_name(release)}.gone"
        if gone.exists():
            self.remove(gone)
        tree.rename(gone)
        self.remove(gone)

    def _read(self, release: ReleaseId) -> Release:
        file = self.folder(release) / layout.RELEASE_NAME
        found = Release.parse(_text(file), str(file))
        if found.id != release:
            raise InvalidInput(f"{file}: it says that it is {found.id}")
        return found


def read_manifest(file: Path) -> Manifest:
    """The manifest in a gzip file. Raises `InvalidInput` when it cannot be read."""
    try:
        return Manifest.parse(gzip.decompress(file.read_bytes()).decode("ascii"), str(file))
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{file}: cannot be read ({error})") from None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{file}: cannot be read ({error})") from None


def _sync_directories(*directories: Path) -> None:
    for directory in directories:
        with opened_directory(directory) as fd:
            os.fsync(fd)
