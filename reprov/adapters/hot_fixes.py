"""Reading which packages a node has, as its own package database says it, and what files those have."""

from collections.abc import Mapping
from typing import Protocol

from reprov.adapters.live_entries import LiveEntries
from reprov.adapters.package_database import read_text
from reprov.adapters.rpm_database import read_rpm_packages_at
from reprov.domain.dpkg import owned_paths, parse_diversions, parse_status
from reprov.domain.package_databases import STATUS
from reprov.domain.packages import Package, PackageSet

_DPKG = STATUS.rpartition("/")[0]


class NodePackages(Protocol):
    """The packages of a node."""

    @property
    def installed(self) -> PackageSet:
        """All of them, without their files."""

    def files_of(self, key: str) -> tuple[str, ...]:
        """The paths that a package owns."""


class RpmNode:
    """The packages of a node of the RPM family. Its rpm is asked."""

    def __init__(self, root_fd: int) -> None:
        self._live = LiveEntries(root_fd)
        self._packages = {f"{package.name}:{package.arch}": package for package in read_rpm_packages_at(root_fd, "the node")}

    @property
    def installed(self) -> PackageSet:
        """All of them, without their files."""
        return PackageSet.of("rpm", [Package(package.name, package.version, package.arch) for package in self._packages.values()])

    def files_of(self, key: str) -> tuple[str, ...]:
        """The paths that a package owns."""
        package = self._packages[key]
        return owned_paths(package.name, package.placed, {}, self._live)


class DebianNode:
    """The packages of a node of Debian's family."""

    def __init__(self, root_fd: int) -> None:
        self._root_fd = root_fd
        self._live = LiveEntries(root_fd)
        self._entries = {f"{entry.name}:{entry.arch}": entry for entry in parse_status(read_text(STATUS, dir_fd=root_fd), f"/{STATUS}")}

    @property
    def installed(self) -> PackageSet:
        """All of them, without their files."""
        return PackageSet.of("debian", [Package(entry.name, entry.version, entry.arch) for entry in self._entries.values()])

    def files_of(self, key: str) -> tuple[str, ...]:
        """The paths that a package owns."""
        names = (f"{_DPKG}/info/{name}.list" for name in self._entries[key].info_names)
        listed = next((read_text(name, dir_fd=self._root_fd).splitlines() for name in names if name in self._live), [])
        return owned_paths(self._entries[key].name, listed, self._diversions(), self._live)

    def _diversions(self) -> Mapping[str, tuple[str, str]]:
        path = f"{_DPKG}/diversions"
        return parse_diversions(read_text(path, dir_fd=self._root_fd), f"/{path}") if path in self._live else {}
