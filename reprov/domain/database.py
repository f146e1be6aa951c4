"""Dumps of databases, which are the only way back from a schema that was moved on: what is dumped, and where it may be restored.

A dump is two files: the artefact, encrypted, and beside it the manifest, which is written last: a dump without one is none.
Generated projects take this file along as it is, for `reprov_database` on hosts that need not have reprov and may have an older Python.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

ORIGIN: Final = "origin"
"""Restored into: the server that the dump is of. It may have been made anew, and then is empty."""
SEED: Final = "seed"
"""Restored into: a server beside it, whose databases of these names are its own deployment's and may be thrown away."""

_FORMAT: Final = 1
_ROOM: Final = 2
"""Of a restore, in sizes of the databases: the tables, and as much again in logs of the server."""
_SHOWN: Final = 5


class Database(NamedTuple):
    """A database of a server."""

    name: str
    size_bytes: int
    """As the server has it on its disk, indexes included."""
    rows: Mapping[str, int | None]
    """By table. None where nobody can tell: of a view, or of a table that was written to while it was dumped."""


class Server(NamedTuple):
    """A server as it is now."""

    product: str
    """mariadb, mysql or postgresql."""
    version: str
    """In its own words: "10.11.19-MariaDB-0+deb12u1"."""
    machine: str
    """The machine-id of its host, which stays when the host is re-imaged."""
    databases: tuple[Database, ...]
    """Those of users, not the server's own."""
    sessions: Mapping[str, str] = {}
    """Who is connected, by the database that they use."""
    free_bytes: int | None = None
    """On the disk of its data; None where that is not on this host."""


