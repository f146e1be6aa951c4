"""Keeping people from the package managers of a managed node, and letting them again."""

import os
from dataclasses import dataclass
from pathlib import Path

from reprov.adapters.package_stubs import has_folder, lay, read_laid, take_away
from reprov.domain.entry import show
from reprov.domain.ownership import Owner
from reprov.domain.package_managers import DPKG_HOOK, MANAGERS, Manager, hook_text, is_ours, stub_text
from reprov.errors import Refused
from reprov.workflows.node import Node, inspect_node, require_root

_PROGRAM_MODE, _FILE_MODE = 0o755, 0o644


@dataclass(frozen=True, slots=True)
class ManagerState:
    """A package manager of a node."""

    name: str
    path: str
    """Of the stub."""
    is_active: bool
    """Whether people can change packages with it."""
    is_stopped_by_path: bool
    """Whether it is stopped as well when it is called by its path, as /usr/bin/apt-get."""


def status(root: Path) -> tuple[ManagerState, ...]:
    """The package managers that a node has."""
    inspect_node(root)
    has_hook = _is_laid(root, DPKG_HOOK)
    return tuple(
        ManagerState(manager.name, manager.stub, not _is_laid(root, manager.stub), has_hook and manager.has_hook)
        for manager in _present(root)
    )


def deactivate(root: Path) -> tuple[ManagerState, ...]:
    """Lay a stub before every package manager, and dpkg's hook. Can be repeated; finishes what was killed in the middle.

    Raises `Refused`, before anything is written, where a file of somebody else is in the way, or an upgrade would remove the stubs.
    """
    require_root("keep people from the package manager")
    node = inspect_node(root)
    wanted = {manager.stub: (stub_text(manager), _PROGRAM_MODE) for manager in _present(root)}
    if any(manager.has_hook for manager in _present(root)):
        wanted[DPKG_HOOK] = (hook_text(), _FILE_MODE)
    for path in wanted:
        _require_free(node, path)
    # The hook first: it stops everybody, the stubs are its explanation.
    for path in sorted(wanted, key=lambda path: path != DPKG_HOOK):
        text, mode = wanted[path]
        if read_laid(root, path) != text.encode():
            lay(root, path, text, mode)
    return status(root)


def activate(root: Path) -> tuple[ManagerState, ...]:
    """Take away what `deactivate` laid, and nothing else. Can be repeated."""
    require_root("let people use the package manager")
    inspect_node(root)
    for path in (*(manager.stub for manager in MANAGERS), DPKG_HOOK):
        # What is not there may have left half of itself.
        if has_folder(root, path) and (_is_laid(root, path) or not os.path.lexists(root / path)):
            take_away(root, path)
    return status(root)


def _present(root: Path) -> tuple[Manager, ...]:
    return tuple(manager for manager in MANAGERS if (root / manager.real).is_file() or (root / manager.real).is_symlink())


def _is_laid(root: Path, path: str) -> bool:
    try:
        content = read_laid(root, path)
    except OSError:
        return False  # a symbolic link, or anything else that is not ours
    return content is not None and is_ours(content)


def _require_free(node: Node, path: str) -> None:
    if not has_folder(node.root, path):
        folder = show(path.rpartition("/")[0])
        raise Refused(f"{folder} is not there, or is a link: nothing can be laid into it", hint=f"mkdir -p {folder}")
    try:
        content = read_laid(node.root, path)
    except OSError as error:
        raise Refused(f"{show(path)} is in the way: {error.strerror}", hint="move it away") from None
    if content is not None and not is_ours(content):
        raise Refused(
            f"{show(path)} is somebody else's", hint="move it away, or keep it: it is used instead of the package manager already"
        )
    installed = node.installed()
    if installed and installed.ownership.of(path, is_dir=False).owner is Owner.IMAGE and path not in installed.manifest.entries:
        raise Refused(
            f"{show(path)} would be removed by the next upgrade: the lists of {installed.release.id} give it to the image",
            hint=f"name {show(path.rpartition('/')[0])}/ in an add-only list of the role",
        )
