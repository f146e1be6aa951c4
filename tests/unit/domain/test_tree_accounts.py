"""A tree's accounts against the table: what is wrong, what is new, what is made and reserved beforehand."""

import pytest

from reprov.domain.ids import Group, IdTable, NewId, User
from reprov.domain.tree_accounts import RESERVED, Row, TreeAccounts, compare, reserve, rows, unreserve, with_named, words_of
from reprov.errors import InvalidInput

TABLE = IdTable.of(
    [
        User("mysql", 112, "mysql", "/nonexistent", "/bin/false", "MySQL Server,,,", where="ids:2"),
        User("sshd", 101, "nogroup", "/run/sshd", where="ids:3"),
        User("nova", 64060, "nova", "/var/lib/nova", where="ids:4"),
    ],
    [
        Group("mysql", 113, where="ids:6"),
        Group("nova", 64060, where="ids:7"),
        Group("users", 100, where="ids:8"),
    ],
)
PASSWD = b"root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
GROUP = b"root:x:0:\nusers:x:100:\nnogroup:x:65534:\n"

PROBLEMS = {
    "a user with another number": (
        b"mysql:x:102:113::/:/bin/sh\n",
        b"",
        ("user mysql has id 102 in the tree, and id 112 in ids:2",),
    ),
    "a group with another number, and another group with its number": (
        b"",
        b"mysql:x:114:\nepmd:x:113:\n",
        ("group mysql has id 114 in the tree, and id 113 in ids:6", "group epmd has id 113 in the tree, which ids:6 gives to mysql"),
    ),
    "a name of the table with a number far away": (
        b"nova:x:1000:1000::/:/bin/sh\n",
        b"",
        ("user nova has id 1000 in the tree, and id 64060 in ids:4",),
    ),
    "two new users with one number": (
        b"a:x:200:100::/:/bin/sh\nb:x:200:100::/:/bin/sh\n",
        b"",
        ("users a and b have the same id 200 in the tree",),
    ),
}
NEW: dict[str, tuple[bytes, bytes, tuple[NewId, ...]]] = {
    "nothing in a tree that has nobody": (b"", b"", ()),
    "nobody whom the table knows": (b"mysql:x:112:113::/:/bin/sh\n", b"mysql:x:113:\n", ()),
    "a user and a group": (
        b"a:x:100:101::/:/bin/sh\n",
        b"a:x:101:\n",
        (NewId("user", "a", 100), NewId("group", "a", 101)),
    ),
    "the last dynamic number, and none beyond": (b"", b"a:x:999:\nb:x:1000:\nc:x:64045:\n", (NewId("group", "a", 999),)),
    "a user may have a group's number": (b"a:x:113:100::/:/bin/sh\n", b"", (NewId("user", "a", 113),)),
    "no person and no entry of nss_compat": (b"jane:x:1000:100::/home/jane:/bin/sh\n+::::::\n", b"+:::\n", ()),
}


@pytest.mark.parametrize(("passwd", "group", "problems"), PROBLEMS.values(), ids=PROBLEMS.keys())
def test_a_number_that_is_not_the_tables_is_a_problem(passwd: bytes, group: bytes, problems: tuple[str, ...]) -> None:
    comparison = compare(TABLE, TreeAccounts.parse(PASSWD + passwd, GROUP + group))
    assert comparison.problems == problems
    assert comparison.new.new_ids == ()


@pytest.mark.parametrize(("passwd", "group", "new"), NEW.values(), ids=NEW.keys())
def test_new_are_the_dynamic_ids_that_the_table_does_not_know(passwd: bytes, group: bytes, new: tuple[NewId, ...]) -> None:
    comparison = compare(TABLE, TreeAccounts.parse(PASSWD + passwd, GROUP + group))
    assert comparison.problems == ()
    assert comparison.new.new_ids == new


def test_a_new_user_is_kept_as_its_package_made_it() -> None:
    found = TreeAccounts.parse(b"a:x:200:113:A B\t\xff,,,:/var/lib/a:\n", b"mysql:x:113:\n")
    assert found.users == (User("a", 200, "mysql", "/var/lib/a", "/bin/sh", "A B,,,"),)


