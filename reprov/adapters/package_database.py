"""Reading which packages a tree has from its own package database: dpkg's is text, rpm's is asked of this machine's rpm."""

from contextlib import suppress
from pathlib import Path

from reprov.adapters.files import opened_directory, read_at
from reprov.adapters.rpm_database import find_database, read_rpm_packages
from reprov.domain.dpkg import SCRIPTLETS, StatusEntry, owned_paths, parse_diversions, parse_status
from reprov.domain.manifest import Manifest
from reprov.domain.package_databases import STATUS
from reprov.domain.packages import Package, PackageSet
from reprov.domain.rpm import RpmPackage
from reprov.events import Monitor, Note

_DPKG = "var/lib/dpkg"


def read_packages(tree: Path, family: str, manifest: Manifest, monitor: Monitor) -> PackageSet:
    """The packages of a tree. A tree without a database has none, and what is not fully installed is noted."""
    if family == "rpm" and find_database(tree) is not None:
        return PackageSet.of(family, [_rpm_package(package, manifest) for package in read_rpm_packages(tree)])
    if family != "debian" or STATUS not in manifest.entries:
        monitor.emit(Note(f"{tree}: no package database that reprov reads, so nothing is attributed to packages"))
        return PackageSet.of(family, [])
    with opened_directory(tree) as tree_fd:
        found = parse_status(read_text(STATUS, dir_fd=tree_fd), f"{tree}/{STATUS}")
        diversions: dict[str, tuple[str, str]] = {}
        with suppress(FileNotFoundError):
            diversions = parse_diversions(read_text(f"{_DPKG}/diversions", dir_fd=tree_fd), f"{tree}/{_DPKG}/diversions")
        unfinished = [entry.name for entry in found if entry.state != "installed"]
        if unfinished:
            monitor.emit(Note(f"{tree}: not fully installed: {', '.join(unfinished)}"))
        return PackageSet.of(family, [_package(entry, diversions, manifest, tree_fd) for entry in found])


def read_text(path: str, *, dir_fd: int) -> str:
    """The content of a file of a tree, reached through no symbolic link; bytes that are not UTF-8 become surrogates."""
    return read_at(path, dir_fd=dir_fd).decode("utf-8", "surrogateescape")


def _rpm_package(package: RpmPackage, manifest: Manifest) -> Package:
    paths = owned_paths(package.name, package.placed, {}, manifest.entries)
    return Package(package.name, package.version, package.arch, package.scriptlets, paths)


def _package(entry: StatusEntry, diversions: dict[str, tuple[str, str]], manifest: Manifest, tree_fd: int) -> Package:
    bases = [f"{_DPKG}/info/{name}" for name in entry.info_names]
    base = next((base for base in bases if f"{base}.list" in manifest.entries), None)
    if base is None:
        return Package(entry.name, entry.version, entry.arch)
    listed = read_text(f"{base}.list", dir_fd=tree_fd).splitlines()
    scriptlets = tuple(name for name in SCRIPTLETS if f"{base}.{name}" in manifest.entries)
    return Package(entry.name, entry.version, entry.arch, scriptlets, owned_paths(entry.name, listed, diversions, manifest.entries))
