"""What a tree that is no release was when a rollback brought it back: no manifest tells, and its account files change from then on."""

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from reprov.adapters.durable import write_durably
from reprov.domain.account_files import ACCOUNT_PATHS, AccountFiles
from reprov.domain.entry import Entry
from reprov.domain.manifest import Manifest, parse_entries
from reprov.errors import InvalidInput

_FOLDER = "returned"
_ENTRIES = "entries"


@dataclass(frozen=True, slots=True)
class Returned:
    """What is known of such a tree; nothing of one whose record is lost."""

    entries: Mapping[str, Entry]
    """Of what it shares with a release, by path, without the account files and without what was the node's alone."""
    accounts: AccountFiles


def save(returned: Returned, directory: Path) -> None:
    """Write it down in reprov's own directory, durably."""
    folder = directory / _FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    contents = returned.accounts.by_path()
    for path in ACCOUNT_PATHS:
        if path in contents:
            write_durably(folder / _name_of(path), contents[path])
        else:
            (folder / _name_of(path)).unlink(missing_ok=True)
    write_durably(folder / _ENTRIES, Manifest(returned.entries).render().encode())


def load(directory: Path) -> Returned:
    """What `save` wrote; nothing where it is not there or cannot be read."""
    folder = directory / _FOLDER
    contents = {}
    for path in ACCOUNT_PATHS:
        with suppress(FileNotFoundError):
            contents[path] = (folder / _name_of(path)).read_bytes()
    try:
        entries = parse_entries((folder / _ENTRIES).read_text("ascii", "backslashreplace"), os.fspath(folder / _ENTRIES))
    except (FileNotFoundError, InvalidInput):
        entries = {}
    return Returned(entries, AccountFiles.of(contents))


def forget(directory: Path) -> None:
    """The live tree is a release: what this holds of passwords need not lie about."""
    with suppress(FileNotFoundError):
        shutil.rmtree(directory / _FOLDER)


def _name_of(path: str) -> str:
    return path.rpartition("/")[2]
