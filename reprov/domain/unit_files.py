"""systemd unit files as text: which directories below /var a unit says are its own."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from reprov.domain.entry import parent_of

UNIT_SUFFIXES = (".service", ".socket", ".mount", ".swap")
"""The units that can have such directories, systemd.exec(5)."""

_BASES = {"StateDirectory": "var/lib", "CacheDirectory": "var/cache", "LogsDirectory": "var/log"}
_SECTIONS = tuple(suffix[1:] for suffix in UNIT_SUFFIXES)
_TRUE = ("1", "yes", "true", "on", "y", "t")


class UnitDirectory(NamedTuple):
    """A directory that systemd makes for a unit, and hands over to it."""

    unit: str
    setting: str
    """StateDirectory, CacheDirectory or LogsDirectory."""
    path: str
    """Relative to the root. Where the name depends on the instance or the machine, the directory above."""


def directories_of(unit: str, texts: Sequence[str]) -> tuple[UnitDirectory, ...]:
    """The directories of a unit, from its file and its drop-ins in the order in which systemd reads them.

    With DynamicUser= the content lies in `private/`, where the name is a link to; both are given. systemd.exec(5).
    """
    words: dict[str, list[str]] = {setting: [] for setting in _BASES}
    dynamic = False
    for key, value in (pair for text in texts for pair in _settings(text)):
        if key == "DynamicUser":
            dynamic = value.lower() in _TRUE
        elif key in words:
            words[key] = [*words[key], *value.split()] if value else []  # an empty assignment takes back what came before
    found: list[UnitDirectory] = []
    for setting, base in _BASES.items():
        for word in words[setting]:
            name = _expanded(word.strip("\"'").partition(":")[0].strip("/"), unit)
            if name and ".." not in name.split("/"):
                places = (f"{base}/private", base) if dynamic else (base,)
                found += [UnitDirectory(unit, setting, f"{place}/{name}") for place in places]
    return tuple(dict.fromkeys(found))


def _expanded(name: str, unit: str) -> str:
    """The name with the specifiers that the unit's own name answers; cut off before the first of any other."""
    stem = unit.rpartition(".")[0]
    known = {"%": "%", "n": unit, "N": stem, "p": stem.partition("@")[0]}
    if "@" in unit:
        del known["n"], known["N"]
    expanded = ""
    rest = name
    while rest:
        before, percent, rest = rest.partition("%")
        expanded += before
        if percent:
            if rest[:1] not in known:
                return parent_of(expanded)
            expanded += known[rest[:1]]
            rest = rest[1:]
    return expanded


def _settings(text: str) -> Iterator[tuple[str, str]]:
    """The assignments in the sections that may have directories; lines continued with a backslash are one, systemd.syntax(7)."""
    section = ""
    pending = ""
    for line in text.split("\n"):
        line = line.strip()
        if pending and line[:1] in ("#", ";"):
            continue
        line = pending + line
        if line.endswith("\\"):
            pending = line[:-1] + " "
            continue
        pending = ""
        if line.startswith("["):
            section = line.strip("[]").lower()
        elif section in _SECTIONS and "=" in line and line[0] not in "#;":
            key, _, value = line.partition("=")
            yield key.strip(), value.strip()
