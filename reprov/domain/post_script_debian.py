"""The steps of a hop between two Debian trees: which maintainer scripts run, in which order, with which arguments.

As in an upgrade by dpkg (Debian policy 6.5 to 6.8), with these differences, because the files of the new tree are all there,
by one exchange, before the first script runs:

1. `postrm remove` (or `disappear`) of the packages that go, who depends on others first, from the old tree's text;
2. for every package that comes or changes, dependencies first: `preinst install|upgrade`, then the old `postrm upgrade`.
   preinst runs after the exchange, because nothing may change the live tree before the commit;
3. for the same packages in the same order: `postinst configure`;
4. `postinst triggered` of whoever is interested in what the hop changes.

Not run: the old `prerm`, which stops what is to be replaced (services are settled afterwards, once) and takes back what its
package has put into the old tree; `postrm purge`, which would remove data; and what dpkg does when a script fails, for then
the whole hop is taken back. Known work that scripts ask for (ldconfig, an initramfs, ...) is noted while they run, and done once.
"""

import re
from collections.abc import Collection, Iterator
from typing import Final

from reprov.domain.debian_change import DebianChange, find_changes, overwriter
from reprov.domain.debian_order import configuration_order
from reprov.domain.debian_package import ADMIN, DebianPackage, DebianTree
from reprov.domain.debian_triggers import triggered
from reprov.domain.post_script import Step
from reprov.domain.script_file import interpreter_of

_DEBCONF: Final = (
    ("DEBIAN_FRONTEND", "noninteractive"),
    ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
    ("DEBCONF_NOWARNINGS", "yes"),
    ("UCF_FORCE_CONFFOLD", "1"),
)
"""Nobody is asked anything: answers are those of the node's debconf database, and a file that the node has changed stays."""
_PROGRAM_VERSION: Final = re.compile(r"(?:\d+:)?([0-9.]+)")


def scripts_between(old: DebianTree, new: DebianTree, changed_paths: Collection[str]) -> tuple[Step, ...]:
    """The steps from one tree to the other; none when no package changes. `changed_paths` are all those of the hop."""
    changes = find_changes(old, new)
    return tuple(_all_steps(old, new, changes, changed_paths)) if changes else ()


def _all_steps(old: DebianTree, new: DebianTree, changes: tuple[DebianChange, ...], changed_paths: Collection[str]) -> Iterator[Step]:
    by_key = {change.new.key: change for change in changes if change.new}
    order = configuration_order(new, {key for key, change in by_key.items() if change.new and "postinst" in change.new.scripts})
    coming = [by_key[key] for key in order if key in by_key]
    going = {change.old.key: change.old for change in changes if change.old and not change.new}
    goers = _Caller(new, old)
    for key in reversed(configuration_order(old, going)) if going else ():
        if key in going:
            taker = overwriter(going[key], changes)
            arguments = ("disappear", taker.entry.name, taker.entry.version) if taker else ("remove",)
            yield from goers.call(going[key], "postrm", *arguments)
    comers = _Caller(new, new)
    for change in coming:
        assert change.new is not None
        version = change.new.entry.version
        if change.old:
            yield from comers.call(change.new, "preinst", "upgrade", change.old.entry.version, version)
            yield from goers.call(change.old, "postrm", "upgrade", version)
        else:
            before = old.left_over.get(change.new.key)
            yield from comers.call(change.new, "preinst", "install", *((before, version) if before else ()))
    for change in coming:
        assert change.new is not None
        before = change.old.entry.version if change.old else old.left_over.get(change.new.key, "")
        yield from comers.call(change.new, "postinst", "configure", before)
    for key, names in triggered(new, changes, order, changed_paths).items():
        yield from comers.call(new.packages[key], "postinst", "triggered", " ".join(names))


class _Caller:
    """Calls scripts of one tree as dpkg would."""

    def __init__(self, running: DebianTree, tree: DebianTree) -> None:
        dpkg = next((package.entry.version for package in running.packages.values() if package.entry.name == "dpkg"), "")
        found = _PROGRAM_VERSION.match(dpkg)
        self._dpkg = found[1] if found else ""
        self._instances: dict[str, int] = {}
        for package in tree.packages.values():
            self._instances[package.entry.name] = self._instances.get(package.entry.name, 0) + 1

    def call(self, package: DebianPackage, script: str, *arguments: str) -> Iterator[Step]:
        """The step for a script, if the package has it."""
        body = package.scripts.get(script)
        if body is None:
            return
        name = f"{package.info_name}.{script}"
        yield Step(
            f"{name} triggered" if arguments[0] == "triggered" else name,
            interpreter_of(body),
            arguments,
            body,
            package.entry.name,
            package.entry.version,
            (*_DEBCONF, *self._environment(package, script)),
            path=f"{ADMIN}/info/{name}",
        )

    def _environment(self, package: DebianPackage, script: str) -> Iterator[tuple[str, str]]:
        """What dpkg says of itself and of the package (src/main/script.c, maintscript_exec)."""
        if script == "preinst":
            # Elsewhere debconf takes it from the name of the script; here it would look for what dpkg unpacks.
            yield "DEBCONF_PACKAGE", package.entry.name
        yield "DPKG_ADMINDIR", ADMIN
        yield "DPKG_MAINTSCRIPT_ARCH", package.entry.arch
        yield "DPKG_MAINTSCRIPT_DEBUG", "0"
        yield "DPKG_MAINTSCRIPT_NAME", script
        yield "DPKG_MAINTSCRIPT_PACKAGE", package.entry.name
        yield "DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT", str(self._instances[package.entry.name])
        yield "DPKG_ROOT", ""
        yield "DPKG_RUNNING_VERSION", self._dpkg
