"""The build part of a store: where a tree is made, and the rename by which it appears.

`build/` can be entered by its owner alone: its trees hold setuid programs with yesterday's holes.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reprov.adapters.files import opened_directory
from reprov.adapters.finish_tree import write_to_disk
from reprov.adapters.mounts import read_mounts
from reprov.adapters.store import Store, read_manifest
from reprov.domain import store_layout as layout
from reprov.domain.release import MANIFEST_NAME, ReleaseId
from reprov.domain.resolved_role import ROLE_NAME, ResolvedRole
from reprov.domain.version_order import version_key
from reprov.errors import InvalidInput, Refused

TREE = "tree"


@dataclass(frozen=True, slots=True)
class ParentTree:
    """A finished tree that another one is laid over."""

    id: ReleaseId
    tree: Path
    manifest: Path | None
    """Of a published tree: it names the true hard links, since the store shares inodes for other reasons, too."""

    def link_groups(self) -> dict[str, int] | None:
        """The true hard links by path; None when every shared inode is one."""
        if self.manifest is None:
            return None
        return {entry.path: entry.link_group for entry in read_manifest(self.manifest).entries.values() if entry.link_group}


@dataclass(frozen=True, slots=True)
class Workplace:
    """The directories of one build, all on one filesystem, root-only, gone when it ends."""

    folder: Path

    @property
    def done(self) -> Path:
        """What is renamed to the final name."""
        return self.folder / "done"

    @property
    def tree(self) -> Path:
        """The finished tree."""
        return self.done / TREE

    def made(self, name: str) -> Path:
        """A directory for intermediate things, there now."""
        path = self.folder / name
        path.mkdir()
        return path


class BuildStore:
    """The builds of a store, by the store's directory."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._store = Store(root)

    def log(self, release: ReleaseId) -> Path:
        """Where the output of a failed build is."""
        return self._folder / f".log-{release.role}-{release.version}"

    def refuse_existing(self, release: ReleaseId) -> None:
        """Raise `Refused` when the version is there already: a version names one tree for ever."""
        if self._store.build(release).exists():
            raise Refused(f"{release} is built already", hint=f"choose another version, or remove {self._store.build(release)}")
        if self._store.has(release):
            raise Refused(f"{release} is published already", hint="choose another version")

    def parent(self, role: str, version: str | None) -> ParentTree:
        """The tree of a version of a role, built or published; of the newest one when no version is named. Raises `InvalidInput`."""
        found = self._trees_of(role)
        if not found:
            raise InvalidInput(f"no version of {role} is built or published in {self._root}", hint=f"reprov build {role} --version V")
        newest = max(found, key=lambda known: version_key(known.version))
        wanted = ReleaseId.of(role, version) if version else newest
        if wanted not in found:
            versions = ", ".join(sorted((known.version for known in found), key=version_key))
            raise InvalidInput(f"{wanted} is neither built nor published in {self._root}", hint=f"{role} has {versions}")
        return self._parent_at(wanted)

    @contextmanager
    def workplace(self, release: ReleaseId) -> Iterator[Workplace]:
        """An empty place to build in; nobody else builds a version of the role meanwhile. What a killed build left is removed first."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        of_role = self._store.build(release).parent
        of_role.mkdir(exist_ok=True)
        with opened_directory(of_role) as lock_fd:
            try:
                fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Refused(f"another version of {release.role} is being built in {self._root}", hint="wait for its end") from None
            self.refuse_existing(release)
            for leftover in self._folder.glob(f"{layout.TEMPORARY_PREFIX}{release.role}-*"):
                self._discard(leftover, release)
            place = Workplace(self._folder / layout.temporary_name(release))
            place.folder.mkdir(mode=0o700)
            try:
                place.done.mkdir()
                yield place
            finally:
                self._discard(place.folder, release)

    def appear(self, place: Workplace, role: ResolvedRole) -> Path:
        """Make the finished tree appear under its name, with role.json beside it, safe on the disk."""
        (place.done / ROLE_NAME).write_text(role.to_json(), encoding="utf-8")
        write_to_disk(place.done)
        final = self._store.build(role.id)
        place.done.rename(final)
        with opened_directory(final.parent) as fd:
            os.fsync(fd)
        return final

    @property
    def _folder(self) -> Path:
        return self._root / layout.BUILD

    def _trees_of(self, role: str) -> list[ReleaseId]:
        built = [file.parent.name for file in self._folder.glob(f"{role}/*/{ROLE_NAME}")]
        return sorted({*(ReleaseId.of(role, version) for version in built), *self._store.ids(role)})

    def _parent_at(self, release: ReleaseId) -> ParentTree:
        built = self._store.build(release)
        if (built / ROLE_NAME).is_file():
            return ParentTree(release, built / TREE, None)
        return ParentTree(release, self._store.tree(release), self._store.folder(release) / MANIFEST_NAME)

    def _discard(self, folder: Path, release: ReleaseId) -> None:
        if folder.parent != self._folder or not folder.name.startswith(f"{layout.TEMPORARY_PREFIX}{release.role}-"):
            raise Refused(f"{folder} is not a place to build {release.role} in")
        if folder.exists() and read_mounts(folder):
            raise Refused(f"something is mounted in {folder}", hint="unmount it; reprov mounts nothing there that others see")
        shutil.rmtree(folder)
