"""A tree becomes a release: looked at, hashed, laid down in the store, and there with one rename."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from reprov.adapters import candidate as look
from reprov.adapters import pristine_archive, release_files
from reprov.adapters.files import opened_directory, scan_tree
from reprov.adapters.hop_fragments import read_hop_fragments
from reprov.adapters.labels import read_contexts
from reprov.adapters.library import Library
from reprov.adapters.package_database import read_packages
from reprov.adapters.package_tree import read_package_tree
from reprov.adapters.place import Placed, place_tree
from reprov.adapters.pool import Pool
from reprov.adapters.store import Store
from reprov.domain import hop
from reprov.domain import store_layout as layout
from reprov.domain.account_files import ACCOUNT_PATHS
from reprov.domain.alternatives import ADMIN_DIRECTORY
from reprov.domain.entry import Kind, parent_of, show
from reprov.domain.file_contexts import FileContexts
from reprov.domain.fragment import Fragment
from reprov.domain.hop_fragment import HopFragment
from reprov.domain.hop_script import PackageTree, post_script_between
from reprov.domain.labels import label_entries
from reprov.domain.manifest import Manifest
from reprov.domain.ownership import Owner, Ownership
from reprov.domain.package_databases import PACKAGE_DATABASES
from reprov.domain.packages import PackageSet
from reprov.domain.post_script_text import to_text
from reprov.domain.release import CONTEXTS_NAME, MANIFEST_NAME, PACKAGES_NAME, Release, ReleaseId
from reprov.domain.resolved_role import ResolvedRole
from reprov.errors import InvalidInput, Refused
from reprov.events import Monitor, Note, phase

DEFAULT_CONCERNS = ("base", "identity", "network", "ssh", "logs-and-caches")
"""What every node needs, whatever its role: whose lists a tree is published with when nobody names any."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A tree that is to become a release."""

    id: ReleaseId
    tree: Path
    concerns: tuple[str, ...]
    """Whose ownership lists it is published with, in the order in which they are tried."""
    filesystems: tuple[str, ...]
    role: ResolvedRole | None = None
    """Of a tree that reprov built: it is moved into the store. A foreign one is copied."""


@dataclass(frozen=True, slots=True)
class Published:
    """What publishing made."""

    release: Release
    paths: int
    """Of every kind, the root included."""
    size_bytes: int
    new_bytes: int
    """Content that the store did not have."""
    hops: tuple[ReleaseId, ...]
    """The releases that it was compared with."""
    hop_scripts: tuple[HopFragment, ...]
    """What runs on single hops that lead to it."""


def built(root: Path, release: ReleaseId) -> Candidate:
    """What `reprov build` left for this release. Raises `InvalidInput` when it was not built."""
    store = Store(root)
    folder = store.build(release)
    if not (folder / layout.ROLE_NAME).is_file():
        if store.has(release):
            raise _already(store, release)
        raise InvalidInput(f"{release} is not built in {root}", hint=f"reprov build {release.role} --version {release.version}")
    role = ResolvedRole.parse((folder / layout.ROLE_NAME).read_text(encoding="utf-8"), str(folder / layout.ROLE_NAME))
    if role.id != release:
        raise InvalidInput(f"{folder / layout.ROLE_NAME}: it says that it is {role.id}")
    return Candidate(release, folder / "tree", role.excludes, role.filesystems, role)


