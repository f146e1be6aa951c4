"""Reading the rpm database of a tree that is at rest, with this machine's rpm.

The program is never pointed at the tree: even to read, SQLite may write beside a database.
"""

import os
import shutil
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from reprov.adapters import kernel
from reprov.adapters.files import opened_directory
from reprov.adapters.run import is_installed, run
from reprov.domain.package_databases import RPM_DATABASE_NAME, RPM_FOLDERS
from reprov.domain.rpm import RpmPackage, parse, query
from reprov.errors import ReprovError

JOURNAL_NAME = f"{RPM_DATABASE_NAME}-wal"
"""What has been written and is not in the database itself yet."""
_QUERY_TIMEOUT_S = 300


def find_database(tree: Path) -> str | None:
    """The directory of the tree's rpm database, relative; None when it has none that can be read (older ones are no SQLite)."""
    with opened_directory(tree) as tree_fd:
        return _find(tree_fd)


def read_rpm_packages(tree: Path) -> tuple[RpmPackage, ...]:
    """Every package of a tree with its scripts and files; none when there is no database.

    Raises `ReprovError` where this machine has no rpm.
    """
    with opened_directory(tree) as tree_fd:
        return read_rpm_packages_at(tree_fd, str(tree))


def read_rpm_packages_at(tree_fd: int, source: str) -> tuple[RpmPackage, ...]:
    """The same of the tree below a directory descriptor; `source` names it in messages."""
    folder = _find(tree_fd)
    if folder is None:
        return ()
    if not is_installed("rpm"):
        raise ReprovError(
            f"{source} has an rpm database, and this machine has no rpm to read it", hint="install rpm; Debian has a package of it"
        )
    with TemporaryDirectory(prefix="reprov-rpm-") as copy:
        for name in (RPM_DATABASE_NAME, JOURNAL_NAME):
            with suppress(FileNotFoundError):
                opened_fd = kernel.open_beneath(f"{folder}/{name}", os.O_RDONLY, dir_fd=tree_fd)
                with os.fdopen(opened_fd, "rb") as opened, Path(copy, name).open("wb") as target:
                    shutil.copyfileobj(opened, target)
        argv = ("rpm", "--dbpath", copy, "--query", "--all", "--queryformat", query(_known_tags()))
        said = run(argv, timeout_s=_QUERY_TIMEOUT_S).stdout
    return parse(said.decode("utf-8", "surrogateescape"), f"{source}/{folder}")


def _find(tree_fd: int) -> str | None:
    for folder in RPM_FOLDERS:
        with suppress(OSError):
            os.close(kernel.open_beneath(f"{folder}/{RPM_DATABASE_NAME}", os.O_RDONLY, dir_fd=tree_fd))
            return folder
    return None


@cache
def _known_tags() -> frozenset[str]:
    return frozenset(run(("rpm", "--querytags")).stdout.decode().split())
