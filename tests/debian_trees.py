"""Debian packages and trees by a word or two."""

from collections.abc import Mapping

from reprov.domain.debian_package import DebianPackage, DebianTree, parse_relations, parse_triggers
from reprov.domain.dpkg import StatusEntry


def a_package(
    name: str,
    version: str = "1",
    *,
    arch: str = "all",
    same: bool = False,
    depends: str = "",
    pre_depends: str = "",
    provides: tuple[str, ...] = (),
    replaces: tuple[str, ...] = (),
    scripts: Mapping[str, str] | None = None,
    triggers: str = "",
    listed: tuple[str, ...] = (),
) -> DebianPackage:
    """An installed package. A postinst that does something, unless its scripts are given."""
    return DebianPackage(
        StatusEntry(name, version, arch, "installed", same),
        parse_relations(depends, name),
        parse_relations(pre_depends, name),
        provides,
        replaces,
        {"postinst": "#!/bin/sh\ndo-something\n"} if scripts is None else scripts,
        parse_triggers(triggers, name),
        listed,
    )


def a_tree(*packages: DebianPackage, left_over: Mapping[str, str] | None = None) -> DebianTree:
    """A tree of these."""
    return DebianTree({package.key: package for package in packages}, left_over or {})
