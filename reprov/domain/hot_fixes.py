"""Packages that somebody has installed, changed or removed on a managed node by hand, and what an upgrade makes of them."""

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import NamedTuple

from reprov.domain.packages import PackageChange, PackageSet

Compare = Callable[[str, str], int]


class Fate(StrEnum):
    """What becomes of a hot fix."""

    KEPT = "kept"
    """Its files are the node's by the lists."""
    SUPERSEDED = "superseded"
    """The release has the same, or something newer."""
    LOST = "lost"
    """The release has something older, or nothing; of a removal: the package comes back."""


class HotFix(NamedTuple):
    """One of them, and what the release of a plan makes of it."""

    change: PackageChange
    """From the installed release to the node."""
    fate: Fate
    target_version: str
    """What the release has; "" for nothing."""

    @property
    def text(self) -> str:
        """It in words: what was done by hand, and what is to come."""
        change = self.change
        if not change.after:
            done = f"{change.before} was removed by hand"
        elif not change.before:
            done = f"{change.after} was installed by hand"
        else:
            done = f"{change.after} was installed by hand over {change.before}"
        return f"{self.fate.value}: {done}; the release has {self.target_version or 'none'}"


def judge(
    changes: Iterable[PackageChange], target: PackageSet, compare: Compare, stays: Callable[[PackageChange], bool]
) -> tuple[HotFix, ...]:
    """What a release makes of hot fixes; `stays` says of one whether it has files, and the upgrade leaves all of them alone."""
    found = []
    for change in changes:
        package = target.packages.get(f"{change.name}:{change.arch}")
        version = package.version if package else ""
        fate = _fate_of(change, version, compare)
        if fate is Fate.LOST and change.after and stays(change):
            fate = Fate.KEPT
        found.append(HotFix(change, fate, version))
    return tuple(found)


def _fate_of(change: PackageChange, version: str, compare: Compare) -> Fate:
    if not change.after:
        return Fate.LOST if version else Fate.SUPERSEDED
    if not version or compare(version, change.after) < 0:
        return Fate.LOST
    # Who went back to an older version did not want the one that the release had.
    went_back = bool(change.before) and compare(change.after, change.before) < 0
    is_unwanted = went_back and compare(version, change.after) > 0 and compare(version, change.before) <= 0
    return Fate.LOST if is_unwanted else Fate.SUPERSEDED
