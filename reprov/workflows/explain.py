"""Whose is a path, and why: by the lists of the installed release."""

import os
from dataclasses import dataclass
from pathlib import Path

from reprov.adapters.files import opened_directory
from reprov.adapters.mounts import read_mounts
from reprov.adapters.release_reader import ReleaseFiles
from reprov.adapters.standing import read_standing
from reprov.domain.account_files import ACCOUNT_PATHS
from reprov.domain.entry import Entry, Kind, parent_of
from reprov.domain.fences import Fence
from reprov.domain.ground import find_ground
from reprov.domain.ownership import Owner, Verdict
from reprov.domain.release import ReleaseId
from reprov.domain.tree import real_directory
from reprov.errors import InvalidInput, Refused
from reprov.workflows.node import inspect_node


@dataclass(frozen=True, slots=True)
class Explained:
    """Everything that is known of one path."""

    path: str
    """Where the path that was asked for is: links of the release above it are followed."""
    asked: str
    verdict: Verdict
    is_account: bool
    """One of the account files, which are merged together and entry by entry unless a list gives the whole file to the node."""
    release: ReleaseId
    package: str
    """The package that owns it; "" for none."""
    entry: Entry | None
    """What the release says of it; None when it has no such path."""
    fence: Fence | None = None
    """What it lies at or below, and which stays as it is whatever the lists say; None for a path that goes by the lists."""


def explain(root: Path, path: str) -> Explained:
    """Explain an absolute path of a node; one with a slash at its end is a directory's where nothing is there.

    Raises `Refused` when reprov has not installed the node, `InvalidInput` for a relative path.
    """
    node = inspect_node(root)
    installed = node.installed()
    if installed is None:
        raise Refused(
            "this node was not installed by reprov, so that no lists are in force", hint="`reprov plan` shows what a release would do"
        )
    if not path.startswith("/"):
        raise InvalidInput(f"{path!r} is not an absolute path")
    asked = os.path.normpath(path).strip("/")
    entries = installed.manifest.entries
    directory = real_directory(entries, parent_of(asked))
    relative = asked if directory is None else f"{directory}/{asked.rpartition('/')[2]}".strip("/")
    entry = entries.get(relative)
    is_dir = entry.kind is Kind.DIR if entry else _is_directory(root / relative, or_asked=path.endswith("/"))
    verdict = installed.ownership.of(relative, is_dir=is_dir)
    is_account = relative in ACCOUNT_PATHS and verdict.owner in (Owner.IMAGE, Owner.MERGE)
    package = installed.owner_packages.get(relative, "")
    return Explained(relative, asked, verdict, is_account, installed.release.id, package, entry, _fence_of(root, installed, relative))


def _fence_of(root: Path, installed: ReleaseFiles, path: str) -> Fence | None:
    mounts = read_mounts(root)
    with opened_directory(root) as root_fd:
        standing = read_standing(root, root_fd, mounts)
    return find_ground(mounts, installed.release.filesystems, installed.manifest.entries, standing).fence_of(path)


def _is_directory(path: Path, *, or_asked: bool) -> bool:
    if path.is_symlink() or path.exists():
        return path.is_dir() and not path.is_symlink()
    return or_asked
