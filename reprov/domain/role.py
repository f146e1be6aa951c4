"""role.yaml: what a role is made of, with every mistake reported by file and line."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from reprov.domain.hook import Hook, hook_of
from reprov.domain.release import MANAGED_FILESYSTEMS
from reprov.domain.yaml_model import validated
from reprov.domain.yaml_text import Location, YamlText
from reprov.errors import InvalidInput

ROLE_FILE = "role.yaml"

BUILD_EPOCH_S = 1686355200
"""The time that everything gets which a build makes itself, 2023-06-10T00:00:00Z, and the SOURCE_DATE_EPOCH of its programs.

One constant for all roles, suites and versions: a generated file that did not change between two versions is then identical in
its metadata, too, and costs the second version nothing in the store. What packages ship keeps the times that the packages gave it,
so the date need not be near theirs; it is the day of Debian 12, and in no one's future.
"""

_FAMILIES = {"debian": "debian", **dict.fromkeys(("almalinux", "centos", "fedora", "rhel", "rocky"), "rpm")}
_ON_THIS_MACHINE = "file:"


def _named(what: str, pattern: str) -> Callable[[str], str]:
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(f"{text!r} is not {what}")
        return text

    return check


def _is_known(distribution: str) -> str:
    if distribution not in _FAMILIES:
        raise ValueError(f"{distribution!r} is not a distribution that reprov builds ({', '.join(_FAMILIES)})")
    return distribution


def _is_hook(fields: dict[str, Any] | None) -> dict[str, Any] | None:
    if fields is not None:
        hook_of(fields)
    return fields


RoleName = Annotated[str, AfterValidator(_named("a role name", r"[a-z0-9][a-z0-9._+-]*"))]
Word = Annotated[str, AfterValidator(_named("a plain name", r"[A-Za-z0-9_][A-Za-z0-9._+-]*"))]
Suite = Annotated[str, AfterValidator(_named("a suite", r"[a-z][a-z0-9.-]*(/[a-z-]+)?|[0-9]+(\.[0-9]+)?"))]
_DEB = r"[a-z0-9][a-z0-9.+-]+(:[a-z0-9-]+)?([=/][A-Za-z0-9.+:~-]+)?"
_RPM = r"(@\^?)?[A-Za-z0-9_][A-Za-z0-9_.+:~^-]*(\([A-Za-z0-9_.+:-]+\))?"
Package = Annotated[str, AfterValidator(_named("a package", f"{_DEB}|{_RPM}"))]
Unit = Annotated[str, AfterValidator(_named("a unit", r"[A-Za-z0-9_][A-Za-z0-9:_.@\\-]*"))]
Mirror = Annotated[str, AfterValidator(_named("a mirror address", r"(https?|file|copy)://?[^\s\[\]]+"))]
TreePath = Annotated[str, AfterValidator(_named("a relative path without dots", r"[A-Za-z0-9_-][^\s/]*(/[A-Za-z0-9_-][^\s/]*)*"))]


class Repository(BaseModel):
    """A further package repository of a role."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    name: Word
    suite: Suite | None = None
    """Of the debian family, which has several in one repository."""
    components: tuple[Word, ...] = Field(default=("main",), strict=False)
    mirror: Mirror | None = None
    """None: where the build machine's own apt finds that suite. On the RPM side the directory that has `repodata`, as in `baseurl`."""
    key: Word | None = None
    """A file of the role's `keys/` folder, OpenPGP, armored (.asc) or not (.gpg); None: the distribution's own keys, which only the
    debian family has on the build machine."""


