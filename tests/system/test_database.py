"""Real MariaDB, PostgreSQL and Debian's Keystone: dump, restore and db sync in an upgrade beside the original, and the ways back."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.system.database_lab import BACKUP, KEY, PROGRAMS, DatabaseHost, Played, database_host, shipped
from tests.system.trees import database_trees

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs(*PROGRAMS)]
ARTEFACT = f"{BACKUP}/databases.sql.enc"
MANIFEST = f"{BACKUP}/databases.json"
CARRIED = (KEY, ARTEFACT, MANIFEST)
ORIGINAL, SEED = "a" * 32, "b" * 32
OLD_SCHEMA, NEW_SCHEMA = "78", "29e87d24a316"
KEYSTONE_DATA = """\
INSERT INTO keystone.region (id, description, extra) VALUES ('one', 'Île-de-France', '{}'), ('two', '', '{}');
INSERT INTO keystone.config_register (type, domain_id) VALUES ('a', 'b');
"""
EVIL_DATA = r"""
CREATE DATABASE `nova``s 'cell'` CHARACTER SET utf8mb4;
USE `nova``s 'cell'`;
CREATE TABLE `a b\c'` (id INT PRIMARY KEY AUTO_INCREMENT, bytes BLOB, words TEXT);
INSERT INTO `a b\c'` (bytes, words) VALUES (x'00ff0a0d5c271a', '漢\n--\\'), (NULL, '-- databases');
CREATE TABLE child (parent INT, FOREIGN KEY (parent) REFERENCES `a b\c'` (id));
INSERT INTO child VALUES (1), (2);
CREATE VIEW seen AS SELECT words FROM `a b\c'`;
CREATE TRIGGER count_up BEFORE INSERT ON child FOR EACH ROW SET NEW.parent = COALESCE(NEW.parent, 1);
CREATE PROCEDURE nothing() SELECT 1;
CREATE DATABASE other;
CREATE TABLE other.plain (id INT PRIMARY KEY);
INSERT INTO other.plain SELECT seq FROM seq_1_to_20000;
CREATE USER nova@localhost IDENTIFIED BY 'lab';
GRANT ALL ON other.* TO nova@localhost;
"""
DATABASES = ("nova`s 'cell'", "other")
MODULE = b"AnsiballZ_reprov_database"
HANGING = '#!/bin/sh\n/usr/bin/mariadb-dump "$@" | head -c 20000\nexec sleep 1000\n'
"""A dump whose rest never comes."""


@pytest.fixture
def host(tmp_path: Path) -> Iterator[DatabaseHost]:
    """A host with MariaDB that has some databases."""
    with database_host(tmp_path / "original", database_trees().old, ORIGINAL) as found:
        found.start_mariadb()
        found.sql(EVIL_DATA)
        yield found


def act(host: DatabaseHost, kind: str, name: str, *words: str, **variables: Any) -> Played:
    tasks, defaults = shipped(kind, name)
    return host.play(tasks, {**defaults, "rollout_name": "may", **variables}, *words)


def dump(host: DatabaseHost, *words: str, **variables: Any) -> Played:
    return act(host, "actions", "dump-databases", *words, **variables)


def verify(host: DatabaseHost, **variables: Any) -> Played:
    return act(host, "checks", "databases-saved", **variables)


def restore(host: DatabaseHost, *words: str, **variables: Any) -> Played:
    return act(host, "actions", "restore-databases", *words, **variables)


def sync(host: DatabaseHost) -> Played:
    tasks, _ = shipped("snippets", "keystone", "Expand keystone's database", "Take away what only old hosts needed of keystone's database")
    return host.play(tasks, {"reprov_arrived": True, "reprov_everywhere": True}, "--verbose")


def done(played: Played, changed: int) -> str:
    assert (played.status, played.changed) == (0, changed), played.said
    return played.said


def refused(played: Played, why: str) -> None:
    assert (played.status, played.changed) == (2, 0), played.said
    assert why in played.said


def files(host: DatabaseHost) -> list[str]:
    return sorted(path.name for path in (host.files / BACKUP.lstrip("/")).iterdir())


def test_a_seed_gets_the_databases_and_the_new_schema_and_the_original_stays_as_it_is(tmp_path: Path) -> None:
    trees = database_trees()
    with database_host(tmp_path / "original", trees.old, ORIGINAL) as original:
        original.start_mariadb()
        original.make_keystone()
        original.make_old_schema(int(OLD_SCHEMA))
        original.sql(KEYSTONE_DATA)
        before = original.dump("keystone")
        named = {"dumped_databases": ["keystone", "heat"], "restored_into": "seed"}
        done(dump(original, **named), 1)
        done(verify(original), 0)
        written = [(original.files / path.lstrip("/")).read_bytes() for path in CARRIED]
        assert b"Le-de-France" not in written[1]
        assert [(original.files / path.lstrip("/")).stat().st_mode & 0o077 for path in CARRIED[:2]] == [0, 0]
        done(dump(original, **named), 0)
        assert written == [(original.files / path.lstrip("/")).read_bytes() for path in CARRIED]

        with database_host(tmp_path / "seed", trees.new, SEED) as seed:
            seed.start_mariadb()
            seed.make_keystone()
            seed.sql("CREATE TABLE keystone.of_the_seed (id INT); CREATE DATABASE glance; CREATE TABLE glance.images (id INT);")
            original.copy_to(seed, *CARRIED)
            done(restore(seed, **named), 1)
            done(restore(seed, **named), 0)
            assert seed.sql("SELECT id, description FROM keystone.region") == "one\tÎle-de-France\ntwo\t\n"
            assert seed.sql("SHOW TABLES IN keystone LIKE 'of_the_seed'; SHOW TABLES IN glance") == "images\n"
            moved = done(sync(seed), 2)
            assert f'"before": "{OLD_SCHEMA}"' in moved
            assert f'"after": "{NEW_SCHEMA}"' in moved
            done(sync(seed), 0)
            assert seed.sql("SELECT COUNT(*) FROM keystone.region; SELECT COUNT(*) FROM keystone.alembic_version") == "2\n2\n"

        assert original.dump("keystone") == before
        assert original.keystone_version().splitlines()[-1] == OLD_SCHEMA


def test_the_way_back_of_a_server_is_its_dump_byte_for_byte(host: DatabaseHost) -> None:
    before = host.dump(*DATABASES)
    done(dump(host, "--check"), 1)
    assert not (host.files / BACKUP.lstrip("/")).exists()
    done(dump(host), 1)
    host.sql("ALTER TABLE other.plain ADD COLUMN more INT; CREATE TABLE other.made (id INT); DROP USER nova@localhost;")
    host.sql("USE `nova``s 'cell'`; DROP PROCEDURE nothing; DROP TABLE child; CREATE DATABASE made_since;")
    now = host.dump(*DATABASES)
    done(restore(host, "--check"), 1)
    assert host.dump(*DATABASES) == now
    assert '"identical": true' in done(restore(host, "--verbose"), 1)
    assert host.dump(*DATABASES) == before
    assert "GRANT ALL PRIVILEGES ON `other`" in host.sql("SHOW GRANTS FOR nova@localhost")
    assert host.sql("SHOW DATABASES LIKE 'made%'") == "made_since\n"
    done(restore(host), 0)
    host.sql("ALTER TABLE `nova``s 'cell'`.`a b\\c'` DROP COLUMN words")
    assert host.run("mariadb-dump", DATABASES[0], fine=False).status != 0  # its view is broken: half of a schema that was moved on
    done(restore(host), 1)
    assert host.dump(*DATABASES) == before


def _flip(host: DatabaseHost) -> None:
    with (host.files / ARTEFACT.lstrip("/")).open("r+b") as file:
        file.seek(1000)
        found = file.read(1)[0]
        file.seek(1000)
        file.write(bytes((found ^ 0x10,)))


def _truncate(host: DatabaseHost) -> None:
    with (host.files / ARTEFACT.lstrip("/")).open("r+b") as file:
        file.truncate(1024)


def _another_key(host: DatabaseHost) -> None:
    (host.files / KEY.lstrip("/")).write_text("another\n")


def _lose(host: DatabaseHost) -> None:
    (host.files / ARTEFACT.lstrip("/")).unlink()


def test_what_is_not_whole_is_refused_before_anything_is_changed(host: DatabaseHost) -> None:
    done(dump(host), 1)
    whole = {path: (host.files / path.lstrip("/")).read_bytes() for path in CARRIED}
    host.sql("DROP TABLE other.plain")
    now = host.dump(*DATABASES)
    cases: Mapping[Callable[[DatabaseHost], None], str] = {
        _flip: "is damaged: its checksum is not that of databases.json",
        _truncate: "is damaged: its checksum is not that of databases.json",
        _another_key: f"{KEY} is not the key that it was made with",
        _lose: f"{ARTEFACT} is gone",
    }
    for harm, why in cases.items():
        harm(host)
        refused(restore(host), why)
        refused(verify(host), why)
        assert host.dump(*DATABASES) == now
        for path, content in whole.items():
            (host.files / path.lstrip("/")).write_bytes(content)
    done(restore(host), 1)


def test_the_wrong_place_is_refused_before_anything_is_changed(host: DatabaseHost) -> None:
    done(dump(host, dumped_databases=["other"]), 1)
    host.sql("INSERT INTO other.plain VALUES (0)")
    now = host.dump(*DATABASES)
    refused(restore(host, restored_into="seed"), "this is the host that the dump was made on, and not a seed beside it")
    session = host.start("mariadb", "other", "--execute", "SELECT SLEEP(600)")
    host.wait("sh", "-c", "mariadb --execute 'SHOW PROCESSLIST' | grep -q SLEEP")
    refused(restore(host), "in use by root@localhost in other; stop the services")
    host.sql("SELECT CONCAT('KILL ', ID) INTO @kill FROM information_schema.PROCESSLIST WHERE DB = 'other'; EXECUTE IMMEDIATE @kill;")
    assert session.wait() != 0
    (host.files / "etc/machine-id").write_text(f"{SEED}\n")
    refused(restore(host), "the dump was made on another host, and here other is not empty")
    refused(dump(host), "is without nova`s 'cell'; move it away")
    assert host.dump(*DATABASES) == now
    host.sql("DROP DATABASE other")
    done(restore(host), 1)
    assert host.sql("SELECT COUNT(*) FROM other.plain") == "20000\n"


def test_a_dump_that_did_not_end_is_none(host: DatabaseHost) -> None:
    hanging = host.files / "usr/local/bin/mariadb-dump"
    hanging.write_text(HANGING)
    hanging.chmod(0o755)
    tasks, defaults = shipped("actions", "dump-databases")
    named = {"dumped_databases": ["other"]}
    first = host.start(*host.playing(tasks, {**defaults, "rollout_name": "may", **named}))
    host.wait("test", "-s", f"{ARTEFACT}.new")
    refused(dump(host, **named), "another process dumps or restores")
    modules = [path.parent.name for path in (host.files / "proc").glob("[0-9]*/cmdline") if MODULE in path.read_bytes()]
    assert modules
    host.run("kill", "-KILL", *modules)
    assert first.wait() != 0
    assert files(host) == ["databases.sql.enc.new"]
    refused(verify(host), "there is no dump")
    refused(restore(host), "there is no dump")

    hanging.write_text('#!/bin/sh\n/usr/bin/mariadb-dump "$@" | head -c 20000\nexit 3\n')
    refused(dump(host, **named), "there is no dump: mariadb-dump ended with 3")
    assert files(host) == []

    hanging.unlink()
    done(dump(host, **named), 1)
    done(verify(host), 0)
    assert files(host) == ["databases.json", "databases.sql.enc"]
    assert json.loads((host.files / MANIFEST.lstrip("/")).read_text())["databases"][0]["rows"] == {"plain": 20000}


def test_postgresql_goes_to_a_seed_and_back(tmp_path: Path) -> None:
    trees, postgres = database_trees(), {"database_engine": "postgresql"}
    with (
        database_host(tmp_path / "original", trees.old, ORIGINAL) as original,
        database_host(tmp_path / "seed", trees.new, SEED) as seed,
    ):
        for host in (original, seed):
            host.start_postgresql()
            host.psql("CREATE ROLE keystone LOGIN")
            host.psql("CREATE DATABASE keystone OWNER keystone")
        original.psql('CREATE ROLE "o\'wner"')
        original.psql('CREATE DATABASE "no va" OWNER "o\'wner"')
        original.psql('CREATE TABLE "Tab\tle" (id INT PRIMARY KEY, bytes BYTEA)', "no va")
        original.psql("INSERT INTO \"Tab\tle\" SELECT i, E'\\\\x00ff' FROM generate_series(1, 500) i", "no va")
        original.psql("CREATE TABLE lines (line TEXT); INSERT INTO lines VALUES ('-- databases'), (E'\\\\.'), (E'a\\tb\\n')", "keystone")
        seed.psql("CREATE TABLE of_the_seed (id INT)", "keystone")
        done(dump(original, **postgres), 1)
        done(dump(original, **postgres), 0)
        done(verify(original, **postgres), 0)
        original.copy_to(seed, *CARRIED)
        done(restore(seed, restored_into="seed", **postgres), 1)
        done(restore(seed, restored_into="seed", **postgres), 0)
        assert seed.psql('SELECT COUNT(*), MAX(bytes::text) FROM "Tab\tle"', "no va") == "500|\\x00ff\n"
        assert seed.psql("SELECT * FROM lines; SELECT COUNT(*) FROM pg_tables WHERE tablename = 'of_the_seed'", "keystone").endswith(
            "\n0\n"
        )

        original.psql("DROP TABLE lines", "keystone")
        original.psql('DROP DATABASE "no va"')
        assert '"identical": true' in done(restore(original, "--verbose", **postgres), 1)
        assert original.psql("SELECT COUNT(*) FROM lines", "keystone") == "3\n"

        seed.run("rm", "-r", BACKUP)
        done(dump(seed, **postgres), 1)
        original.run("rm", "-r", BACKUP)
        original.psql("DROP TABLE lines", "keystone")
        seed.copy_to(original, *CARRIED)
        refused(restore(original, **postgres), "which is older; restore into a server of that version or a later one")
