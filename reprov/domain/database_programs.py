"""How a server of databases is asked, dumped and restored by its own programs: their words, and what they answer.

No word of theirs is a secret: they log in over the socket as their own account, or by a file of options.
Generated projects take this file along as it is, for `reprov_database`, as `database`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

_ESCAPED: Final = re.compile(r"\\(.)")
_MEANT: Final = {"t": "\t", "n": "\n", "r": "\r", "0": "\0", "N": "", "b": "\b", "f": "\f", "v": "\v"}
DATABASES: Final = b"-- databases\n"
"""The line of a dump behind which it has no more accounts."""

_OF_THE_DAY: Final = (
    *(b"-- MariaDB dump ", b"-- MySQL dump ", b"-- Host: ", b"-- Server version", b"-- Dump completed on "),
    *(b"-- Dumped from database version", b"-- Dumped by pg_dump", b"\\restrict ", b"\\unrestrict "),
)
"""What begins a line that names the day, the host or a version, or is random."""
_MARIADB_OWN: Final = "'mysql','information_schema','performance_schema','sys'"
_POSTGRES_OWN: Final = "'pg_catalog','information_schema'"


class Part(NamedTuple):
    """A part of a dump."""

    before: bytes
    """What the client is told before it."""
    argv: tuple[str, ...]
    """The program that writes it."""


class Found(NamedTuple):
    """The server, as it answers."""

    version: str
    data_directory: str


class Content:
    """The sha256 of what a dump has of databases: without accounts, which come first, and without what differs from dump to dump."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._is_content = False

    def take(self, line: bytes) -> None:
        """The next line of the dump."""
        if line == DATABASES:
            self._is_content = True
        elif self._is_content and not line.startswith(_OF_THE_DAY):
            self._digest.update(line)

    def hexdigest(self) -> str:
        """Of all lines until now."""
        return self._digest.hexdigest()


def columns(answer: str) -> list[tuple[str, ...]]:
    """The rows of an answer: both clients separate columns by tabs and escape what is in them alike."""
    return [tuple(_ESCAPED.sub(lambda found: _MEANT.get(found[1], found[1]), word) for word in line.split("\t")) for line in lines(answer)]


def lines(answer: str) -> list[str]:
    """The lines of an answer. (Names may have characters that `splitlines` takes for an end.)"""
    return answer.rstrip("\n").split("\n") if answer.rstrip("\n") else []


class MariaDb(NamedTuple):
    """MariaDB, or MySQL."""

    client: str
    """The path of mariadb, or of mysql."""
    dumper: str
    """The path of mariadb-dump, or of mysqldump."""
    socket: str = ""
    options_file: str = ""
    """With the account and its password; without one it is root over the socket."""

    @property
    def _login(self) -> tuple[str, ...]:
        file = (f"--defaults-file={self.options_file}",) if self.options_file else ()  # it must be the first option
        return (*file, *((f"--socket={self.socket}",) if self.socket else ()))

    def asking(self, database: str = "") -> tuple[str, ...]:
        """The client, which reads SQL and stops at the first error."""
        how = ("--batch", "--skip-column-names", "--default-character-set=utf8mb4")
        return (self.client, *self._login, *how, *([database] if database else ()))

    def restoring(self) -> tuple[str, ...]:
        """The client that a dump is fed to."""
        return (*self.asking(), "--max-allowed-packet=1G")

    def product(self, version: str) -> str:
        """Which of the two it is."""
        return "mariadb" if "mariadb" in version.lower() else "mysql"

    def has_accounts(self, version: str) -> bool:
        """Whether its program can dump accounts apart from the tables that they are kept in, which fit no other version."""
        return self.product(version) == "mariadb"

    def parts(self, names: Sequence[str], *, with_accounts: bool) -> Iterator[Part]:
        """The dump of these databases, with statements that drop what is there, consistent without a lock (InnoDB)."""
        dump = (self.dumper, *self._login, "--opt", "--skip-dump-date", "--default-character-set=utf8mb4", "--max-allowed-packet=1G")
        if with_accounts:
            yield Part(b"", (*dump, "--system=users", "--insert-ignore"))
        how = ("--add-drop-database", "--single-transaction", "--routines", "--events", "--triggers", "--hex-blob")
        yield Part(DATABASES, (*dump, *how, "--databases", *names))

    def server(self) -> str:
        """What asks for the server itself."""
        return "SELECT VERSION(), @@datadir;\n"

    def databases(self) -> str:
        """What asks for databases and their sizes."""
        return (
            "SELECT SCHEMA_NAME, (SELECT COALESCE(SUM(DATA_LENGTH + INDEX_LENGTH), 0) FROM information_schema.TABLES"
            f" WHERE TABLE_SCHEMA = SCHEMA_NAME) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME NOT IN ({_MARIADB_OWN});\n"
        )

    def sessions(self) -> str:
        """What asks for those who use a database: its name, and who."""
        return (
            "SELECT DB, CONCAT(USER, '@', HOST) FROM information_schema.PROCESSLIST WHERE DB IS NOT NULL AND ID <> CONNECTION_ID()"
            " AND USER NOT IN ('system user', 'event_scheduler');\n"  # threads of the server's own
        )

    def tables(self, database: str) -> tuple[str, str]:
        """The database to be connected to, and what asks there for tables: name, and 1 where rows can be counted."""
        name = database.replace("\\", "\\\\").replace("'", "''")
        query = f"SELECT TABLE_NAME, TABLE_TYPE = 'BASE TABLE' FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{name}' ORDER BY 1;\n"
        return database, query

    def counts(self, tables: Iterable[str]) -> str:
        """What asks for the rows of tables, a line for each."""
        return "".join("SELECT COUNT(*) FROM `{}`;\n".format(table.replace("`", "``")) for table in tables)


