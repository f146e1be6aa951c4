"""Bringing the databases of rpm and dnf to rest at the end of a build."""

import os
import sys
from pathlib import Path

from reprov.adapters.run import CommandFailed
from reprov.adapters.sandbox import Sandbox
from reprov.domain.package_databases import RPM_DATABASES
from reprov.errors import ReprovError

_SETTLED = (*RPM_DATABASES, "var/lib/dnf/history.sqlite", "usr/lib/sysimage/dnf/history.sqlite")

# A program of its own, because SQLite finds no path that leads through /proc/PID/root. What is there by a link is passed over.
_PROGRAM = """
import os, sqlite3, sys
root, *paths = sys.argv[1:]
for path in paths:
    file = os.path.join(root, path)
    if not os.path.isfile(file) or os.path.realpath(file) != os.path.join(os.path.realpath(root), path):
        continue
    database = sqlite3.connect(file)
    busy = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    mode = database.execute("PRAGMA journal_mode = DELETE").fetchone()[0]
    database.close()
    if busy or mode != "delete":
        sys.exit("/" + path + ": somebody has it open")
    for suffix in ("-wal", "-shm"):
        if os.path.lexists(file + suffix):
            os.unlink(file + suffix)
"""


def settle_databases(box: Sandbox, root: Path) -> None:
    """Make the SQLite databases of rpm and dnf one file each, so that whoever reads them later writes nothing beside them.

    rpm leaves a journal behind on purpose (SQLITE_FCNTL_PERSIST_WAL): one that outlived its database would be taken for that of the
    next. Raises `ReprovError`.
    """
    try:
        box.run((sys.executable, "-I", "-c", _PROGRAM, os.fspath(root), *_SETTLED))
    except CommandFailed as error:
        said = error.stderr.decode(errors="replace").strip().splitlines() or [error.message]
        raise ReprovError(f"a database of the tree cannot be brought to rest: {said[-1]}") from None
