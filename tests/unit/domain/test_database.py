"""Which databases are dumped, when a dump is kept, where it may be restored, and what a restore has to prove."""

from typing import Any

import pytest

from reprov.domain.database import (
    ORIGIN,
    SEED,
    Chosen,
    Database,
    Dump,
    Record,
    Server,
    choose,
    is_restored,
    settled,
    unproved,
    why_not_dumped,
    why_not_kept,
    why_not_restored,
)

MIB = 1 << 20
KEYSTONE = Database("keystone", 10 * MIB, {"user": 3, "project": 2, "seen": None})
NOVA = Database("nova", 20 * MIB, {"instances": 7})
DUMP = Dump(
    product="mariadb",
    version="10.11.18-MariaDB-0+deb12u1",
    machine="a",
    made_at="2026-11-22T08:26:21Z",
    databases=(KEYSTONE, NOVA),
    has_accounts=False,
    size_bytes=1000,
    sha256="of the artefact",
    content="of the databases",
)
AWAY = "move it away, or name another directory (backup_directory)"


def a_server(**other: Any) -> Server:
    """The server that the dump is of, as it was then, but for what is named."""
    return Server("mariadb", DUMP.version, "a", DUMP.databases)._replace(**other)


@pytest.mark.parametrize(
    ("there", "named", "chosen"),
    [
        pytest.param(["nova", "glance"], [], Chosen(("glance", "nova"), ()), id="all of them, where none is named"),
        pytest.param(["nova", "own", "glance"], ["glance", "nova"], Chosen(("glance", "nova"), ()), id="those that are named"),
        pytest.param(["nova"], ["heat", "nova"], Chosen(("nova",), ("heat",)), id="a service that is not deployed has none"),
    ],
)
def test_what_is_dumped(there: list[str], named: list[str], chosen: Chosen) -> None:
    assert choose(there, named) == chosen


@pytest.mark.parametrize(
    ("artefact_bytes", "wanted", "why"),
    [
        pytest.param(1000, Chosen(("keystone", "nova"), ()), "", id="it is what is asked for"),
        pytest.param(1000, Chosen(("nova",), ("heat",)), "", id="it has more than is asked for"),
        pytest.param(None, Chosen(("nova",), ()), f"the manifest of {DUMP.made_at} has lost its artefact; {AWAY}", id="no artefact"),
        pytest.param(
            999, Chosen(("nova",), ()), f"the dump of {DUMP.made_at} has 999 bytes, its manifest says 1000; {AWAY}", id="a cut artefact"
        ),
        pytest.param(
            1000, Chosen(("cinder", "nova"), ()), f"the dump of {DUMP.made_at} is without cinder; {AWAY}", id="it is of other databases"
        ),
    ],
)
def test_a_dump_is_never_written_over(artefact_bytes: int | None, wanted: Chosen, why: str) -> None:
    assert why_not_kept(DUMP, artefact_bytes, wanted) == why


@pytest.mark.parametrize(
    ("wanted", "free_bytes", "why"),
    [
        pytest.param(Chosen(("nova",), ()), 20 * MIB, "", id="there is room for what is dumped"),
        pytest.param(
            Chosen(("keystone", "nova"), ()),
            20 * MIB,
            "the databases have 30 MiB, and there is room for 20 MiB; make room, or name another backup_directory",
            id="there is no room for all of it",
        ),
        pytest.param(Chosen((), ("a", "b")), MIB, "there is nothing to dump: the server has none of a, b", id="none of those named"),
        pytest.param(Chosen((), ()), MIB, "the server has no database", id="an empty server"),
    ],
)
def test_why_a_dump_is_not_begun(wanted: Chosen, free_bytes: int, why: str) -> None:
    assert why_not_dumped(wanted, (KEYSTONE, NOVA), free_bytes) == why


