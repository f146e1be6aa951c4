"""The table of stable ids: what it refuses, how it is written, and what eDeploy's tables become."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from reprov.domain.id_file import parse_id_file
from reprov.domain.ids import ACCOUNT_NAME, Group, IdTable, User, parse_ids_tables
from reprov.errors import InvalidInput

EDEPLOY = """\
uids = {'root': ('0', '0'),
 'mysql': ('110', '114'), # as text, as eDeploy writes them
 'hacluster': (117, 122),
 'sshd': ('101', '65534'),
 'sync': ('4', '65534')}
gids = {'haclient': (122, ''),
 'mysql': ('114', ''),
 'nogroup': ('65534', ''),
 'adm': ('4', ''),
 'ssl-cert': ('119', ''),
}
"""

BAD_TABLES = {
    "a call": (
        "uids = {'a': (__import__('os').getuid(), 1)}\ngids = {}\n",
        "t:1: not a literal: (__import__('os').getuid(), 1)",
    ),
    "a call in a later line": ("uids = {\n 'a': (100, 1),\n 'b': open('x')}\ngids = {'a': (1, '')}\n", "t:3: not a literal: open('x')"),
    "a name that is computed": ("uids = {str(1): (100, 1)}\ngids = {}\n", "t:1: not a literal: (100, 1)"),
    "another table inside": ("uids = {**gids}\ngids = {}\n", "t:1: not a literal: gids"),
    "a statement": (
        "uids = {}\ngids = {}\nimport os\n",
        "t:3: only `uids = {...}` and `gids = {...}` stand in such a file, each once",
    ),
    "a table of another name": ("users = {}\n", "t:1: only `uids = {...}` and `gids = {...}` stand in such a file, each once"),
    "a table that stands twice": (
        "uids = {}\nuids = {}\ngids = {}\n",
        "t:2: only `uids = {...}` and `gids = {...}` stand in such a file, each once",
    ),
    "a list as the table": ("uids = []\ngids = {}\n", "t:1: only `uids = {...}` and `gids = {...}` stand in such a file, each once"),
    "no gids": ("uids = {}\n", "t:1: there is no `gids = {...}`"),
    "nothing": ("", "t:1: there is no `uids = {...}`"),
    "a file that is cut off": ("uids = {'a': (100, 1),\n", "t:1: not a literal: '{' was never closed"),
    "a null byte": ("uids = {}\0", "t:1: not a literal: source code string cannot contain null bytes"),
    "a number alone": ("uids = {'a': 100}\ngids = {}\n", "t:1: 'a': a pair is expected, not 100"),
    "a word for a number": ("uids = {'a': ('x', 1)}\ngids = {}\n", "t:1: 'a': 'x' is not an id"),
    "True for a number": ("uids = {'a': (True, 1)}\ngids = {}\n", "t:1: 'a': True is not an id"),
    "a number below zero": ("uids = {'a': (-1, 1)}\ngids = {}\n", "t:1: 'a': -1 is not an id"),
    "the number that means none": ("uids = {}\ngids = {'a': (4294967295, '')}\n", "t:2: 'a': 4294967295 is not an id"),
    "a name with a colon": ("uids = {}\ngids = {'a:b': (100, '')}\n", "t:2: 'a:b' is not an account name"),
    "a primary group without a name": (
        "uids = {'a': (100, 150)}\ngids = {'b': (151, '')}\n",
        "t:1: user 'a' has the primary group 150, which gids does not name",
    ),
    "two users with one number, as in eDeploy's own table for RHEL 7": (
        "uids = {'nodepool': ('991', '991'),\n 'rabbitmq': ('991', '990')}\ngids = {'nodepool': ('991', ''), 'rabbitmq': ('990', '')}\n",
        "t:2: user 'rabbitmq' has id 991, which t:1 gives to 'nodepool'",
    ),
    "a name with two numbers": (
        "uids = {}\ngids = {'a': (100, ''),\n'a': (101, '')}\n",
        "t:3: group 'a' has id 101, and id 100 in t:2",
    ),
}


def test_edeploys_table_becomes_a_table_without_the_static_ids() -> None:
    table = parse_ids_tables(EDEPLOY, "ids.tables")
    assert table == IdTable.of(
        [User("mysql", 110, "mysql"), User("hacluster", 117, "haclient"), User("sshd", 101, "nogroup")],
        [Group("haclient", 122), Group("mysql", 114), Group("nogroup", 65534), Group("ssl-cert", 119)],
    )
    assert table.users["hacluster"].where == "ids.tables:3"


@pytest.mark.parametrize(("text", "message"), BAD_TABLES.values(), ids=BAD_TABLES.keys())
def test_what_is_no_table_of_edeploys_is_refused_by_line(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        parse_ids_tables(text, "t")
    assert raised.value.message == message


def test_a_group_of_several_names_is_the_one_that_is_called_like_the_user() -> None:
    table = "uids = {'b': (100, 5)}\ngids = {'a': (5, ''), 'b': (5, '')}\n"
    assert parse_ids_tables(table, "t").users["b"].group == "b"


@pytest.mark.parametrize("nesting", ["(" * 5000 + ")" * 5000, "-" * 200_000 + "1", "-" * 900 + "1", "[" * 100 + "x" + "]" * 100])
def test_nesting_without_end_is_refused_in_a_few_words(nesting: str) -> None:
    with pytest.raises(InvalidInput, match=r"^t:1: .*not a literal: .{3,80}$"):
        parse_ids_tables("uids = {'a': " + nesting + "}\ngids = {}\n", "t")


def test_a_table_is_written_in_the_order_of_its_numbers() -> None:
    table = IdTable.of(
        [User("b", 101, "nogroup", "/run/b", gecos='He said: "no"'), User("a", 100, "a", "/nonexistent", "/bin/sh")],
        [Group("no", 104), Group("_ssh", 103)],
    )
    assert table.render() == (
        "users:\n"
        "  a: {id: 100, group: a, home: /nonexistent, shell: /bin/sh}\n"
        '  b: {id: 101, group: nogroup, home: /run/b, gecos: "He said: \\"no\\""}\n'
        "groups:\n"
        "  _ssh: 103\n"
        '  "no": 104\n'
    )


NAMES = st.from_regex(ACCOUNT_NAME, fullmatch=True) | st.sampled_from(["no", "Null", "y", "off", "true"])
TEXT = st.text().filter(lambda text: ":" not in text and text.isprintable())


@given(
    st.dictionaries(NAMES, st.tuples(st.integers(0, 2**32 - 2), NAMES, st.none() | TEXT, TEXT)), st.dictionaries(NAMES, st.integers(0, 9))
)
def test_what_is_written_is_read_back_whole(users: dict[str, tuple[int, str, str | None, str]], groups: dict[str, int]) -> None:
    try:
        table = IdTable.of(
            (
                User(name, number, group, None if home is None else f"/{home}", gecos=gecos)
                for name, (number, group, home, gecos) in users.items()
            ),
            (Group(name, number) for name, number in groups.items()),
        )
    except InvalidInput:
        return
    text = table.render()
    assert parse_id_file(text, "t") == table
    assert isinstance(yaml.safe_load(text), dict)
