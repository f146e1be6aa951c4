"""The packages of a release: what they are called, what they own, which scriptlets they bring; and how two sets differ."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from reprov.domain.entry import parent_of
from reprov.errors import InvalidInput

PACKAGES_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Package:
    """One installed package."""

    name: str
    version: str
    arch: str
    scriptlets: tuple[str, ...] = ()
    """Names of the maintainer scripts that it has, `triggers` among them, sorted."""
    paths: tuple[str, ...] = ()
    """What it owns in the tree, sorted, directories only when it owns nothing in them; real paths, not through a symbolic link."""

    @property
    def key(self) -> str:
        """What is unique in most sets: foreign architectures of a package are installed beside each other."""
        return f"{self.name}:{self.arch}"


@dataclass(frozen=True, slots=True)
class PackageSet:
    """packages.json: the family and its packages by key."""

    family: str
    packages: Mapping[str, Package]

    @classmethod
    def of(cls, family: str, packages: Iterable[Package]) -> "PackageSet":
        """The set of these packages in the order of their names. A package that is there in several versions (kernels) is several ones."""
        found: dict[str, Package] = {}
        for package in sorted(packages, key=lambda package: (package.name, package.arch, package.version)):
            found[f"{package.key}={package.version}" if package.key in found else package.key] = package
        return cls(family, found)

    def by_name(self) -> dict[str, dict[str, Package]]:
        """The installed versions of every package, by name and architecture."""
        found: dict[str, dict[str, Package]] = {}
        for package in self.packages.values():
            found.setdefault(package.key, {})[package.version] = package
        return found

    def owners(self) -> dict[str, str]:
        """The name of the owning package by path; of a path that several own (multi-arch), the first one's."""
        owners: dict[str, str] = {}
        for package in self.packages.values():
            for path in package.paths:
                owners.setdefault(path, package.name)
        return owners

    def to_json(self) -> str:
        """The text of packages.json: a line for each package, its paths grouped by directory, which halves the size."""
        head = json.dumps({"format": PACKAGES_FORMAT, "family": self.family})[:-1]
        lines = ",\n".join(json.dumps(_fields(package), separators=(",", ":")) for package in self.packages.values())
        return f'{head}, "packages": [\n{lines}\n]}}\n'

    @classmethod
    def parse(cls, text: str, source: str) -> "PackageSet":
        """Read packages.json. Raises `InvalidInput` naming the source when it is not one that this version understands."""
        try:
            fields = json.loads(text)
            if fields["format"] != PACKAGES_FORMAT:
                raise InvalidInput(f"{source}: packages format {fields['format']} is newer than this reprov", hint="update reprov")
            return cls.of(str(fields["family"]), [_package(item) for item in fields["packages"]])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidInput(f"{source}: not a list of packages ({type(error).__name__}: {error})") from None


@dataclass(frozen=True, slots=True, order=True)
class PackageChange:
    """One package that two sets do not have in common; `before` or `after` is "" when it was added or removed."""

    name: str
    arch: str
    change: str
    """added, removed, upgraded, downgraded, or changed where the family's version order is not known."""
    before: str
    after: str

    @property
    def line(self) -> str:
        """The line of packages.diff: five words, "-" for no version."""
        return f"{self.change} {self.name} {self.arch} {self.before or '-'} {self.after or '-'}"


def difference(old: PackageSet, new: PackageSet, compare_versions: Callable[[str, str], int] | None) -> tuple[PackageChange, ...]:
    """What changes from one set to the other, by name; without a comparison, versions only differ."""
    changes: list[PackageChange] = []
    known, wanted = old.by_name(), new.by_name()
    for key in known.keys() | wanted.keys():
        before, after = known.get(key, {}), wanted.get(key, {})
        gone = [package for version, package in before.items() if version not in after]
        come = [package for version, package in after.items() if version not in before]
        if len(before) == len(after) == len(gone) == 1:
            versions = gone[0].version, come[0].version
            changes.append(PackageChange(come[0].name, come[0].arch, _direction(*versions, compare_versions), *versions))
            continue
        changes += [PackageChange(package.name, package.arch, "added", "", package.version) for package in come]
        changes += [PackageChange(package.name, package.arch, "removed", package.version, "") for package in gone]
    return tuple(sorted(changes))


def leaves(paths: Iterable[str]) -> tuple[str, ...]:
    """The paths that are not the directory of another one of them, sorted."""
    known = set(paths)
    inner = {parent_of(path) for path in known}
    return tuple(sorted(known - inner - {""}))


def _direction(before: str, after: str, compare_versions: Callable[[str, str], int] | None) -> str:
    order = compare_versions(before, after) if compare_versions else 0
    if not order:
        return "changed"
    return "upgraded" if order < 0 else "downgraded"


def _fields(package: Package) -> dict[str, object]:
    folders: dict[str, list[str]] = {}
    for path in package.paths:
        folder, _, name = path.rpartition("/")
        folders.setdefault(folder, []).append(name)
    return {
        "name": package.name,
        "version": package.version,
        "arch": package.arch,
        "scriptlets": list(package.scriptlets),
        "paths": folders,
    }


def _package(fields: Mapping[str, object]) -> Package:
    folders, scriptlets = fields["paths"], fields["scriptlets"]
    if not isinstance(folders, dict) or not isinstance(scriptlets, list):
        raise TypeError("paths or scriptlets of a package")
    paths = sorted(f"{folder}/{name}" if folder else str(name) for folder, names in folders.items() for name in names)
    return Package(str(fields["name"]), str(fields["version"]), str(fields["arch"]), tuple(str(name) for name in scriptlets), tuple(paths))