def test_of_tables_that_were_written_to_nobody_can_tell_the_rows() -> None:
    before = (Database("nova", 1, {"busy": 1, "gone": 1, "same": 1, "view": None}),)
    after = (Database("nova", 2, {"busy": 2, "new": 1, "same": 1, "view": None}),)
    assert settled(before, after) == (
        (Database("nova", 2, {"busy": None, "same": 1, "view": None}),),
        ("nova.busy", "nova.gone", "nova.new"),
    )


@pytest.mark.parametrize(
    ("record", "content", "restored"),
    [
        pytest.param(None, DUMP.content, True, id="nothing has changed since the dump"),
        pytest.param(Record(DUMP.sha256, "later words"), "later words", True, id="a later server words what was restored otherwise"),
        pytest.param(Record(DUMP.sha256, "later words"), "synced", False, id="what was restored was moved on"),
        pytest.param(Record("another dump", "later words"), "later words", False, id="it is from another dump"),
        pytest.param(Record(DUMP.sha256), None, False, id="a restore that was killed, and databases are missing"),
        pytest.param(None, "other", False, id="it never was restored here"),
    ],
)
def test_whether_there_is_nothing_to_restore(record: Record | None, content: str | None, restored: bool) -> None:
    assert is_restored(DUMP, record, content) is restored


@pytest.mark.parametrize(
    ("server", "into", "record"),
    [
        pytest.param(a_server(), ORIGIN, None, id="the server that the dump is of"),
        pytest.param(a_server(version="10.11.19-MariaDB"), ORIGIN, None, id="with a later version"),
        pytest.param(a_server(machine="b", databases=()), ORIGIN, None, id="another host without these databases"),
        pytest.param(a_server(machine="b", databases=(Database("nova", 0, {}),)), ORIGIN, None, id="another host with an empty one"),
        pytest.param(a_server(machine="b"), ORIGIN, Record(DUMP.sha256), id="another host that a restore was killed on"),
        pytest.param(a_server(machine="b", version="11.4.2-MariaDB"), SEED, None, id="a seed with databases of its own"),
        pytest.param(a_server(sessions={"zabbix": "zabbix@localhost"}), ORIGIN, None, id="somebody uses another database"),
        pytest.param(a_server(free_bytes=60 * MIB), ORIGIN, None, id="there is just enough room"),
    ],
)
def test_where_it_may_be_restored(server: Server, into: str, record: Record | None) -> None:
    assert why_not_restored(DUMP, server, into, record) == ()


@pytest.mark.parametrize(
    ("server", "into", "record", "why"),
    [
        pytest.param(
            a_server(version="10.11.17-MariaDB"),
            ORIGIN,
            None,
            "the dump is of mariadb 10.11.18-MariaDB-0+deb12u1, this server is mariadb 10.11.17-MariaDB, which is older; "
            "restore into a server of that version or a later one",
            id="an older version, of the same series though",
        ),
        pytest.param(
            a_server(product="postgresql", version="15.20"),
            ORIGIN,
            None,
            "the dump is of mariadb 10.11.18-MariaDB-0+deb12u1, this server is postgresql 15.20",
            id="another product",
        ),
        pytest.param(
            a_server(),
            SEED,
            None,
            "this is the host that the dump was made on, and not a seed beside it; its own databases come back with `into: origin`",
            id="the original, taken for the seed",
        ),
        pytest.param(
            a_server(machine=""),
            SEED,
            None,
            "nobody can tell whether the dump was made on this host, and not a seed beside it; its own databases come back with "
            "`into: origin`",
            id="a host without a machine-id",
        ),
        pytest.param(
            a_server(machine="b"),
            ORIGIN,
            Record("another dump"),
            "the dump was made on another host, and here keystone, nova is not empty; drop it if it may be lost",
            id="another host's databases",
        ),
        pytest.param(
            a_server(sessions={"nova": "nova@10.0.0.1"}),
            ORIGIN,
            None,
            "the databases are in use by nova@10.0.0.1 in nova; stop the services that these belong to",
            id="a service still runs",
        ),
        pytest.param(
            a_server(free_bytes=60 * MIB - 1),
            ORIGIN,
            None,
            "it needs 60 MiB, and the disk of the server's data has room for 60 MiB",
            id="there is not enough room",
        ),
    ],
)
def test_where_it_may_not_be_restored(server: Server, into: str, record: Record | None, why: str) -> None:
    assert why_not_restored(DUMP, server, into, record) == (why,)