class RoleFile(BaseModel):
    """One role.yaml as written; `RoleFile.parse` is the way to make one."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, alias_generator=lambda name: name.replace("_", "-"))

    extends: RoleName | None = None
    distribution: Annotated[str, AfterValidator(_is_known)] | None = None
    suite: Suite | None = None
    mirror: Mirror | None = None
    components: tuple[Word, ...] | None = Field(default=None, strict=False)
    repositories: tuple[Repository, ...] = Field(default=(), strict=False)
    packages: tuple[Package, ...] = Field(default=(), strict=False)
    """In the words of `apt-get install`: `name`, `name=version`, `name/suite`, and `name-` for one that must not be there; on the RPM
    side in those of `dnf install`: `name`, `name-version`, `@group`."""
    recommends: bool = False
    """With what packages recommend, or have as weak dependencies."""
    scripts: tuple[Word, ...] = Field(default=(), strict=False)
    """Files of the role's `scripts/` folder, run in the tree in this order. A build from an earlier version runs them again."""
    enabled: tuple[Unit, ...] = Field(default=(), strict=False)
    disabled: tuple[Unit, ...] = Field(default=(), strict=False)
    masked: tuple[Unit, ...] = Field(default=(), strict=False)
    excludes: tuple[Word, ...] = Field(default=(), strict=False)
    post_scripts: tuple[Word, ...] = Field(default=(), strict=False)
    services: tuple[Unit, ...] = Field(default=(), strict=False)
    checks: tuple[Word, ...] = Field(default=(), strict=False)
    """Files or folders of the role's `checks/` folder, run on a node after an upgrade and by `reprov check`."""
    converge: Annotated[dict[str, Any] | None, AfterValidator(_is_hook)] = None
    filesystems: tuple[TreePath, ...] | None = Field(default=None, strict=False)

    base_keys: ClassVar[tuple[str, ...]] = ("distribution", "suite", "mirror", "components")

    @classmethod
    def parse(cls, text: str, source: str) -> "RoleFile":
        """Read role.yaml. Raises `InvalidInput` with file:line for anything that is not a role."""
        lines = YamlText(text, source, "a role")
        role = validated(cls, lines, lines.data, _keys_at)
        if role.extends is None and role.suite is None:
            raise InvalidInput(
                f"{source}:1: the role names neither the role it extends nor a suite", hint="suite: bookworm, or extends: base"
            )
        for number, repository in enumerate(role.repositories):
            if repository.suite is None and repository.mirror is None:
                raise lines.invalid(("repositories", number), "'suite' is missing")
        if role.extends is None and _FAMILIES[role.distribution or "debian"] == "rpm":
            role._check_rpm(lines)
        elif role.suite is not None and role.suite[0].isdigit():
            raise lines.invalid(("suite",), f"suite: {role.suite!r} is not a suite of debian; another distribution has to be named")
        for key in cls.base_keys:
            if role.extends is not None and getattr(role, key) is not None:
                raise lines.invalid((key,), f"{key!r} is for the role that extends no other; this one takes it from {role.extends!r}")
        return role

    def _check_rpm(self, lines: YamlText) -> None:
        for key in ("mirror", "components"):
            if getattr(self, key) is not None:
                raise lines.invalid((key,), f"{key!r} is for debian; {self.distribution} has repositories, each with its mirror")
        if not self.repositories:
            raise lines.invalid(("distribution",), f"a role of {self.distribution} needs repositories, each with its mirror")


@dataclass(frozen=True, slots=True)
class Layer:
    """One role's own share of a tree: what its folder holds, laid over what the roles before it left."""

    name: str
    folder: str
    """Where `files/`, `scripts/` and `keys/` are."""
    file: RoleFile


@dataclass(frozen=True, slots=True)
class Role:
    """A role with the ones that it extends: layers from the outermost ancestor to the role itself."""

    layers: tuple[Layer, ...]

    @property
    def name(self) -> str:
        """The role's own name."""
        return self.layers[-1].name

    @property
    def parent_name(self) -> str | None:
        """The role that it extends."""
        return self.layers[-1].file.extends

    @property
    def distribution(self) -> str:
        """Whose packages it is made of."""
        return self.layers[0].file.distribution or "debian"

    @property
    def family(self) -> str:
        """Which package database its trees have."""
        return _FAMILIES[self.distribution]

    @property
    def suite(self) -> str:
        """The suite of the outermost ancestor."""
        return self.layers[0].file.suite or ""

    @property
    def repositories(self) -> tuple[tuple[Layer, Repository], ...]:
        """Every repository, Debian's own first under the name "main", each with the layer that named it.

        Raises `InvalidInput` for one of the other family.
        """
        root = self.layers[0]
        named = tuple((layer, repository) for layer in self.layers for repository in layer.file.repositories)
        for layer, repository in named:
            if (repository.suite is None) != (self.family == "rpm"):
                what = f"names a suite, and {self.distribution} has none" if repository.suite else "names no suite"
                raise InvalidInput(f"{layer.folder}/{ROLE_FILE}: repository {repository.name!r} {what}")
            if self.family == "rpm" and repository.key is None and not (repository.mirror or "").startswith(_ON_THIS_MACHINE):
                raise InvalidInput(
                    f"{layer.folder}/{ROLE_FILE}: repository {repository.name!r} comes over the network and has no key",
                    hint="put the distribution's RPM-GPG-KEY file into the role's keys/ folder and name it: `key: FILE`",
                )
        if self.family == "rpm":
            return named
        main = Repository(name="main", suite=self.suite, mirror=root.file.mirror, components=root.file.components or ("main",))
        return ((root, main), *named)

    @property
    def filesystems(self) -> tuple[str, ...]:
        """Those that the role names, else the nearest ancestor that does, else the usual ones."""
        named = [layer.file.filesystems for layer in self.layers if layer.file.filesystems is not None]
        return named[-1] if named else MANAGED_FILESYSTEMS

    @property
    def concerns(self) -> tuple[str, ...]:
        """Whose ownership lists it has, in the order in which they are tried: its own before those of the roles that it extends."""
        return tuple(dict.fromkeys(name for layer in reversed(self.layers) for name in layer.file.excludes))

    @property
    def converge(self) -> Hook | None:
        """The hook that the role names, else that of the nearest ancestor that does."""
        named = [layer.file.converge for layer in self.layers if layer.file.converge is not None]
        return hook_of(named[-1]) if named else None

    def named(self, get: Callable[[RoleFile], Sequence[str]]) -> tuple[str, ...]:
        """What the layers list, ancestors first, each name once."""
        return tuple(dict.fromkeys(name for layer in self.layers for name in get(layer.file)))


def _keys_at(location: Location) -> Iterable[str]:
    model = Repository if location[0] == "repositories" else RoleFile
    return [name.replace("_", "-") for name in model.model_fields]