def publish(root: Path, library: Path | None, candidate: Candidate, monitor: Monitor) -> Published:
    """Seal the tree into the store at `root`, which is made when it is missing; lists in `library` shadow others of their name."""
    lists = release_files.read_lists(Library.default(library), candidate.concerns)
    fragments = release_files.read_fragments(Library.default(library), candidate.role.post_scripts if candidate.role else ())
    for fragment in fragments:
        fragment.render(None, candidate.id, ())  # a mistake in it is to show now, not with the first hop
    hop_fragments = read_hop_fragments(Library.default(library), candidate.id)
    ownership = release_files.ownership_of(lists)
    look.check_before_scan(candidate.tree, root)
    store = Store.created(root)
    with store.locked(monitor):
        if store.has(candidate.id):
            raise _already(store, candidate.id)
        _clean(store)
        with phase(monitor, "scan", f"hashing {candidate.tree}") as progress:
            manifest = scan_tree(candidate.tree, progress=progress)
        look.check_scanned(candidate.tree, manifest)
        look.check_interpreters(candidate.tree, manifest, hop_fragments)
        family = candidate.role.family if candidate.role else look.family(candidate.tree, manifest)
        machine = look.machine(candidate.tree, manifest)
        packages = read_packages(candidate.tree, family, manifest, monitor)
        _note_foreign_database(manifest, ownership, monitor)
        pristine = _pack_merged(candidate.tree, manifest, ownership)
        contexts = _contexts_of(candidate.tree)
        scripts = read_package_tree(candidate.tree, manifest.entries)
        placed = _place(store, candidate, manifest, monitor)  # without labels: the server's own policy is another one
        manifest = Manifest(label_entries(manifest.entries, contexts)) if contexts else manifest
        earlier = store.releases(candidate.id.role)
        _note_hops_from_elsewhere(hop_fragments, earlier, monitor)
        files = {
            MANIFEST_NAME: release_files.compress(manifest),
            PACKAGES_NAME: packages.to_json().encode(),
            pristine_archive.NAME: pristine,
            **lists,
            **release_files.texts_of(fragments, hop_fragments),
        }
        if candidate.role:
            files[layout.ROLE_NAME] = candidate.role.to_json().encode()
            files |= release_files.read_checks(candidate.tree.parent, candidate.role.checks)
        if contexts:
            files[CONTEXTS_NAME] = contexts.render().encode("utf-8", "surrogateescape")
        hops = _hops(store, layout.hop_bases(earlier), _New(candidate.id, manifest, packages, scripts, fragments, hop_fragments), monitor)
        files |= hops.posts
        release = Release(
            id=candidate.id,
            serial=layout.next_serial(earlier),
            created_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            family=family,
            machine=machine,
            filesystems=candidate.filesystems,
            files=release_files.digests(files),
        )
        temporary = store.root / layout.RELEASES / layout.temporary_name(candidate.id)
        release_files.write(temporary, {**files, **hops.files, layout.RELEASE_NAME: release.to_json().encode()})
        _seal(store, release, placed, monitor)
        if candidate.role:
            store.discard_build(candidate.id)
    return Published(release, len(manifest.entries), hop.content_bytes(manifest), placed.new_bytes, hops.bases, hop_fragments)


@dataclass(frozen=True, slots=True)
class _New:
    """What is compared with earlier releases."""

    id: ReleaseId
    manifest: Manifest
    packages: PackageSet
    scripts: PackageTree
    fragments: tuple[Fragment, ...]
    hop_fragments: tuple[HopFragment, ...]


@dataclass(frozen=True, slots=True)
class _Hops:
    bases: tuple[ReleaseId, ...]
    files: dict[str, bytes]
    """What is there to be read."""
    posts: dict[str, bytes]
    """What a node fetches: the post-script of its own hop."""


def _contexts_of(tree: Path) -> FileContexts | None:
    with opened_directory(tree) as tree_fd:
        found = read_contexts(tree_fd)
    if found:
        found.check()
    return found


def _already(store: Store, release: ReleaseId) -> Refused:
    return Refused(f"{release} is already published in {store.root}", hint="a release never changes: give the tree a new version")


def _clean(store: Store) -> None:
    for path in store.leftovers():
        if path.name.startswith(layout.TEMPORARY_PREFIX):
            store.remove(path)


