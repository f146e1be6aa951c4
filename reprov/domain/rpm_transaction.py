"""What rpm would do to get from one set of packages to another: what it installs and erases, in which order."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from reprov.domain.rpm import RpmPackage

_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Transaction:
    """The packages that two sets do not have in common, in rpm's order: everything is installed, then what it replaces is erased."""

    before: tuple[RpmPackage, ...]
    """Everything that is installed at the start."""
    installed: tuple[RpmPackage, ...]
    """Every package after those that it requires."""
    erased: tuple[RpmPackage, ...]
    """Every package before those that it requires."""

    @classmethod
    def between(cls, old: Sequence[RpmPackage], new: Sequence[RpmPackage]) -> "Transaction":
        """From one set of packages to another one. A package that is there twice (kernels) is several ones."""
        known, wanted = {key_of(package) for package in old}, {key_of(package) for package in new}
        installed = [package for package in new if key_of(package) not in known]
        erased = [package for package in old if key_of(package) not in wanted]
        return cls(tuple(old), ordered(installed), tuple(reversed(ordered(erased))))

    def is_upgrade(self, package: RpmPackage) -> bool:
        """True when another version of an installed or erased package is erased or installed with it."""
        others = self.installed if any(package is erased for erased in self.erased) else self.erased
        return any((other.name, other.arch) == (package.name, package.arch) for other in others)


def key_of(package: RpmPackage) -> _Key:
    """What names one installed package."""
    return package.name, package.arch, package.version


def ordered(packages: Iterable[RpmPackage]) -> tuple[RpmPackage, ...]:
    """The packages, each after those that it requires: first all that require none of the others, in the order of their names.

    Packages that require each other stand beside each other.
    """
    by_key = {key_of(package): package for package in sorted(packages, key=key_of)}
    providers: dict[str, list[_Key]] = {}
    for key, package in by_key.items():
        for name in (package.name, *package.provides, *package.files):
            providers.setdefault(name, []).append(key)
    required = {
        key: {provider for name in package.requires for provider in providers.get(name, ()) if provider != key}
        for key, package in by_key.items()
    }
    depth: dict[_Key, int] = {}
    for component in _components(required):
        below = max((depth[name] for key in component for name in required[key] if name in depth), default=-1)
        depth |= dict.fromkeys(component, below + 1)
    return tuple(by_key[key] for key in sorted(depth, key=lambda key: (depth[key], key)))


def _components(required: Mapping[_Key, Collection[_Key]]) -> list[list[_Key]]:
    """Groups of keys that require each other, each group after those that it requires (Tarjan's algorithm, without recursion)."""
    number: dict[_Key, int] = {}
    lowest: dict[_Key, int] = {}
    stack: list[_Key] = []
    waiting: set[_Key] = set()
    found: list[list[_Key]] = []
    for start in required:
        if start in number:
            continue
        path = [(start, iter(sorted(required[start])))]
        number[start] = lowest[start] = len(number)
        stack.append(start)
        waiting.add(start)
        while path:
            key, successors = path[-1]
            for successor in successors:
                if successor not in number:
                    number[successor] = lowest[successor] = len(number)
                    stack.append(successor)
                    waiting.add(successor)
                    path.append((successor, iter(sorted(required[successor]))))
                    break
                if successor in waiting:
                    lowest[key] = min(lowest[key], number[successor])
            else:
                path.pop()
                if path:
                    lowest[path[-1][0]] = min(lowest[path[-1][0]], lowest[key])
                if lowest[key] == number[key]:
                    at = stack.index(key)
                    found.append(stack[at:])
                    waiting.difference_update(stack[at:])
                    del stack[at:]
    return found
