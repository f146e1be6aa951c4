"""The table of stable ids on disk: the library's, and what builds of a store met beyond it."""

import fcntl
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from reprov.adapters.files import opened_directory
from reprov.adapters.library import Library
from reprov.domain import store_layout as layout
from reprov.domain.id_file import parse_id_file, with_added
from reprov.domain.ids import IdTable
from reprov.domain.tree_accounts import Comparison, TreeAccounts, compare

_KIND = "ids"


@dataclass(frozen=True, slots=True)
class IdFiles:
    """Where the stable ids of a family are."""

    table: Path
    """The library's: the operator's, the site's, or the one that reprov brings."""
    of_store: Path
    """Names that the library does not know. It need not exist."""
    grown: Path
    """Which of the two new names go to: the library's unless reprov brings it or it cannot be written."""

    @classmethod
    def of(cls, family: str, library: Library, store: Path) -> "IdFiles":
        """Those of a family. Raises `InvalidInput` when the library has no table for it."""
        name = f"{family}.yaml"
        table = library.find(_KIND, name)
        of_store = store / layout.IDS / name
        is_own = table.parent.parent != library.folders[-1] and os.access(table, os.W_OK)
        return cls(table, of_store, table.resolve() if is_own else of_store)

    def read(self) -> IdTable:
        """The table that holds. Raises `InvalidInput` where the files are wrong or contradict each other."""
        table = parse_id_file(self.table.read_text("utf-8"), str(self.table))
        with suppress(FileNotFoundError):
            table = table.joined(parse_id_file(self.of_store.read_text("utf-8"), str(self.of_store)))
        return table

    def settle(self, found: TreeAccounts) -> Comparison:
        """Judge a finished tree and, when nothing is wrong with it, add the names that are new, safe on the disk.

        Builds that end at the same time do it one after the other: a number is given once.
        """
        folder = self.grown.parent
        folder.mkdir(parents=True, exist_ok=True)
        with opened_directory(folder) as folder_fd:
            fcntl.flock(folder_fd, fcntl.LOCK_EX)
            comparison = compare(self.read(), found)
            if comparison.new.new_ids:
                self._add(comparison.new, folder_fd)
        return comparison

    def _add(self, new: IdTable, folder_fd: int) -> None:
        before = self.grown.read_text("utf-8") if self.grown.exists() else ""
        text = with_added(before, new, str(self.grown))
        incoming = self.grown.with_name(f".{self.grown.name}.new")
        with incoming.open("w", encoding="utf-8") as file:
            if before:
                status = self.grown.stat()
                os.fchown(file.fileno(), status.st_uid, status.st_gid)
                os.fchmod(file.fileno(), status.st_mode & 0o7777)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        incoming.replace(self.grown)
        os.fsync(folder_fd)