def _note_foreign_database(manifest: Manifest, ownership: Ownership, monitor: Monitor) -> None:
    """Lists that are tried first may say more than they mean: /var/ covers what describes /usr."""
    for database in PACKAGE_DATABASES:
        verdict = ownership.of(database, is_dir=False)
        if database in manifest.entries and verdict.owner is not Owner.IMAGE and verdict.rule is not None:
            monitor.emit(
                Note(
                    f"{show(database)} is {verdict.owner} ({verdict.rule.place}: {verdict.rule}), so a node will not know its packages: "
                    "name that directory with a minus before it"
                )
            )


def _note_hops_from_elsewhere(hop_fragments: tuple[HopFragment, ...], earlier: Iterable[Release], monitor: Monitor) -> None:
    """A version that nobody published may be a mistake in a name, or what eDeploy's nodes have."""
    published = {release.id for release in earlier}
    for before in dict.fromkeys(fragment.before for fragment in hop_fragments if fragment.before not in published):
        names = " and ".join(fragment.name for fragment in hop_fragments if fragment.before == before)
        monitor.emit(
            Note(f"{before} is not in the store: {names} can run only on a node that eDeploy left at it (/var/lib/edeploy/conf says so)")
        )


def _pack_merged(tree: Path, manifest: Manifest, ownership: Ownership) -> bytes:
    """The content of every file that a node may have to merge."""
    merged = [
        entry
        for path, entry in manifest.entries.items()
        if entry.kind is Kind.FILE
        and (path in ACCOUNT_PATHS or parent_of(path) == ADMIN_DIRECTORY or ownership.of(path, is_dir=False).owner is Owner.MERGE)
    ]
    with opened_directory(tree) as tree_fd:
        return pristine_archive.pack(merged, root_fd=tree_fd)


def _place(store: Store, candidate: Candidate, manifest: Manifest, monitor: Monitor) -> Placed:
    target = store.root / layout.TREES / layout.temporary_name(candidate.id)
    size_bytes = sum(entry.size for entry in manifest.entries.values())
    with phase(monitor, "place", f"laying down {candidate.id}", files=len(manifest.entries), size_bytes=size_bytes) as progress:
        target.mkdir(mode=0o700)
        with opened_directory(candidate.tree) as tree_fd, opened_directory(target) as target_fd, opened_directory(store.root) as store_fd:
            return place_tree(manifest, tree_fd, target_fd, Pool(store_fd), linkable=candidate.role is not None, progress=progress)


def _hops(store: Store, bases: tuple[Release, ...], new: _New, monitor: Monitor) -> _Hops:
    hops = _Hops(tuple(base.id for base in bases), {}, {})
    with phase(monitor, "hops", "comparing with earlier releases") as progress:
        for base in hops.bases:
            change = hop.between(store.manifest(base), new.manifest, store.packages(base), new.packages)
            hops.files[f"{layout.HOPS}/{base.version}/packages.diff"] = change.packages_diff().encode()
            hops.files[f"{layout.HOPS}/{base.version}/changed.list"] = change.changed_list().encode("ascii")
            old = read_package_tree(store.tree(base))
            post = post_script_between(base, new.id, old, new.scripts, change.contents, new.fragments, new.hop_fragments)
            hops.posts[layout.post_path(base)] = to_text(post).encode("utf-8", "surrogateescape")
            progress.advance(files=len(change.paths))
    return hops


def _seal(store: Store, release: Release, placed: Placed, monitor: Monitor) -> None:
    """Everything on the disk, then into the pool, then visible: an object of the pool never lacks its content after a power cut."""
    temporary = store.root / layout.TREES / layout.temporary_name(release.id)
    with phase(monitor, "seal", f"sealing {release.id}"):
        store.sync()
        with opened_directory(temporary) as tree_fd, opened_directory(store.root) as store_fd:
            pool = Pool(store_fd)
            for key, path in placed.objects.items():
                pool.take(key, path, dir_fd=tree_fd)
        store.seal(release.id)