def test_every_reason_is_told_at_once() -> None:
    server = a_server(version="10.6", machine="b", sessions={"nova": "nova@localhost"}, free_bytes=0)
    assert len(why_not_restored(DUMP, server, ORIGIN, None)) == 4


@pytest.mark.parametrize(
    ("dumped", "server", "allowed"),
    [
        pytest.param(("mysql", "5.6.30-log"), ("mariadb", "10.11.18-MariaDB"), True, id="MariaDB reads what MySQL 5 wrote"),
        pytest.param(("mysql", "8.0.36"), ("mariadb", "10.11.18-MariaDB"), False, id="but not what MySQL 8 wrote"),
        pytest.param(("mariadb", "10.3.39-MariaDB"), ("mysql", "8.0.36"), False, id="MySQL reads nothing of MariaDB's"),
        pytest.param(("postgresql", "15.18 (Debian)"), ("postgresql", "16.2"), True, id="a later PostgreSQL"),
        pytest.param(("postgresql", "15.18 (Debian)"), ("postgresql", "15.4"), False, id="an earlier PostgreSQL of the same series"),
    ],
)
def test_which_servers_take_a_dump(dumped: tuple[str, str], server: tuple[str, str], allowed: bool) -> None:
    dump = DUMP._replace(product=dumped[0], version=dumped[1])
    assert (why_not_restored(dump, a_server(product=server[0], version=server[1]), ORIGIN, None) == ()) is allowed


@pytest.mark.parametrize(
    ("databases", "lost"),
    [
        pytest.param(DUMP.databases, (), id="all is there"),
        pytest.param((*DUMP.databases, Database("own", 1, {"a": 1})), (), id="and a database of somebody else"),
        pytest.param((KEYSTONE,), ("there is no database nova",), id="a database is missing"),
        pytest.param((KEYSTONE, NOVA._replace(rows={})), ("there is no table nova.instances",), id="a table is missing"),
        pytest.param((KEYSTONE, NOVA._replace(rows={"instances": 6})), ("nova.instances has 6 rows, the dump 7",), id="a row is missing"),
        pytest.param((KEYSTONE._replace(rows={"user": 3, "project": 2, "seen": 9}), NOVA), (), id="nobody knew the rows of a view"),
    ],
)
def test_what_a_restore_has_to_prove(databases: tuple[Database, ...], lost: tuple[str, ...]) -> None:
    assert unproved(DUMP, databases) == lost


def test_a_manifest_reads_back() -> None:
    assert Dump.from_json(DUMP.to_json()) == DUMP
    assert DUMP.names == ("keystone", "nova")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("", r"^is no manifest of a dump \(JSONDecodeError: ", id="an empty file"),
        pytest.param("[]", r"^is no manifest of a dump \(TypeError: ", id="another kind of JSON"),
        pytest.param('{"format": 2}', "^is of another version of reprov$", id="a later format"),
        pytest.param('{"format": 1}', r"^is no manifest of a dump \(KeyError: 'databases'\)$", id="an incomplete one"),
        pytest.param('{"format": 1, "databases": []}', r"^is no manifest of a dump \(TypeError: ", id="one without a checksum"),
    ],
)
def test_what_is_no_manifest(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Dump.from_json(text)


@pytest.mark.parametrize(
    ("text", "record"),
    [
        pytest.param('{"dump": "a", "content": "b"}', Record("a", "b"), id="of a restore that has ended"),
        pytest.param('{"dump": "a", "content": null}', Record("a"), id="of one that has not"),
        pytest.param("{", None, id="a cut file"),
        pytest.param("{}", None, id="an empty one"),
    ],
)
def test_the_record_of_a_restore(text: str, record: Record | None) -> None:
    assert Record.from_json(text) == record
