"""Reading a release's files back: every one is checked against the digest that release.json gives before it is believed."""

import gzip
import hashlib
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from reprov.adapters import manifest_cache, pristine_archive
from reprov.domain.entry import Entry
from reprov.domain.manifest import Manifest
from reprov.domain.ownership import Ownership
from reprov.domain.packages import PackageSet
from reprov.domain.release import MANIFEST_NAME, PACKAGES_NAME, Release
from reprov.errors import InvalidInput, Refused


@dataclass(frozen=True)
class ReleaseFiles:
    """A release and the directory that its files lie in on a node."""

    release: Release
    directory: Path
    like: "ReleaseFiles | None" = None
    """Another release of the node: what the manifests have in common is read once, and is the same objects."""
    may_cache: bool = False
    """Whether the parsed manifest may be kept in the directory for the next time."""

    @classmethod
    def load(cls, directory: Path, like: "ReleaseFiles | None" = None, *, may_cache: bool = False) -> "ReleaseFiles":
        """Read release.json and check every file that it lists. Raises `Refused` for a missing, altered or cut off one.

        Entries that the manifests of both this release and `like` have are shared: comparing those is a matter of `is`.
        """
        name = directory / "release.json"
        try:
            release = Release.parse(name.read_text("ascii", "backslashreplace"), str(name))
        except OSError as error:
            raise Refused(f"{name} cannot be read: {error.strerror}") from None
        if MANIFEST_NAME not in release.files:
            raise Refused(f"{release.id} comes without a manifest", hint="publish the release again")
        for file, digest in release.files.items():
            try:
                found = hashlib.sha256((directory / file).read_bytes()).hexdigest()
            except OSError as error:
                raise Refused(f"{release.id}: {file} cannot be read: {error.strerror}", hint="publish the release again") from None
            if found != digest:
                raise Refused(
                    f"{release.id}: {file} is not what was published (its digest differs from release.json)",
                    hint="it was altered or cut off on the server; run `reprov releases --check` there",
                )
        return cls(release, directory, like, may_cache)

    @property
    def manifest_digest(self) -> str:
        """sha256 of the manifest: equal digests are equal trees."""
        return self.release.files[MANIFEST_NAME]

    @cached_property
    def manifest(self) -> Manifest:
        """Every path of the tree."""
        if self.like and self.like.manifest_digest == self.manifest_digest:
            return self.like.manifest
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
        return self.manifest.lines_of(self.manifest_text)

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
    def owner_packages(self) -> dict[str, str]:
        """The package that owns each path, by path; paths without one are missing."""
        file = self.directory / PACKAGES_NAME
        return PackageSet.parse(file.read_text(), str(file)).owners()

    def _lists(self, folder: str) -> list[tuple[str, bytes]]:
        names = sorted(name for name in self.release.files if name.startswith(folder))
        return [(name, (self.directory / name).read_bytes()) for name in names]
