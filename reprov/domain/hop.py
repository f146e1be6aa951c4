"""From one release to another: which paths and packages change, which services are touched, what a node would fetch."""

from collections.abc import Mapping
from dataclasses import dataclass

from reprov.domain import debian_version, rpm_version
from reprov.domain.entry import Entry, Kind
from reprov.domain.manifest import Manifest, escape
from reprov.domain.packages import PackageChange, PackageSet, difference

CHANGES = ("created", "replaced", "metadata", "deleted")
_UNIT_FOLDERS = ("usr/lib/systemd/system/", "lib/systemd/system/", "etc/systemd/system/", "etc/init.d/")
_UNIT_SUFFIXES = (".service", ".socket", ".timer", ".path", ".mount", ".target")
COMPARE_VERSIONS = {"debian": debian_version.compare, "rpm": rpm_version.compare}
"""The order of versions by family."""


@dataclass(frozen=True, slots=True)
class Hop:
    """The difference between two releases, paths in path order."""

    packages: tuple[PackageChange, ...]
    paths: Mapping[str, str]
    """One of `CHANGES` by path."""
    services: tuple[str, ...]
    """Units of which a file comes, goes or says something else, by name."""
    size_before_bytes: int
    size_after_bytes: int
    fetch_bytes: int
    """Content of the new release that is nowhere in the old one."""

    def packages_diff(self) -> str:
        """The text of packages.diff."""
        return "".join(change.line + "\n" for change in self.packages)

    def changed_list(self) -> str:
        """The text of changed.list: change and path, escaped as in a manifest."""
        return "".join(f"{change} {escape(path) or '.'}\n" for path, change in self.paths.items())

    @property
    def contents(self) -> frozenset[str]:
        """The paths that come, go, or say something else: all but those of which only the metadata change."""
        return frozenset(path for path, change in self.paths.items() if change != "metadata")

    def count(self, change: str) -> int:
        """How many paths change in that way."""
        return sum(1 for found in self.paths.values() if found == change)


def between(old: Manifest, new: Manifest, old_packages: PackageSet, new_packages: PackageSet) -> Hop:
    """Compare two releases. Times of directories do not count: they follow from what happens in the directory."""
    paths: dict[str, str] = {}
    for path in sorted(old.entries.keys() | new.entries.keys()):
        change = _change(old.entries.get(path), new.entries.get(path))
        if change:
            paths[path] = change
    same_family = old_packages.family == new_packages.family
    compare_versions = COMPARE_VERSIONS.get(new_packages.family) if same_family else None
    known = {entry.digest: entry.size for entry in old.entries.values() if entry.kind is Kind.FILE}
    wanted = {entry.digest: entry.size for entry in new.entries.values() if entry.kind is Kind.FILE}
    return Hop(
        packages=difference(old_packages, new_packages, compare_versions),
        paths=paths,
        services=tuple(sorted({unit for path, change in paths.items() if change != "metadata" and (unit := unit_of(path))})),
        size_before_bytes=content_bytes(old),
        size_after_bytes=content_bytes(new),
        fetch_bytes=sum(size for digest, size in wanted.items() if digest not in known),
    )


def content_bytes(manifest: Manifest) -> int:
    """The size of all files, names of one inode counted once."""
    total = 0
    groups: set[int] = set()
    for entry in manifest.entries.values():
        if entry.link_group not in groups:
            total += entry.size
            if entry.link_group:
                groups.add(entry.link_group)
    return total


def unit_of(path: str) -> str | None:
    """The unit that a path configures: the unit file itself, a drop-in, an init script; None for any other path."""
    for folder in _UNIT_FOLDERS:
        if path.startswith(folder):
            name = path.removeprefix(folder).partition("/")[0]
            if folder == "etc/init.d/":
                return f"{name}.service"
            unit = name.removesuffix(".d")
            return unit if unit.endswith(_UNIT_SUFFIXES) else None
    return None


def _change(before: Entry | None, after: Entry | None) -> str | None:
    if before is None:
        return "created"
    if after is None:
        return "deleted"
    if _content(before) != _content(after):
        return "replaced"
    return "metadata" if _metadata(before) != _metadata(after) else None


def _content(entry: Entry) -> tuple[object, ...]:
    return entry.kind, entry.digest, entry.target, entry.device


def _metadata(entry: Entry) -> tuple[object, ...]:
    mtime_ns = 0 if entry.kind is Kind.DIR else entry.mtime_ns
    return entry.mode, entry.uid, entry.gid, mtime_ns, entry.xattrs
