"""Reading a release's files back: every one is checked against the digest that release.json gives before it is believed."""

import gzip
import hashlib
import os
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from reprov.adapters import manifest_cache, pristine_archive
from reprov.domain.entry import Entry
from reprov.domain.file_contexts import FileContexts
from reprov.domain.labels import relabel, strip_entries
from reprov.domain.manifest import Manifest
from reprov.domain.ownership import Ownership
from reprov.domain.packages import PackageSet
from reprov.domain.release import CONTEXTS_NAME, MANIFEST_NAME, PACKAGES_NAME, Release, ReleaseId
from reprov.domain.store_layout import HOPS, ROLE_NAME, post_path
from reprov.errors import InvalidInput, Refused

if TYPE_CHECKING:  # of a role, its checks and its scripts a run knows that changes a node: `status` and `verify` do not
    from reprov.domain.check import Check
    from reprov.domain.fragment import Fragment
    from reprov.domain.hop_fragment import HopFragment
    from reprov.domain.post_script import PostScript
    from reprov.domain.resolved_role import ResolvedRole


@dataclass(frozen=True)
class ReleaseFiles:
    """A release and the directory that its files lie in on a node."""

    release: Release
    directory: Path
    like: "ReleaseFiles | None" = None
    """Another release of the node: what the manifests have in common is read once, and is the same objects."""
    may_cache: bool = False
    """Whether the parsed manifest may be kept in the directory for the next time."""
    local: FileContexts | None = None
    """The SELinux contexts that the node adds to those of any release; None for a node without labels."""

    @classmethod
    def load(
        cls, directory: Path, like: "ReleaseFiles | None" = None, *, may_cache: bool = False, local: FileContexts | None = None
    ) -> "ReleaseFiles":
        """Read release.json and check every file that it lists. Raises `Refused` for a missing, altered or cut off one.

        Post-scripts of hops that the node does not make are not there.

        Entries that the manifests of both this release and `like` have are shared: comparing those is a matter of `is`.
        Without `local`, the manifest comes without labels.
        """
        name = directory / "release.json"
        try:
            release = Release.parse(name.read_text("ascii", "backslashreplace"), str(name))
        except OSError as error:
            raise Refused(f"{name} cannot be read: {error.strerror}") from None
        if MANIFEST_NAME not in release.files:
            raise Refused(f"{release.id} comes without a manifest", hint="publish the release again")
        for file, digest in release.files.items():
            if file.startswith(f"{HOPS}/") and not os.path.lexists(directory / file):
                continue  # of another hop: a node fetches its own alone
            try:
                found = hashlib.sha256((directory / file).read_bytes()).hexdigest()
            except OSError as error:
                raise Refused(f"{release.id}: {file} cannot be read: {error.strerror}", hint="publish the release again") from None
            if found != digest:
                raise Refused(
                    f"{release.id}: {file} is not what was published (its digest differs from release.json)",
                    hint="it was altered or cut off on the server; run `reprov releases --check` there",
                )
        return cls(release, directory, like, may_cache, local)

    @property
    def manifest_digest(self) -> str:
        """sha256 of the manifest: equal digests are equal trees."""
        return self.release.files[MANIFEST_NAME]

    @property
    def labels(self) -> bool:
        """Whether the manifest has SELinux labels: the release has a policy, and the node wants them."""
        return self.local is not None and CONTEXTS_NAME in self.release.files

    @property
    def cache_key(self) -> str:
        """What names `as_published` in a cache."""
        return self.manifest_digest + ("+labels" if self.labels else "")

    @cached_property
    def contexts(self) -> FileContexts:
        """The SELinux contexts of the release and, before them, the node's own; only for a release with labels."""
        file = self.directory / CONTEXTS_NAME
        released = FileContexts.parse(file.read_text("utf-8", "surrogateescape"), str(file))
        return released.and_then(self.local) if self.local and not self.local.is_empty else released

    @cached_property
    def manifest(self) -> Manifest:
        """Every path of the tree, with the labels that it has on this node."""
        published = self.as_published
        if not self.labels or self.local is None or self.local.is_empty:
            return published
        concerned = [path for path, entry in published.entries.items() if self.local.matches(path, entry.kind)]
        changed = relabel(published.entries, concerned, self.contexts)
        return Manifest({**published.entries, **changed}) if changed else published

    @cached_property
    def as_published(self) -> Manifest:
        """Every path of the tree; on a node without labels, without them."""
        if CONTEXTS_NAME in self.release.files and not self.labels:
            return Manifest(strip_entries(self._published.entries))
        return self._published

    @cached_property
    def _published(self) -> Manifest:
        if self.like and self.like.manifest_digest == self.manifest_digest:
            return self.like._published
        cache = self.directory / "manifest.cache"
        if cached := manifest_cache.load(cache, self.manifest_digest):
            return cached
        known = self.like.known_lines if self.like else {}
        manifest = Manifest.parse(self.manifest_text, str(self.directory / MANIFEST_NAME), known)
        if self.may_cache:
            with suppress(OSError):  # a full disk costs time, nothing else
                manifest_cache.save(manifest, cache, self.manifest_digest)
        return manifest

    @cached_property
    def known_lines(self) -> dict[str, Entry]:
        """The entries by their lines in the text of the manifest."""
        return self._published.lines_of(self.manifest_text)

    @cached_property
    def manifest_text(self) -> str:
        """The mtree text; unpacking it needs no interpreter, so that a thread may do it beside."""
        file = self.directory / MANIFEST_NAME
        try:
            return gzip.decompress(file.read_bytes()).decode("ascii")
        except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
            raise InvalidInput(f"{file}: not a manifest ({error})") from None

    @cached_property
    def ownership(self) -> Ownership:
        """The resolved lists. Raises `Refused` when there are none, `InvalidInput` for an empty one: never "nothing to keep"."""
        keep, add_only = self._lists("excludes/"), self._lists("add-only/")
        if not keep or not add_only:
            raise Refused(f"{self.release.id} comes without ownership lists", hint="publish it again with --lists")
        return Ownership.parse(keep, add_only, self._lists("merge/"))

    @cached_property
    def pristine(self) -> Mapping[str, bytes]:
        """The content of the files that are merged; empty for a release from before there was such a thing."""
        if pristine_archive.NAME not in self.release.files:
            return {}
        return pristine_archive.read(self.directory / pristine_archive.NAME)

    @property
    def keep_lists(self) -> dict[str, bytes]:
        """The lists that keep, by their name in the release."""
        return dict(self._lists("excludes/"))

    @cached_property
    def packages(self) -> PackageSet:
        """The packages of the tree; none for a release from before there was such a list."""
        file = self.directory / PACKAGES_NAME
        return PackageSet.parse(file.read_text(), str(file)) if PACKAGES_NAME in self.release.files else PackageSet(self.release.family, {})

    @cached_property
    def owner_packages(self) -> dict[str, str]:
        """The package that owns each path, by path; paths without one are missing."""
        return self.packages.owners()

    @cached_property
    def role(self) -> "ResolvedRole | None":
        """What the role says of itself; None for a tree that reprov did not build."""
        from reprov.domain.resolved_role import ResolvedRole

        file = self.directory / ROLE_NAME
        return ResolvedRole.parse(file.read_text("utf-8"), str(file)) if ROLE_NAME in self.release.files else None

    def post_script(self, before: ReleaseId) -> "PostScript | None":
        """What was published to run after the commit that comes from an earlier release; None where that was not foreseen."""
        name = post_path(before)
        if before.role != self.release.id.role or name not in self.release.files or not (self.directory / name).exists():
            return None
        from reprov.domain.post_script_text import parse

        text = (self.directory / name).read_bytes().decode("utf-8", "surrogateescape")
        return parse(text, f"{self.release.id}: {name}")

    @property
    def fragments(self) -> "tuple[Fragment, ...]":
        """The role's templates of post-scripts, for a hop that was not foreseen."""
        from reprov.domain.fragment import FRAGMENT_SUFFIX, FRAGMENTS_FOLDER, Fragment

        folder = f"{FRAGMENTS_FOLDER}/"
        names = sorted(name for name in self.release.files if name.startswith(folder) and name.endswith(FRAGMENT_SUFFIX))
        return tuple(
            Fragment(
                name.removeprefix(folder).removesuffix(FRAGMENT_SUFFIX),
                (self.directory / name).read_bytes().decode(),
                f"{self.release.id}: {name}",
            )
            for name in names
        )

    @property
    def hop_fragments(self) -> "tuple[HopFragment, ...]":
        """The scripts of single hops of the role that end here, by the version that they start from."""
        from reprov.domain.fragment import FRAGMENTS_FOLDER
        from reprov.domain.hop_fragment import HopFragment, HopPlace, released_path

        after = self.release.id
        folders = {name.split("/")[1] for name in self.release.files if name.startswith(f"{FRAGMENTS_FOLDER}/") and name.count("/") > 1}
        found = []
        for before in (ReleaseId.of(after.role, version) for version in sorted(folders)):
            for place in HopPlace:
                if (name := released_path(before, place)) in self.release.files:
                    text = (self.directory / name).read_bytes().decode("utf-8", "surrogateescape")
                    found.append(HopFragment(before, after, place, text))
        return tuple(found)

    @property
    def checks(self) -> "tuple[Check, ...]":
        """The role's checks in their order. The paths are relative to the directory that these files lie in."""
        named = self.role.checks if self.role else ()
        return tuple(self._check(name) for name in named)

    def _check(self, name: str) -> "Check":
        from reprov.domain.check import CHECKS_FOLDER, check_of

        path = f"{CHECKS_FOLDER}/{name}"
        files = sorted(file for file in self.release.files if file == path or file.startswith(f"{path}/"))
        return check_of(name, path, {file[len(path) + 1 :]: (self.directory / file).read_bytes() for file in files})

    def _lists(self, folder: str) -> list[tuple[str, bytes]]:
        names = sorted(name for name in self.release.files if name.startswith(folder))
        return [(name, (self.directory / name).read_bytes()) for name in names]
