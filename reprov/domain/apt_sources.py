"""Where the build machine's own apt finds its packages: sources.list(5), one-line and deb822.

A role that names no mirror is built from the mirror that the build machine already uses.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_ONE_LINE = re.compile(r"deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)(?:\s+(.*))?")
_SECURITY = "-security"


@dataclass(frozen=True, slots=True)
class AptSource:
    """One suite that apt reads packages from."""

    mirror: str
    suite: str


@dataclass(frozen=True, slots=True)
class SourceLine:
    """What a build's apt is told: a suite of a mirror, with its components and the key that signs it."""

    mirror: str
    suite: str
    components: tuple[str, ...]
    key_path: str | None = None
    """None: the keys that the distribution's keyring package brings."""

    def render(self) -> str:
        """The line of a sources.list."""
        option = f"[signed-by={self.key_path}] " if self.key_path else ""
        return " ".join((f"deb {option}{self.mirror} {self.suite}", *self.components))


def parse_one_line(text: str) -> list[AptSource]:
    """The sources of a `*.list` file; source packages, comments and lines that apt would not understand are left out."""
    found = (_ONE_LINE.fullmatch(line.partition("#")[0].strip()) for line in text.splitlines())
    return [AptSource(match[1], match[2]) for match in found if match]


def parse_deb822(text: str) -> list[AptSource]:
    """The enabled binary sources of a `*.sources` file."""
    found: list[AptSource] = []
    for stanza in re.split(r"\n\s*\n", text):
        fields = _fields(stanza)
        if "deb" not in fields.get("types", []) or fields.get("enabled", ["yes"]) == ["no"]:
            continue
        found += [AptSource(mirror, suite) for mirror in fields.get("uris", []) for suite in fields.get("suites", [])]
    return found


def mirror_for(suite: str, distribution: str, sources: Sequence[AptSource]) -> str | None:
    """The mirror to take a suite from: the one that carries it here; else, for a security suite, that of another security suite;
    else, for any other, that of another suite of the distribution. None when there is nothing of the kind.

    Mirrors keep a distribution below a directory of its name (".../debian"), which is how one tells Debian from its kin.
    """
    exact = [source.mirror for source in sources if source.suite == suite]
    is_security = _is_security(suite)
    kin = [source.mirror for source in sources if _is_security(source.suite) == is_security and distribution in _last_part(source.mirror)]
    return next(iter(exact + kin), None)


def _is_security(suite: str) -> bool:
    return suite.split("/")[0].endswith(_SECURITY) or suite.endswith("/updates")


def _last_part(mirror: str) -> Iterable[str]:
    return mirror.rstrip("/").rpartition("/")[2].removesuffix(_SECURITY).split("-")


def _fields(stanza: str) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    name = ""
    for line in stanza.splitlines():
        if line.startswith("#") or not line.strip():
            continue
        if not line[0].isspace():
            name, _, line = line.partition(":")
            name = name.strip().lower()
        fields.setdefault(name, []).extend(line.split())
    return fields
