"""Looking at a tree that is to be published: is it at rest, is it a root, of which family and machine?"""

import os
from collections.abc import Iterable
from pathlib import Path

from reprov.adapters import kernel
from reprov.adapters.files import opened_directory
from reprov.adapters.package_database import read_text
from reprov.domain.entry import show
from reprov.domain.hop_fragment import HopFragment
from reprov.domain.manifest import Manifest
from reprov.domain.mounts import parse_mountinfo
from reprov.domain.pristine import identity_in
from reprov.domain.tree import ELF_HEADER_BYTES, family_of, machine_of, os_release_of, problems_of, real_path
from reprov.errors import InvalidInput, Refused

_PROGRAMS = ("bin/sh", "usr/bin/env", "sbin/init")


def check_before_scan(tree: Path, store: Path) -> None:
    """Refuse, before anything is read, what is no tree of a node: `/`, the store, a tree with something mounted in it."""
    if not tree.is_dir():
        raise InvalidInput(f"{tree} is not a directory")
    if tree.samefile("/"):
        raise Refused("/ is this machine, not a tree at rest", hint="publish a copy of it")
    if store.is_relative_to(tree):
        raise Refused(f"{tree} holds the store")
    if tree.is_relative_to(store / "trees"):
        raise Refused(f"{tree} is a sealed tree, whose hard links mean nothing", hint="publish a copy: cp -a --reflink=auto")
    mounts = parse_mountinfo(Path("/proc/self/mountinfo").read_text(encoding="latin-1"), os.fspath(tree))
    inside = [show(mount.path) for mount in mounts if mount.path]
    if inside:
        raise Refused(f"{tree}: something is mounted on {', '.join(inside)}", hint="unmount it first")
    if not (tree / "usr").is_dir() or not (tree / "etc").is_dir():
        raise Refused(f"{tree} is not the root of a node (no usr/ or no etc/ in it)")


def check_interpreters(tree: Path, manifest: Manifest, scripts: Iterable[HopFragment]) -> None:
    """Raises `InvalidInput` for the script of a hop that nothing in the tree can run: else each node would find out after its commit."""
    for script in scripts:
        interpreter = script.step.interpreter[0]
        if real_path(manifest.entries, interpreter.lstrip("/")) is None:
            raise InvalidInput(
                f"{script.path}:1: {interpreter} is not in {tree}", hint="put it into the tree, or change the first line of the script"
            )


def check_scanned(tree: Path, manifest: Manifest) -> None:
    """Refuse a tree that could not be the root of a node, or only that of one. Raises `Refused` with the first problem and their number."""
    problems = problems_of(manifest.entries)
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise Refused(f"{tree} is not the root of a node: {problems[0]}{more}")
    identity = identity_in(manifest.entries)
    if identity:
        more = f" (and {len(identity) - 1} more)" if len(identity) > 1 else ""
        hint = "remove it from the tree: a node keeps its own, or makes it"
        raise Refused(f"{tree} has what only one node may have: {show(identity[0])}{more}", hint=hint)
    foreign = next((entry for entry in manifest.entries.values() if entry.uid != os.geteuid()), None)
    if foreign and os.geteuid() != 0:
        raise Refused(f"{tree}{show(foreign.path)} belongs to uid {foreign.uid}", hint="keeping owners needs root")


def family(tree: Path, manifest: Manifest) -> str:
    """debian or rpm, as the tree's os-release says. Raises `Refused` for another family."""
    path = os_release_of(manifest.entries)
    if path is not None:
        with opened_directory(tree) as tree_fd:
            found = family_of(read_text(path, dir_fd=tree_fd))
        if found:
            return found
    raise Refused(f"{tree}{show(path or 'etc/os-release')}: neither of the debian nor of the rpm family")


def machine(tree: Path, manifest: Manifest) -> str:
    """The machine that the tree's programs are for, as `uname -m` names it. Raises `Refused` when none says so."""
    with opened_directory(tree) as tree_fd:
        for program in _PROGRAMS:
            path = real_path(manifest.entries, program)
            if path is None or not manifest.entries[path].size:
                continue
            fd = kernel.open_beneath(path, os.O_RDONLY, dir_fd=tree_fd)
            try:
                found = machine_of(os.read(fd, ELF_HEADER_BYTES))
            finally:
                os.close(fd)
            if found:
                return found
    raise Refused(f"{tree}: none of {', '.join(map(show, _PROGRAMS))} is a program of a machine that reprov knows")
