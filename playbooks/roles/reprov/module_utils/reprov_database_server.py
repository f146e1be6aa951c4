"""A server of databases, looked at, dumped and restored by its own programs, as root on its host."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.reprov_database import Database, Dump, Server
from ansible.module_utils.reprov_database_programs import Content, MariaDb, PostgreSql, columns, lines
from ansible.module_utils.reprov_program import Trouble, running
from ansible.module_utils.reprov_text_file import read_text


class DatabaseServer:
    """The server that a task names."""

    def __init__(self, module: AnsibleModule) -> None:
        where = module.params["socket"] or ""
        self._programs: Any
        if module.params["engine"] == "postgresql":
            self._programs = PostgreSql(module.get_bin_path("psql", required=True), where)
        else:
            client = module.get_bin_path("mariadb") or module.get_bin_path("mysql", required=True)
            dumper = module.get_bin_path("mariadb-dump") or module.get_bin_path("mysqldump", required=True)
            self._programs = MariaDb(client, dumper, where, module.params["options_file"] or "")

    def names(self) -> list[str]:
        """Of the databases that are not the server's own."""
        return [name for name, _ in columns(self._ask(self._programs.databases()))]

    def look(self, names: Sequence[str], *, is_counted: bool) -> Server:
        """The server with these of its databases. Rows are counted only when it is asked for: that reads every table."""
        version, data_directory = columns(self._ask(self._programs.server()))[0]
        sizes = {name: int(size) for name, size in columns(self._ask(self._programs.databases())) if name in names}
        databases = tuple(Database(name, size, self._rows(name, is_counted=is_counted)) for name, size in sorted(sizes.items()))
        sessions = dict(columns(self._ask(self._programs.sessions())))
        machine = (read_text(Path("/etc/machine-id")) or "").strip()
        return Server(self._programs.product(version), version, machine, databases, sessions, free_bytes(data_directory))

    def has_accounts(self, server: Server) -> bool:
        """Whether accounts can be dumped apart from the tables that they are kept in."""
        return bool(self._programs.has_accounts(server.version))

    def dumped(self, names: Sequence[str], *, with_accounts: bool) -> Iterator[bytes]:
        """The lines of a dump of these databases."""
        for part in self._programs.parts(names, with_accounts=with_accounts):
            yield from part.before.splitlines(keepends=True)
            with running(part.argv, stdout=subprocess.PIPE) as dumper:
                yield from dumper.stdout

    def content(self, dump: Dump) -> str | None:
        """What the server has now of what is dumped, as the manifest says it; None where it has not all of the databases.

        None, too, where they cannot be dumped: what a schema that was moved on by half has broken is not what was dumped.
        """
        if set(dump.names) - set(self.names()):
            return None
        found = Content()
        try:
            for line in self.dumped(dump.names, with_accounts=False):
                found.take(line)
        except Trouble:
            return None
        return found.hexdigest()

    def restore(self, source: Any) -> None:
        """Feed a dump to the client, from a file or a pipe. Raises `Trouble` at its first error."""
        with running(self._programs.restoring(), stdin=source):
            pass

    def _rows(self, database: str, *, is_counted: bool) -> dict[str, int | None]:
        where, query = self._programs.tables(database)
        kinds = dict(columns(self._ask(query, where)))
        rows: dict[str, int | None] = dict.fromkeys(kinds)
        tables = [table for table, kind in kinds.items() if kind == "1"] if is_counted else []
        answers = lines(self._ask(self._programs.counts(tables), where)) if tables else []
        rows.update({table: int(answers[index]) for index, table in enumerate(tables)})
        return rows

    def _ask(self, sql: str, database: str = "") -> str:
        with tempfile.TemporaryFile() as words:
            words.write(sql.encode(errors="surrogateescape"))
            words.seek(0)
            with running(self._programs.asking(database), stdin=words, stdout=subprocess.PIPE) as client:
                answer: bytes = client.stdout.read()
        return answer.decode(errors="surrogateescape")


def free_bytes(path: str) -> int | None:
    """On the disk of a directory; None where it is not on this host."""
    try:
        found = os.statvfs(path)
    except FileNotFoundError:
        return None
    return found.f_bavail * found.f_frsize
