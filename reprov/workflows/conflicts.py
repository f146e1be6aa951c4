"""What upgrades laid beside the node's own: which of it nobody has settled, how it differs, and settling it."""

import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reprov.adapters.files import opened_directory
from reprov.adapters.mounts import read_mounts
from reprov.adapters.release_reader import ReleaseFiles
from reprov.adapters.settling import settling
from reprov.adapters.unsettled import read_content, read_unsettled
from reprov.domain.conflicts import Settlement, Take, Unsettled, settle, unsettled_in
from reprov.domain.entry import Entry, Kind, show
from reprov.domain.ground import find_ground
from reprov.domain.release import ReleaseId
from reprov.domain.unified import LARGEST_BYTES, is_text, unified
from reprov.errors import InvalidInput, Refused
from reprov.events import Monitor
from reprov.workflows.node import Node, changing_node, disk_errors_in_words, inspect_node


@dataclass(frozen=True, slots=True)
class Found:
    """The conflicts of a node."""

    release: ReleaseId
    """The installed one."""
    conflicts: tuple[Unsettled, ...]
    """In path order."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A conflict in lines."""

    conflict: Unsettled
    lines: tuple[str, ...] | None
    """From the node's to the release's, as `diff -u` shows it; none where both are the same, None where one is no text, or too long."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What an operator has settled."""

    settled: tuple[Unsettled, ...]
    """As they stood before."""
    left: int
    """How many conflicts the node still has."""


def find_conflicts(root: Path) -> Found:
    """List every conflict of a node that nobody has settled. Raises `Refused` for a node that reprov has not installed."""
    node = inspect_node(root)
    installed = _installed(node)
    return Found(installed.release.id, _look(root, installed))


def compare_conflicts(root: Path, paths: Sequence[str]) -> tuple[Compared, ...]:
    """Show how the two sides of these conflicts differ, of all where no path is given. Raises `InvalidInput` for a path that is none."""
    found = find_conflicts(root).conflicts
    with opened_directory(root) as root_fd:
        return tuple(Compared(conflict, _lines_of(conflict, root_fd)) for conflict in (_named(found, paths) if paths else found))


def settle_conflicts(root: Path, take: Take, paths: Sequence[str], monitor: Monitor) -> Settled:
    """Settle these conflicts for one side; nothing is changed before all of it can be.

    Raises `InvalidInput` for a path that is no conflict, `Refused` for one that cannot be settled so.
    """
    with changing_node(root, "conflicts", monitor) as node:
        installed = _installed(node)
        found = _look(root, installed)
        chosen = _named(found, paths)
        _carry_out([settle(conflict, take, installed.manifest.entries) for conflict in chosen], root)
        return Settled(chosen, len(found) - len(chosen))


def _installed(node: Node) -> ReleaseFiles:
    installed = node.installed()
    if installed is None:
        raise Refused("this node was not installed by reprov, so that no upgrade has left a conflict")
    return installed


def _look(root: Path, installed: ReleaseFiles) -> tuple[Unsettled, ...]:
    fences = find_ground(read_mounts(root), installed.release.filesystems, installed.manifest.entries).fences
    with opened_directory(root) as root_fd:
        return unsettled_in(read_unsettled(root_fd, installed.manifest.entries, installed.ownership, set(fences)))


def _named(found: Sequence[Unsettled], paths: Sequence[str]) -> tuple[Unsettled, ...]:
    """The conflicts that an operator named, by path or by the name of the `.reprov-new`, once each and in path order."""
    known = {conflict.theirs.path: conflict for conflict in found} | {conflict.path: conflict for conflict in found}
    named: dict[str, Unsettled] = {}
    for path in paths:
        if not path.startswith("/"):
            raise InvalidInput(f"{path!r} is not an absolute path", hint="paths are those of the node, whatever --root is")
        relative = os.path.normpath(path).strip("/")
        if relative not in known:
            near = difflib.get_close_matches(relative, [conflict.path for conflict in found], n=3)
            hint = f"did you mean {' or '.join(map(show, near))}?" if near else "`reprov conflicts` lists them"
            raise InvalidInput(f"{show(relative)} is no conflict", hint=hint)
        named[known[relative].path] = known[relative]
    return tuple(named[path] for path in sorted(named))


def _lines_of(conflict: Unsettled, root_fd: int) -> tuple[str, ...] | None:
    ours = _text_of(conflict.ours, root_fd) if conflict.ours else b""
    theirs = _text_of(conflict.theirs, root_fd)
    if ours is None or theirs is None:
        return None
    return unified(ours if conflict.ours else None, theirs, show(conflict.path), show(conflict.theirs.path))


def _text_of(entry: Entry, root_fd: int) -> bytes | None:
    """The content as text: that of a link says where it points; None for what has none."""
    if entry.kind is Kind.LINK:
        return f"link to {show(entry.target).removeprefix('/')}\n".encode()
    content = read_content(entry, LARGEST_BYTES, root_fd=root_fd) if entry.kind is Kind.FILE else None
    return content if content is not None and is_text(content) else None


def _carry_out(settlements: Sequence[Settlement], root: Path) -> None:
    with settling(root, settlements) as steps:
        with disk_errors_in_words("taking the release's"):
            steps.make()
        steps.place()
