"""The words of the servers' own programs, and what of a dump is its content."""

import pytest

from reprov.domain.database_programs import DATABASES, Content, MariaDb, PostgreSql, columns

MARIADB = MariaDb("/usr/bin/mariadb", "/usr/bin/mariadb-dump")
POSTGRESQL = PostgreSql("/usr/bin/psql")


def digest(*lines: bytes) -> str:
    content = Content()
    for line in lines:
        content.take(line)
    return content.hexdigest()


BASE = (b"CREATE USER a;\n", DATABASES, b"-- Host: one\n", b"INSERT INTO a VALUES (1);\n", b"-- Dump completed on 2026-11-22\n")


@pytest.mark.parametrize(
    ("lines", "same"),
    [
        pytest.param((b"CREATE USER b;\n", *BASE[1:]), True, id="with other accounts"),
        pytest.param((*BASE[:2], b"-- Host: two\n", *BASE[3:]), True, id="of another host"),
        pytest.param((*BASE[:4], b"-- Dump completed on 2027-01-01\n"), True, id="of another day"),
        pytest.param((*BASE[:2], b"\\restrict x7\n", *BASE[3:], b"\\unrestrict x7\n"), True, id="with psql's random words"),
        pytest.param((*BASE[:3], b"INSERT INTO a VALUES (2);\n", BASE[4]), False, id="with another row"),
        pytest.param(BASE[:3], False, id="cut off"),
        pytest.param((*BASE[:4], b"-- somebody's comment\n", BASE[4]), False, id="with another comment"),
    ],
)
def test_what_the_content_of_a_dump_is(lines: tuple[bytes, ...], same: bool) -> None:
    assert (digest(*lines) == digest(*BASE)) is same


@pytest.mark.parametrize(
    ("answer", "rows"),
    [
        pytest.param("", [], id="nothing"),
        pytest.param("a\t1\nb\t2\n", [("a", "1"), ("b", "2")], id="two rows"),
        pytest.param("a\\tb\\\\n\\n\n", [("a\tb\\n\n",)], id="escaped characters"),
        pytest.param("a\u2028b\x0b\n", [("a\u2028b\x0b",)], id="characters that end a line elsewhere"),
    ],
)
def test_how_an_answer_is_read(answer: str, rows: list[tuple[str, ...]]) -> None:
    assert columns(answer) == rows


def test_accounts_come_before_the_databases_and_only_when_they_are_asked_for() -> None:
    with_accounts = list(MARIADB.parts(["a", "b"], with_accounts=True))
    assert [part.before for part in with_accounts] == [b"", DATABASES]
    assert "--system=users" in with_accounts[0].argv
    assert with_accounts[1].argv[-3:] == ("--databases", "a", "b")
    assert list(MARIADB.parts(["a", "b"], with_accounts=False)) == with_accounts[1:]


def test_roles_of_postgresql_come_first_and_with_their_passwords_only_when_these_are_asked_for() -> None:
    roles, first, second = POSTGRESQL.parts(["a", "b"], with_accounts=False)
    assert roles.argv == ("runuser", "-u", "postgres", "--", "/usr/bin/pg_dumpall", "--roles-only", "--no-role-passwords")
    assert roles.before == b"\\set ON_ERROR_STOP off\n"
    assert first.before == DATABASES + b"\\connect postgres\n\\set ON_ERROR_STOP on\n"
    assert second.before == b"\\connect postgres\n\\set ON_ERROR_STOP on\n"
    assert (first.argv[4], first.argv[-1], second.argv[-1]) == ("/usr/bin/pg_dump", "--dbname=a", "--dbname=b")
    assert "--no-role-passwords" not in next(POSTGRESQL.parts(["a"], with_accounts=True)).argv


def test_the_file_of_options_is_the_first_option_of_every_program_of_mariadb() -> None:
    programs = MARIADB._replace(options_file="/root/.my.cnf", socket="/run/s")
    dumps = [part.argv for part in programs.parts(["a"], with_accounts=True)]
    assert {argv[1:3] for argv in (programs.asking("a"), programs.restoring(), *dumps)} == {
        ("--defaults-file=/root/.my.cnf", "--socket=/run/s")
    }


def test_names_cannot_end_the_words_that_they_are_in() -> None:
    assert MARIADB.counts(["a`b"]) == "SELECT COUNT(*) FROM `a``b`;\n"
    assert "TABLE_SCHEMA = 'a''b\\\\'" in MARIADB.tables("a'b\\")[1]


@pytest.mark.parametrize(
    ("version", "product", "has_accounts"),
    [
        pytest.param("10.11.18-MariaDB-0+deb12u1", "mariadb", True, id="MariaDB"),
        pytest.param("8.0.36", "mysql", False, id="MySQL, whose program cannot dump accounts apart"),
    ],
)
def test_which_of_the_two_a_server_is(version: str, product: str, has_accounts: bool) -> None:
    assert (MARIADB.product(version), MARIADB.has_accounts(version)) == (product, has_accounts)
