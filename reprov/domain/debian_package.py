"""A Debian package as a hop's post-script needs it: its relations, its maintainer scripts, its triggers, the names of its files."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from reprov.domain.dpkg import StatusEntry, paragraphs
from reprov.errors import InvalidInput

ADMIN: Final = "/var/lib/dpkg"
SCRIPTS: Final = ("preinst", "postinst", "postrm")
"""Those that an upgrade runs after its commit, by their names in info/."""
_CONFIG_FILES: Final = "config-files"
_NAME: Final = re.compile(r"\s*([a-z0-9][a-z0-9+.-]*)(?::[a-z0-9-]+)?\s*(?:\([^()]*\)\s*)?")

Relations = tuple[tuple[str, ...], ...]
"""What must be there: groups, of each of which one name is enough."""


class Directive(StrEnum):
    """What a line of info/*.triggers says (deb-triggers(5)), whoever waits for whom left aside."""

    INTEREST = "interest"
    ACTIVATE = "activate"


class Trigger(NamedTuple):
    """One line of info/*.triggers."""

    directive: Directive
    name: str
    """A path below which everything counts, or a plain name."""


@dataclass(frozen=True, slots=True)
class DebianPackage:
    """An installed package. Its scripts, triggers and paths are read for those packages alone that need them."""

    entry: StatusEntry
    depends: Relations = ()
    pre_depends: Relations = ()
    provides: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    scripts: Mapping[str, str] = field(default_factory=dict)
    """The text by name (`SCRIPTS`)."""
    triggers: tuple[Trigger, ...] = ()
    listed: tuple[str, ...] = ()
    """The absolute paths of info/*.list."""

    @property
    def key(self) -> str:
        """As in a set of packages."""
        return f"{self.entry.name}:{self.entry.arch}"

    def named(self, directive: Directive) -> tuple[str, ...]:
        """The triggers that it is interested in, or activates."""
        return tuple(trigger.name for trigger in self.triggers if trigger.directive is directive)

    @property
    def info_name(self) -> str:
        """What its files in info/ are called, without their suffix."""
        return self.entry.info_names[0]


@dataclass(frozen=True, slots=True)
class DebianTree:
    """The packages of a tree by their keys, and of those whose configuration files alone are left, the version that left them."""

    packages: Mapping[str, DebianPackage]
    left_over: Mapping[str, str] = field(default_factory=dict)


def parse_packages(text: str, source: str) -> tuple[tuple[DebianPackage, ...], dict[str, str]]:
    """The installed packages of a status file with their relations, and the versions that have left configuration files, by key.

    Raises `InvalidInput` with the line of a paragraph that lacks a field or whose relations are none.
    """
    packages: list[DebianPackage] = []
    left_over: dict[str, str] = {}
    for line, fields in paragraphs(text):
        try:
            state = fields["Status"].split()[2]
            if state == "not-installed":
                continue
            entry = StatusEntry(fields["Package"], fields["Version"], fields["Architecture"], state, fields.get("Multi-Arch") == "same")
        except (KeyError, IndexError) as error:
            raise InvalidInput(f"{source}:{line}: a package without {str(error).strip(chr(39))}") from None
        if state == _CONFIG_FILES:
            left_over[f"{entry.name}:{entry.arch}"] = fields.get("Config-Version", entry.version)
            continue
        place = f"{source}:{line}: {entry.name}"
        packages.append(
            DebianPackage(
                entry,
                parse_relations(fields.get("Depends", ""), f"{place}: Depends"),
                parse_relations(fields.get("Pre-Depends", ""), f"{place}: Pre-Depends"),
                _names(fields.get("Provides", ""), f"{place}: Provides"),
                _names(fields.get("Replaces", ""), f"{place}: Replaces"),
            )
        )
    return tuple(packages), left_over


def parse_relations(text: str, place: str) -> Relations:
    """The names of a relation field. Versions and architectures are left out: dpkg has seen to them when the tree was made."""
    groups = []
    for group in filter(str.strip, text.split(",")):
        names = []
        for alternative in group.split("|"):
            found = _NAME.fullmatch(alternative)
            if not found:
                raise InvalidInput(f"{place}: not a relation: {alternative.strip()!r}")
            names.append(found[1])
        groups.append(tuple(names))
    return tuple(groups)


def parse_triggers(text: str, source: str) -> tuple[Trigger, ...]:
    """The lines of an info/*.triggers file. Raises `InvalidInput` with the line of one that dpkg would refuse."""
    found = []
    for number, line in enumerate(text.split("\n"), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        directive, _, waiting = words[0].partition("-")
        if len(words) != 2 or directive not in set(Directive) or waiting not in ("", "await", "noawait"):
            raise InvalidInput(f"{source}:{number}: not a line of a triggers file: {line.strip()[:80]!r}")
        found.append(Trigger(Directive(directive), words[1]))
    return tuple(found)


def _names(text: str, place: str) -> tuple[str, ...]:
    return tuple(name for group in parse_relations(text, place) for name in group)