class Dump(NamedTuple):
    """The manifest of a dump."""

    product: str
    version: str
    machine: str
    made_at: str
    """In UTC, ISO 8601."""
    databases: tuple[Database, ...]
    has_accounts: bool
    """Whether it has the accounts of the server, too."""
    size_bytes: int
    """Of the artefact."""
    sha256: str
    """Of the artefact."""
    content: str
    """The sha256 of what is dumped of the databases (`database_programs.Content`)."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its databases."""
        return tuple(database.name for database in self.databases)

    def to_json(self) -> str:
        """The text of the manifest."""
        databases = [database._asdict() for database in self.databases]
        return json.dumps({"format": _FORMAT, **self._asdict(), "databases": databases}, indent=1, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Dump:
        """Raises `ValueError` for what is no manifest."""
        try:
            data: dict[str, Any] = json.loads(text)
            if data.pop("format") != _FORMAT:
                raise ValueError("is of another version of reprov")
            databases = tuple(Database(**database) for database in data.pop("databases"))
            return cls(databases=databases, **data)
        except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
            raise ValueError(f"is no manifest of a dump ({type(error).__name__}: {error})") from None


class Record(NamedTuple):
    """What a restore leaves on the host that it was done on."""

    dump: str
    """The sha256 of the dump's artefact."""
    content: str | None = None
    """Of the server's databases when the restore had ended; None while it has not."""

    @classmethod
    def from_json(cls, text: str) -> Record | None:
        """None for what is no record: then nothing here is known to be from a dump."""
        try:
            data = json.loads(text)
            return cls(str(data["dump"]), data["content"] and str(data["content"]))
        except (KeyError, TypeError, json.JSONDecodeError):
            return None


class Chosen(NamedTuple):
    """What is dumped."""

    names: tuple[str, ...]
    absent: tuple[str, ...]
    """Those that were named and are not there."""


def choose(there: Iterable[str], named: Sequence[str]) -> Chosen:
    """Those that are named, or all when none is. A service that is not deployed has no database, and that is no mistake."""
    found = sorted(there)
    if not named:
        return Chosen(tuple(found), ())
    return Chosen(tuple(name for name in found if name in named), tuple(name for name in named if name not in found))


def why_not_kept(dump: Dump, artefact_bytes: int | None, wanted: Chosen) -> str:
    """Why the dump that is there cannot be what is asked for; "" when it can. It is never written over."""
    way = "move it away, or name another directory (backup_directory)"
    if artefact_bytes is None:
        return f"the manifest of {dump.made_at} has lost its artefact; {way}"
    if artefact_bytes != dump.size_bytes:
        return f"the dump of {dump.made_at} has {artefact_bytes} bytes, its manifest says {dump.size_bytes}; {way}"
    missing = [name for name in wanted.names if name not in dump.names]
    return f"the dump of {dump.made_at} is without {_list(missing)}; {way}" if missing else ""


def why_not_dumped(wanted: Chosen, databases: Iterable[Database], free_bytes: int) -> str:
    """Why a dump is not even begun; "" when it is."""
    if not wanted.names:
        return f"there is nothing to dump: the server has none of {_list(wanted.absent)}" if wanted.absent else "the server has no database"
    needed = sum(database.size_bytes for database in databases if database.name in wanted.names)
    if free_bytes < needed:
        return f"the databases have {_mib(needed)}, and there is room for {_mib(free_bytes)}; make room, or name another backup_directory"
    return ""


def settled(before: Iterable[Database], after: Iterable[Database]) -> tuple[tuple[Database, ...], tuple[str, ...]]:
    """What can be said of databases that were looked at before and after their dump; and the tables that were written to, as words."""
    then = {database.name: database.rows for database in before}
    found, busy = [], []
    for database in after:
        old = then.get(database.name, {})
        changed = {table for table in {*old, *database.rows} if old.get(table, -1) != database.rows.get(table, -1)}
        busy += [f"{database.name}.{table}" for table in sorted(changed)]
        # Of a table that came or went in between nobody knows whether the dump has it.
        rows = {table: None if table in changed else count for table, count in database.rows.items() if table in old}
        found.append(database._replace(rows=rows))
    return tuple(found), tuple(busy)


def is_restored(dump: Dump, record: Record | None, content: str | None) -> bool:
    """Whether what a server has now is what is dumped, or still what a restore of this dump has left."""
    left = record.content if record and record.dump == dump.sha256 else None
    return content is not None and content in (dump.content, left)


def why_not_restored(dump: Dump, server: Server, into: str, record: Record | None) -> tuple[str, ...]:
    """Every reason to leave a server as it is; none when the dump may be restored."""
    reasons = [*_lineage(dump, server), *_place(dump, server, into, record)]
    used = [f"{who} in {name}" for name, who in sorted(server.sessions.items()) if name in dump.names]
    if used:
        reasons.append(f"the databases are in use by {_list(used)}; stop the services that these belong to")
    needed = _ROOM * sum(database.size_bytes for database in dump.databases)
    if server.free_bytes is not None and server.free_bytes < needed:
        reasons.append(f"it needs {_mib(needed)}, and the disk of the server's data has room for {_mib(server.free_bytes)}")
    return tuple(reasons)


def unproved(dump: Dump, databases: Iterable[Database]) -> tuple[str, ...]:
    """What a server lacks, or has too much, after the dump was restored into it: every table with every row has to be there."""
    there = {database.name: database.rows for database in databases}
    lost = []
    for database in dump.databases:
        rows = there.get(database.name)
        if rows is None:
            lost.append(f"there is no database {database.name}")
            continue
        lost += [f"there is no table {database.name}.{table}" for table in sorted(database.rows) if table not in rows]
        lost += [
            f"{database.name}.{table} has {rows[table]} rows, the dump {count}"
            for table, count in sorted(database.rows.items())
            if count is not None and rows.get(table, count) != count
        ]
    return tuple(lost)


def _lineage(dump: Dump, server: Server) -> Iterable[str]:
    came, goes = f"{dump.product} {dump.version}", f"{server.product} {server.version}"
    # MariaDB reads what MySQL wrote before 8.0, whose collations it does not have.
    is_heir = dump.product == "mysql" and server.product == "mariadb" and _numbers(dump.version) < (8,)
    if dump.product != server.product and not is_heir:
        yield f"the dump is of {came}, this server is {goes}"
    elif _numbers(server.version) < _numbers(dump.version):
        # Also within a series: what security updates add to dumps is an error to clients of before (MariaDB's sandbox, \restrict).
        yield f"the dump is of {came}, this server is {goes}, which is older; restore into a server of that version or a later one"


def _place(dump: Dump, server: Server, into: str, record: Record | None) -> Iterable[str]:
    is_here = bool(dump.machine) and dump.machine == server.machine
    if into == SEED and (is_here or not dump.machine or not server.machine):
        told = "this is the host that the dump was made on" if is_here else "nobody can tell whether the dump was made on this host"
        yield f"{told}, and not a seed beside it; its own databases come back with `into: {ORIGIN}`"
    if into == ORIGIN and not is_here and not (record and record.dump == dump.sha256):
        filled = [database.name for database in server.databases if database.name in dump.names and database.rows]
        if filled:
            yield f"the dump was made on another host, and here {_list(filled)} is not empty; drop it if it may be lost"


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / (1 << 20):,.0f} MiB"
