"""What a hop means for services: packages that change -> services -> snippets. Only what changes is touched."""

import fnmatch
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from reprov.domain.hop import COMPARE_VERSIONS, unit_of
from reprov.domain.packages import PackageChange, PackageSet, difference
from reprov.domain.snippet import REIMAGE, Derived, Family, Service, Snippet, Touched, Unknown
from reprov.errors import InvalidInput

_STARTABLE: Final = (".service", ".socket", ".timer")
"""Units that run something; a mount or a target of a package is not what a snippet would be written for."""


def changed_packages(old: PackageSet, new: PackageSet) -> tuple[PackageChange, ...]:
    """The package diff of a hop, as `reprov diff` shows it. Only the packages count: whole manifests need not be read."""
    compare = COMPARE_VERSIONS.get(new.family) if old.family == new.family else None
    return difference(old, new, compare)


def derive(profile: str, old: PackageSet, new: PackageSet, snippets: Mapping[Service, Snippet]) -> Derived:
    """The services that a hop touches on hosts of a profile.

    A service is touched when one of its own packages changes, comes or goes, when a package that owns one of its units does, or, where
    it is installed, when one of its parts does. Raises `InvalidInput` for services that are after each other in a circle.
    """
    changes = changed_packages(old, new)
    units = {change: _units_of(change, old, new) for change in changes}
    family = Family(new.family)
    installed = {package.name for packages in (old, new) for package in packages.packages.values()}
    because: dict[Service, tuple[PackageChange, ...]] = {}
    for service, snippet in snippets.items():
        is_own, is_part = _any_of(snippet.packages[family]), _any_of(snippet.parts[family])
        is_unit = _any_of(snippet.units[family])
        is_here = any(is_own(name) for name in installed)
        found = tuple(
            change
            for change in changes
            if is_own(change.name) or (is_here and is_part(change.name)) or (is_here and any(is_unit(unit) for unit in units[change]))
        )
        if found:
            because[service] = found
    known = {change for found in because.values() for change in found}
    return Derived(
        profile,
        tuple(Touched(service, because[service]) for service in in_order(because, snippets)),
        tuple(Unknown(change, units[change]) for change in changes if units[change] and change not in known),
    )


def running(packages: PackageSet, snippets: Mapping[Service, Snippet]) -> frozenset[Service]:
    """The services that a release has a package of."""
    family = Family(packages.family)
    names = {package.name for package in packages.packages.values()}
    return frozenset(service for service, snippet in snippets.items() if any(map(_any_of(snippet.packages[family]), names)))


def in_order(services: Iterable[Service], snippets: Mapping[Service, Snippet]) -> tuple[Service, ...]:
    """The services in the order in which they are started: each behind those that it is `after`, by name otherwise.

    Raises `InvalidInput` for a circle.
    """
    wanted = sorted(services)
    done: dict[Service, None] = {}

    def place(service: Service, above: tuple[Service, ...]) -> None:
        if service in above:
            circle = " after ".join([*above[above.index(service) :], service])
            raise InvalidInput(f"{snippets[service].path}: after: {circle}")
        if service in done:
            return
        # Through services that the hop does not touch, too: what they are after still comes first.
        for other in snippets[service].after:
            if other in snippets:
                place(other, (*above, service))
        done[service] = None

    for service in wanted:
        place(service, ())
    return tuple(service for service in done if service in wanted)


def in_step_order(services: Sequence[Service], step: int) -> tuple[Service, ...]:
    """Services in the order in which a step comes to them: they are stopped in the reverse of the order in which they are started."""
    return tuple(reversed(services) if step < REIMAGE else services)


def _units_of(change: PackageChange, old: PackageSet, new: PackageSet) -> tuple[str, ...]:
    """The units that the package brings, or brought: what it owns in the folders of systemd."""
    found = {unit for path in _paths_of(change, old, new) if (unit := unit_of(path))}
    return tuple(sorted(unit for unit in found if unit.endswith(_STARTABLE)))


def _paths_of(change: PackageChange, old: PackageSet, new: PackageSet) -> Iterator[str]:
    for packages, version in ((old, change.before), (new, change.after)):
        for key in (f"{change.name}:{change.arch}", f"{change.name}:{change.arch}={version}"):
            package = packages.packages.get(key)
            if package and package.version == version:
                yield from package.paths


def _any_of(globs: tuple[str, ...]) -> Callable[[str], bool]:
    """Whether a name is one that the globs mean."""
    pattern = re.compile("|".join(fnmatch.translate(glob) for glob in globs) or r"(?!)")
    return lambda name: pattern.fullmatch(name) is not None