@pytest.mark.parametrize(
    ("passwd", "group", "message"),
    [
        pytest.param(b"a:x:1:1::/\n", b"", "/etc/passwd:1: not a line of an account: 'a:x:1:1::/'", id="a field is missing"),
        pytest.param(b"", b"a:x:1:\nb:x:y:\n", "/etc/group:2: not a line of an account: 'b:x:y:'", id="a word for a number"),
        pytest.param(b"a:x:-1:1:::\n", b"", "/etc/passwd:1: not a line of an account: 'a:x:-1:1:::'", id="a number below zero"),
        pytest.param(b":x:1:1:::\n", b"", "/etc/passwd:1: not a line of an account: ':x:1:1:::'", id="no name"),
    ],
)
def test_a_line_that_no_tool_would_take_is_named(passwd: bytes, group: bytes, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        TreeAccounts.parse(passwd, group)
    assert raised.value.message == message


def test_the_dynamic_numbers_of_the_table_that_nobody_has_are_reserved_and_given_back() -> None:
    passwd, group = reserve(TABLE, PASSWD + b"sshd:x:101:65534::/run/sshd:/usr/sbin/nologin\n", GROUP)
    assert passwd.splitlines()[3:] == [b"reprov-id-112:x:112:65534::/nonexistent:/usr/sbin/nologin"]
    assert group.splitlines()[3:] == [b"reprov-id-113:x:113:"]
    assert unreserve(group) == GROUP
    assert compare(TABLE, TreeAccounts.parse(unreserve(passwd), unreserve(group))).problems == ()


def test_an_account_is_made_with_its_group_and_as_systemd_sysusers_would() -> None:
    assert [row for row in rows(TABLE, GROUP, 19518) if row.account == "mysql" and row.file in ("passwd", "shadow")] == [
        Row("mysql", "passwd", 112, "mysql:x:112:113:MySQL Server,,,:/nonexistent:/bin/false"),
        Row("mysql", "shadow", 112, "mysql:!*:19518::::::"),
    ]
    assert {row for row in rows(TABLE, GROUP, 19518) if row.account == "mysql" and row.file in ("group", "gshadow")} == {
        Row("mysql", "group", 113, "mysql:x:113:"),
        Row("mysql", "gshadow", 113, "mysql:!*::"),
    }


def test_a_static_primary_group_is_the_trees() -> None:
    assert Row("sshd", "passwd", 101, "sshd:x:101:65534::/run/sshd:/usr/sbin/nologin") in rows(TABLE, GROUP, 0)


def test_a_number_that_debian_gives_for_good_is_left_to_the_package() -> None:
    assert [row for row in rows(TABLE, GROUP, 0) if row.account == "nova"] == []


@pytest.mark.parametrize(
    ("user", "why"),
    [
        pytest.param(User("a", 200, "users", where="i:5"), "i:5: the home of user 'a' is missing: add `home: DIRECTORY`", id="no home"),
        pytest.param(User("a", 200, "b", "/", where="i:5"), "i:5: neither the table nor the tree has the group 'b'", id="no group"),
    ],
)
def test_a_user_that_cannot_be_made_says_why(user: User, why: str) -> None:
    assert rows(IdTable.of([user], []), GROUP, 0) == (Row("a", "", 200, why),)


RPM_TABLE = IdTable.of(
    [User("ceph", 167, "ceph", where="ids:2"), User("polkitd", 998, "polkitd", "/", where="ids:3")],
    [Group("ceph", 167, where="ids:5"), Group("polkitd", 998, where="ids:6"), Group("libvirt", 993, where="ids:7")],
)


def test_numbers_that_packages_ask_for_themselves_are_neither_reserved_nor_given() -> None:
    passwd, group = reserve(RPM_TABLE, PASSWD, GROUP, first=201)
    assert passwd.removeprefix(PASSWD) == b"reprov-id-998:x:998:65534::/nonexistent:/usr/sbin/nologin\n"
    assert group.removeprefix(GROUP) == b"reprov-id-993:x:993:\nreprov-id-998:x:998:\n"
    assert {row.account for row in rows(RPM_TABLE, GROUP, 19000, first=201)} == {"polkitd", "libvirt"}


def test_accounts_that_are_named_are_made_in_place_of_their_reservations() -> None:
    made = rows(RPM_TABLE, GROUP, 19000, first=201)
    passwd, group = reserve(RPM_TABLE, PASSWD, GROUP, first=201)
    words = {"polkitd", "nobody", "useradd"}
    assert with_named("passwd", passwd, made, words) == PASSWD + b"polkitd:x:998:998::/:/usr/sbin/nologin\n"
    assert with_named("group", group, made, words) == GROUP + f"{RESERVED}993:x:993:\npolkitd:x:998:\n".encode()
    assert with_named("shadow", b"root:*:1::::::\n", made, words) == b"root:*:1::::::\npolkitd:!*:19000::::::\n"


def test_an_account_that_is_there_stays_as_it_is() -> None:
    passwd = PASSWD + b"polkitd:x:998:998:Mine:/:/bin/false\n"
    assert with_named("passwd", passwd, rows(RPM_TABLE, GROUP, 19000, first=201), {"polkitd"}) == passwd


def test_a_named_account_that_cannot_be_made_is_said() -> None:
    table = IdTable.of([User("x", 300, "x", where="ids:2")], [Group("x", 300)])
    with pytest.raises(InvalidInput, match=r"^ids:2: the home of user 'x' is missing: add `home: DIRECTORY`$"):
        with_named("passwd", PASSWD, rows(table, GROUP, 19000, first=201), {"x"})


def test_every_word_of_a_script_may_name_an_account() -> None:
    text = "# ceph comes later\ngetent passwd 'polkitd' || useradd -u 998 polkit-2\nuser(sssd)\n"
    assert words_of(text) == {"getent", "passwd", "polkitd", "useradd", "u", "polkit-2", "user", "sssd"}