class PostgreSql(NamedTuple):
    """PostgreSQL."""

    client: str
    """The path of psql; pg_dump and pg_dumpall are those of the same place."""
    socket: str = ""
    """The directory of the socket."""
    account: str = "postgres"
    """The account of the system that owns the server."""

    @property
    def _as_owner(self) -> tuple[str, ...]:
        return ("runuser", "-u", self.account, "--")

    @property
    def _login(self) -> tuple[str, ...]:
        return (f"--host={self.socket}",) if self.socket else ()

    def _program(self, name: str) -> str:
        return self.client[: -len("psql")] + name

    def asking(self, database: str = "") -> tuple[str, ...]:
        """The client, which reads SQL and stops at the first error."""
        how = ("--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1", f"--dbname={database or 'postgres'}")
        return (*self._as_owner, self.client, *self._login, *how)

    def restoring(self) -> tuple[str, ...]:
        """The client that a dump is fed to."""
        return self.asking()

    def product(self, version: str) -> str:
        """Its name, whatever its version."""
        return "postgresql" if version else ""

    def has_accounts(self, version: str) -> bool:
        """Whether its program can dump accounts apart."""
        return bool(version)

    def parts(self, names: Sequence[str], *, with_accounts: bool) -> Iterator[Part]:
        """The dump of these databases, with statements that drop what is there, each consistent without a lock.

        Accounts (roles) own what is in databases: they are always there, without their passwords if these are not wanted.
        """
        passwords = () if with_accounts else ("--no-role-passwords",)
        roles = (*self._as_owner, self._program("pg_dumpall"), *self._login, "--roles-only", *passwords)
        yield Part(b"\\set ON_ERROR_STOP off\n", roles)  # those that are there already are no error
        for number, name in enumerate(names):
            dump = (*self._as_owner, self._program("pg_dump"), *self._login, "--create", "--clean", "--if-exists", f"--dbname={name}")
            yield Part((b"" if number else DATABASES) + b"\\connect postgres\n\\set ON_ERROR_STOP on\n", dump)

    def server(self) -> str:
        """What asks for the server itself."""
        return "COPY (SELECT current_setting('server_version'), current_setting('data_directory')) TO STDOUT;\n"

    def databases(self) -> str:
        """What asks for databases and their sizes."""
        return (
            "COPY (SELECT datname, pg_database_size(oid) FROM pg_database"
            " WHERE NOT datistemplate AND datallowconn AND datname <> 'postgres') TO STDOUT;\n"
        )

    def sessions(self) -> str:
        """What asks for those who use a database: its name, and who."""
        return (
            "COPY (SELECT datname, usename || '@' || COALESCE(host(client_addr), 'localhost') FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()) TO STDOUT;\n"
        )

    def tables(self, database: str) -> tuple[str, str]:
        """The database to be connected to, and what asks there for tables: name, and 1 where rows can be counted."""
        return database, (
            "COPY (SELECT format('%I.%I', table_schema, table_name), (table_type = 'BASE TABLE')::int FROM information_schema.tables"
            f" WHERE table_schema NOT IN ({_POSTGRES_OWN}) ORDER BY 1) TO STDOUT;\n"
        )

    def counts(self, tables: Iterable[str]) -> str:
        """What asks for the rows of tables, a line for each."""
        return "".join(f"SELECT COUNT(*) FROM {table};\n" for table in tables)
