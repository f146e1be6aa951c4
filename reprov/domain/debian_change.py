"""What happens to the packages from one Debian tree to the next, as dpkg would see it."""

from collections.abc import Iterable
from typing import NamedTuple

from reprov.domain.debian_package import DebianPackage, DebianTree


class DebianChange(NamedTuple):
    """One package that comes (no `old`), goes (no `new`), or has another version or architecture."""

    old: DebianPackage | None
    new: DebianPackage | None


def find_changes(old: DebianTree, new: DebianTree) -> tuple[DebianChange, ...]:
    """The changes by name and architecture. A package that only moves to another architecture (all to amd64) is upgraded, not removed."""
    changes = []
    left_by_name = _by_name(package for key, package in old.packages.items() if key not in new.packages)
    for key, package in sorted(new.packages.items()):
        before = old.packages.get(key)
        moved = left_by_name.get(package.entry.name, [])
        if before is None and moved and not package.entry.same:
            before = moved.pop(0)
        if before is None or before.entry.version != package.entry.version or before.key != key:
            changes.append(DebianChange(before, package))
    changes += [DebianChange(package, None) for packages in left_by_name.values() for package in packages]
    return tuple(changes)


def overwriter(gone: DebianPackage, changes: Iterable[DebianChange]) -> DebianPackage | None:
    """The one package that replaces every file of a package that goes, so that it disappears (Debian policy 6.6, step 5)."""
    files = {path for path in gone.listed if path != "/."}
    for change in changes:
        if change.new and files and gone.entry.name in change.new.replaces and files <= set(change.new.listed):
            return change.new
    return None


def _by_name(packages: Iterable[DebianPackage]) -> dict[str, list[DebianPackage]]:
    found: dict[str, list[DebianPackage]] = {}
    for package in sorted(packages, key=lambda package: package.key):
        found.setdefault(package.entry.name, []).append(package)
    return found
