"""Whose is a path, and why: by the lists of the installed release."""

import os
from dataclasses import dataclass
from pathlib import Path

from reprov.domain.account_files import ACCOUNT_PATHS
from reprov.domain.entry import Entry, Kind
from reprov.domain.ownership import Owner, Verdict
from reprov.domain.release import ReleaseId
from reprov.errors import InvalidInput, Refused
from reprov.workflows.node import inspect_node


@dataclass(frozen=True, slots=True)
class Explained:
    """Everything that is known of one path."""

    path: str
    verdict: Verdict
    is_account: bool
    """One of the account files, which are merged together and entry by entry unless a list gives the whole file to the node."""
    release: ReleaseId
    package: str
    """The package that owns it; "" for none."""
    entry: Entry | None
    """What the release says of it; None when it has no such path."""


def explain(root: Path, path: str) -> Explained:
    """Explain an absolute path of a node. Raises `Refused` when reprov has not installed it, `InvalidInput` for a relative path."""
    node = inspect_node(root)
    installed = node.installed()
    if installed is None:
        raise Refused(
            "this node was not installed by reprov, so that no lists are in force", hint="`reprov plan` shows what a release would do"
        )
    if not path.startswith("/"):
        raise InvalidInput(f"{path!r} is not an absolute path")
    relative = os.path.normpath(path).strip("/")
    entry = installed.manifest.entries.get(relative)
    is_dir = entry.kind is Kind.DIR if entry else (root / relative).is_dir() and not (root / relative).is_symlink()
    verdict = installed.ownership.of(relative, is_dir=is_dir)
    is_account = relative in ACCOUNT_PATHS and verdict.owner in (Owner.IMAGE, Owner.MERGE)
    return Explained(relative, verdict, is_account, installed.release.id, installed.owner_packages.get(relative, ""), entry)
