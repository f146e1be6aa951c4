"""ids/FAMILY.yaml: what is accepted, the exact words for what is not, how names are added; and the table that reprov brings."""

from pathlib import Path

import pytest

from reprov.domain.id_file import parse_id_file, with_added
from reprov.domain.ids import STATIC_END, Group, IdTable, User
from reprov.errors import InvalidInput

SHIPPED = Path(__file__).parents[3] / "ids"

BAD = {
    "an unknown section": ("users: {}\nmembers: {}\n", "i.yaml:2: unknown key 'members'"),
    "an unknown key of a user": ("users:\n  a: {id: 100, uid: 1}\n", "i.yaml:2: unknown key 'uid' (did you mean 'id'?)"),
    "a user without a number": ("users:\n  a: {home: /x}\n", "i.yaml:2: 'id' is missing"),
    "a number as text": ("groups:\n  a: '100'\n", "i.yaml:2: groups.a: should be a valid integer"),
    "a number below zero": ("groups:\n  a: -1\n", "i.yaml:2: groups.a: should be greater than or equal to 0"),
    "yes for a number": ("groups:\n  a: yes\n", "i.yaml:2: groups.a: should be a valid integer"),
    "a name with a space": ("groups:\n  a b: 100\n", "i.yaml:2: groups.a b: 'a b' is not an account name"),
    "a home that is not absolute": ("users:\n  a: {id: 100, home: x}\n", "i.yaml:2: users.a.home: 'x' is not an absolute path"),
    "a home with a colon": ("users:\n  a: {id: 100, home: '/x:y'}\n", "i.yaml:2: users.a.home: '/x:y' cannot be in a line of passwd"),
    "a second line in gecos": (
        'users:\n  a: {id: 100, gecos: "x\\nb:x:0:0"}\n',
        "i.yaml:2: users.a.gecos: 'x\\nb:x:0:0' cannot be in a line of passwd",
    ),
    "a number of two users": ("users:\n  a: {id: 100}\n  b: {id: 100}\n", "i.yaml:3: user 'b' has id 100, which i.yaml:2 gives to 'a'"),
    "a number of two groups": ("groups:\n  a: 100\n\n  b: 100\n", "i.yaml:4: group 'b' has id 100, which i.yaml:2 gives to 'a'"),
    "a name that stands twice": ("groups:\n  a: 100\n  a: 101\n", "i.yaml:3: 'a' stands in line 2 already"),
    "a list": ("- a\n", "i.yaml:1: a table of ids is a list of 'key: value' lines"),
    "nothing": ("", "i.yaml:1: a table of ids is a list of 'key: value' lines"),
}
NEW = IdTable.of([User("new", 117, "nogroup", "/run/new")], [Group("other", 118), Group("more", 119)])
LINE = "new: {id: 117, group: nogroup, home: /run/new}"
ADDED = {
    "to no file": ("", f"users:\n  {LINE}\ngroups:\n  other: 118\n  more: 119\n"),
    "below what is there, with its comments and its indentation": (
        "# ours\nusers:\n    # db\n    mysql: {id: 112}  # mine\ngroups:\n    # db\n    mysql: 112\n# end\n",
        f"# ours\nusers:\n    # db\n    mysql: {{id: 112}}  # mine\n    {LINE}\ngroups:\n    # db\n    mysql: 112\n"
        "    other: 118\n    more: 119\n# end\n",
    ),
    "below a user on several lines": (
        "groups:\n  a: 100\nusers:\n  a:\n    id: 100\n    home: /a\n",
        f"groups:\n  a: 100\n  other: 118\n  more: 119\nusers:\n  a:\n    id: 100\n    home: /a\n  {LINE}\n",
    ),
    "to empty sections": ("users:\ngroups:\n", f"users:\n  {LINE}\ngroups:\n  other: 118\n  more: 119\n"),
    "to a file without one of the sections and without a last line break": (
        "groups:\n  a: 100",
        f"groups:\n  a: 100\n  other: 118\n  more: 119\nusers:\n  {LINE}\n",
    ),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD.keys())
def test_a_mistake_is_named_by_line(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        parse_id_file(text, "i.yaml")
    assert raised.value.message == message


def test_a_users_group_is_called_like_it_unless_another_is_named() -> None:
    table = parse_id_file("users:\n  a: {id: 100}\n  b: {id: 101, group: nogroup, home: /, shell: /bin/sh, gecos: B}\n", "i.yaml")
    assert list(table.users.values()) == [User("a", 100, "a"), User("b", 101, "nogroup", "/", "/bin/sh", "B")]
    assert [user.where for user in table.users.values()] == ["i.yaml:2", "i.yaml:3"]
    assert table.groups == {}


@pytest.mark.parametrize(("text", "result"), ADDED.values(), ids=ADDED.keys())
def test_names_are_added(text: str, result: str) -> None:
    assert with_added(text, NEW, "i.yaml") == result


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("groups: {a: 100}\n", "i.yaml:1: names cannot be added to it", id="a section in braces"),
        pytest.param("{}\n", "i.yaml:1: names cannot be added to it", id="all of it in braces"),
        pytest.param("groups:\n  a: 118\n", ": group 'other' has id 118, which i.yaml:2 gives to 'a'", id="a number that is taken"),
    ],
)
def test_what_nothing_can_be_added_to_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        with_added(text, NEW, "i.yaml")
    assert raised.value.message == message


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.name)
def test_each_table_that_reprov_brings_can_make_its_accounts(path: Path) -> None:
    table = parse_id_file(path.read_text("utf-8"), path.name)
    assert [user.name for user in table.users.values() if user.home is None] == []
    assert {user.group for user in table.users.values()} - table.groups.keys() <= {"nogroup"}
    assert min(entry.id for entry in table.new_ids) >= STATIC_END
