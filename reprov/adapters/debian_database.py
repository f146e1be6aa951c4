"""Reading what a post-script is made of from a Debian tree: the status file and the files in info/ of every package.

Reached through no symbolic link: a node's tree may have been anybody's.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Final

from reprov.domain.debian_package import SCRIPTS, DebianPackage, DebianTree, parse_packages, parse_triggers

_DPKG: Final = "var/lib/dpkg"
_STATUS: Final = f"{_DPKG}/status"

Reader = Callable[[str], bytes]
"""Gives the content of a file by its path in the tree, or raises FileNotFoundError."""


def read_debian_tree(read: Reader, source: str, known: Collection[str] | None = None) -> DebianTree:
    """The packages of a tree with their scripts; none when there is no database.

    With `known`, only what these paths name is there, whatever can be read: a tree that lies over another one hides nothing of it.
    Raises `InvalidInput` for a database that dpkg would not take.
    """
    texts = _Texts(read, known)
    status = texts.get(_STATUS)
    if status is None:
        return DebianTree({})
    packages, left_over = parse_packages(status, f"{source}/{_STATUS}")
    return DebianTree({package.key: _with_scripts(package, texts, source) for package in packages}, left_over)


def _with_scripts(package: DebianPackage, texts: "_Texts", source: str) -> DebianPackage:
    bases = [f"{_DPKG}/info/{name}" for name in package.entry.info_names]
    listed = {base: text for base in bases if (text := texts.get(f"{base}.list")) is not None}
    base = next(iter(listed), None)
    if base is None:
        return package
    scripts = {name: text for name in SCRIPTS if (text := texts.get(f"{base}.{name}")) is not None}
    triggers = f"{base}.triggers"
    return replace(
        package,
        scripts=scripts,
        triggers=parse_triggers(texts.get(triggers) or "", f"{source}/{triggers}"),
        listed=tuple(filter(None, listed[base].split("\n"))),
    )


class _Texts:
    """The files of a tree as text, what is no UTF-8 as surrogates."""

    def __init__(self, read: Reader, known: Collection[str] | None) -> None:
        self._read = read
        self._known = known

    def get(self, path: str) -> str | None:
        """None for a file that is not there."""
        if self._known is not None and path not in self._known:
            return None
        try:
            return self._read(path).decode("utf-8", "surrogateescape")
        except FileNotFoundError:
            return None
