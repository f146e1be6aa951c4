"""Which packages dpkg would process triggers of, and with which names (deb-triggers(5), dpkg's doc/spec/triggers.txt)."""

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from reprov.domain.debian_change import DebianChange
from reprov.domain.debian_package import DebianTree, Directive

_MERGED: Final = re.compile(r"/(?=(?:bin|sbin|lib|lib32|lib64|libx32)(?:/|$))")
_CALL: Final = re.compile(r"\bdpkg-trigger((?:[ \t]+--[a-z-]+(?:=\S+)?)*)[ \t]+([A-Za-z0-9_/.+:-]+)")


def triggered(
    new: DebianTree, changes: Sequence[DebianChange], order: Sequence[str], changed_paths: Collection[str]
) -> dict[str, tuple[str, ...]]:
    """The triggers to process by the key of the interested package, both sorted: by the order, by name.

    What is unpacked activates the triggers of its paths and of packages that say so; paths that a hop changes beside its
    packages count as well. A package that the hop configures does by that whatever had been activated before (triggers.txt,
    "Packages in config-failed or worse"), so of those count only what is activated while later packages are configured.
    `dpkg-trigger` counts wherever a script has it, whether or not it would come to the call.
    """
    place = {key: number for number, key in enumerate(order)}
    configured = {change.new.key for change in changes if change.new}
    activated = _Activated()
    activated.paths({f"/{path}" for path in changed_paths})
    for change in changes:
        for package in filter(None, (change.old, change.new)):
            activated.paths(package.listed)
        if change.old:
            activated.names(change.old.named(Directive.ACTIVATE))
            activated.names(trigger_calls(change.old.scripts.get("postrm", "")))
        if change.new:
            activated.names(trigger_calls(change.new.scripts.get("preinst", "")))
            activated.names(change.new.named(Directive.ACTIVATE), place[change.new.key])
            activated.names(trigger_calls(change.new.scripts.get("postinst", "")), place[change.new.key] + 1)  # its own, too
    found = {}
    for key in order:
        since = place[key] + 1 if key in configured else 0
        names = {name for name in new.packages[key].named(Directive.INTEREST) if activated.has(name, since)}
        if names:
            found[key] = tuple(sorted(names))
    return found


class _Activated:
    """What was activated: paths while everything was unpacked, names until which package was configured."""

    def __init__(self) -> None:
        self._paths: set[str] = set()
        self._last: dict[str, int] = {}

    def names(self, names: Iterable[str], when: int = 0) -> None:
        for name in map(_real, names):
            self._last[name] = max(when, self._last.get(name, 0))

    def paths(self, paths: Iterable[str]) -> None:
        """Each path, and every directory above it."""
        for path in map(_real, paths):
            while path and path not in self._paths:
                self._paths.add(path)
                path = path.rpartition("/")[0]

    def has(self, name: str, since: int) -> bool:
        when = self._last.get(_real(name), 0 if _real(name) in self._paths else -1)
        return when >= since


def trigger_calls(script: str) -> list[str]:
    """The names that a script calls dpkg-trigger with, as far as they are written there."""
    lines = (line for line in script.split("\n") if not line.lstrip().startswith("#"))
    return [found[2] for line in lines for found in _CALL.finditer(line)]


def _real(path: str) -> str:
    """The path behind the links of a merged /usr, which dpkg does not know of and the tree's own paths have followed."""
    return "/usr/" + path[1:] if _MERGED.match(path) else path
