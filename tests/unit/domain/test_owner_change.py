"""Files that follow accounts to other ids: each once, by all accounts that move, and back again."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprov.domain.account_ids import AccountKind, LeavingAccount, MovedId
from reprov.domain.acl import AclEntry, read_acl, write_acl
from reprov.domain.owner_change import (
    AclChange,
    IdMoves,
    Ids,
    Owned,
    OwnerChange,
    Privileges,
    WantedIds,
    find_changes,
    of_fields,
    to_fields,
    with_changes,
)
from tests.builders import a_dir

ACCESS = "system.posix_acl_access"


def user(name: str, live_id: int, new_id: int) -> MovedId:
    return MovedId(AccountKind.USER, name, live_id, new_id)


def group(name: str, live_id: int, new_id: int) -> MovedId:
    return MovedId(AccountKind.GROUP, name, live_id, new_id)


def acl(*entries: tuple[int, int, int]) -> bytes:
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


CEPH = [user("ceph", 167, 64045), group("ceph", 167, 64045)]
SWAP = [user("a", 100, 101), user("b", 101, 100)]
RING = [user("a", 100, 101), user("b", 101, 102), user("c", 102, 100)]
CASES = {
    "both ids move": (CEPH, Ids(167, 167), Ids(64045, 64045)),
    "a group of another number stays": (CEPH, Ids(167, 4), Ids(64045, 4)),
    "a user of another number stays": (CEPH, Ids(0, 167), Ids(0, 64045)),
    "only the group moves": ([group("ceph", 167, 64045)], Ids(167, 167), Ids(167, 64045)),
    "a uid is no gid": ([user("ceph", 167, 64045)], Ids(4, 167), None),
    "two accounts exchange their ids: the one": (SWAP, Ids(100, 0), Ids(101, 0)),
    "two accounts exchange their ids: the other": (SWAP, Ids(101, 0), Ids(100, 0)),
    "in a row, each goes one step": (RING, Ids(101, 0), Ids(102, 0)),
    "nobody's file": (CEPH, Ids(1000, 1000), None),
    "the id that is moved to": (CEPH, Ids(64045, 64045), None),
    "nothing moves": ([], Ids(167, 167), None),
}


@pytest.mark.parametrize(("moved", "before", "after"), CASES.values(), ids=CASES)
def test_the_owner_that_a_file_gets(moved: list[MovedId], before: Ids, after: Ids | None) -> None:
    changes = find_changes(IdMoves.of(moved), [Owned("f", before)])
    assert [(change.before, change.after) for change in changes] == ([(before, after)] if after else [])


def test_an_access_list_follows_by_itself_and_keeps_everything_else() -> None:
    before = acl((0x01, 7, 0xFFFFFFFF), (0x02, 6, 167), (0x02, 4, 1000), (0x04, 5, 0xFFFFFFFF), (0x08, 5, 167), (0x10, 7, 0xFFFFFFFF))
    after = acl((0x01, 7, 0xFFFFFFFF), (0x02, 6, 64045), (0x02, 4, 1000), (0x04, 5, 0xFFFFFFFF), (0x08, 5, 167), (0x10, 7, 0xFFFFFFFF))
    moves = IdMoves.of([user("ceph", 167, 64045)])
    (change,) = find_changes(moves, [Owned("f", Ids(0, 0), acls=((ACCESS, before),))])
    assert change == OwnerChange("f", Ids(0, 0), Ids(0, 0), None, (AclChange(ACCESS, before, after),))


def test_the_ids_to_look_for_are_those_that_move_and_those_that_leave() -> None:
    wanted = WantedIds.of([*CEPH, LeavingAccount(AccountKind.GROUP, "old", 77, "why")])
    assert wanted == (frozenset({167}), frozenset({167, 77}))
    assert wanted.are_in(acl((0x08, 7, 77)))
    assert not wanted.are_in(acl((0x02, 7, 77), (0x04, 7, 167)))


def test_a_directory_that_is_restored_after_a_commit_has_its_new_owner() -> None:
    change = OwnerChange("d", Ids(0, 0), Ids(1, 2), None, (AclChange(ACCESS, b"old", b"new"),))
    entry = a_dir("d")._replace(xattrs=((ACCESS, b"old"), ("user.x", b"x")))
    assert with_changes(entry, change) == entry._replace(uid=1, gid=2, xattrs=((ACCESS, b"new"), ("user.x", b"x")))
    assert with_changes(entry, None) is entry


IDS = st.integers(0, 6)
OWNERS = st.builds(Ids, IDS, IDS)
MOVES = st.permutations(range(7)).map(lambda to: [user(str(old), old, new) for old, new in enumerate(to) if old != new])
GROUP_MOVES = st.permutations(range(7)).map(lambda to: [group(str(old), old, new) for old, new in enumerate(to) if old != new])


def given_to(files: dict[str, Ids], changes: tuple[OwnerChange, ...], *, forward: bool) -> dict[str, Ids]:
    """The files after `adapters.chown.change_owners`."""
    after = dict(files)
    for change in changes:
        if (wanted := change.wanted(after[change.path], forward=forward)) is not None:
            after[change.path] = wanted
    return after


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), OWNERS), MOVES, GROUP_MOVES, st.integers(0, 40))
def test_forward_and_back_is_nothing_twice_is_once_and_a_part_of_it_is_taken_back_as_the_whole(
    files: dict[str, Ids], users: list[MovedId], groups: list[MovedId], cut: int
) -> None:
    moves = IdMoves.of([*users, *groups])
    changes = find_changes(moves, [Owned(path, owner) for path, owner in files.items()])
    there = given_to(files, changes, forward=True)
    assert there == {path: moves.after(owner) for path, owner in files.items()}
    assert given_to(there, changes, forward=True) == there
    assert given_to(there, changes, forward=False) == files
    partly = given_to(files, changes[:cut], forward=True)
    assert given_to(partly, changes, forward=False) == files
    assert given_to(partly, changes, forward=True) == there
    assert given_to(given_to(there, changes[cut:], forward=False), changes, forward=True) == there


def test_a_file_of_a_third_owner_is_left_alone() -> None:
    change = OwnerChange("f", Ids(1, 1), Ids(2, 2))
    assert (change.wanted(Ids(1, 2), forward=True), change.wanted(Ids(3, 3), forward=False)) == (None, None)


NUMBERS = st.integers(0, 2**32 - 2)
PATHS = st.binary(min_size=1, max_size=9).map(lambda raw: raw.replace(b"\0", b"/").decode("utf-8", "surrogateescape"))
CHANGES = st.builds(
    OwnerChange,
    PATHS,
    st.builds(Ids, NUMBERS, NUMBERS),
    st.builds(Ids, NUMBERS, NUMBERS),
    st.none() | st.builds(Privileges, st.integers(0, 2**63), st.integers(0, 0o7777), st.binary(max_size=3)),
    st.lists(st.builds(AclChange, st.sampled_from([ACCESS, "system.posix_acl_default"]), st.binary(), st.binary()), max_size=2).map(tuple),
)


@given(st.lists(CHANGES, unique_by=lambda change: change.path).map(tuple))
def test_what_is_written_down_is_read_back(changes: tuple[OwnerChange, ...]) -> None:
    assert of_fields(to_fields(changes)) == changes


def test_a_thousand_paths_of_one_change_are_written_as_paths() -> None:
    changes = tuple(OwnerChange(str(number), Ids(1, 1), Ids(2, 2)) for number in range(1000))
    assert to_fields(changes)["changes"] == [[1, 1, 2, 2, [str(number) for number in range(1000)]]]


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 7), NUMBERS)))
def test_an_access_list_is_written_as_it_was_read(entries: list[tuple[int, int, int]]) -> None:
    text = acl(*entries)
    assert read_acl(text) == [AclEntry(*entry) for entry in entries]
    assert write_acl(text, read_acl(text)) == text


def test_an_entry_has_the_owner_and_the_access_lists_that_it_will_have() -> None:
    moves = IdMoves.of([user("a", 101, 102), user("b", 102, 101), group("g", 50, 51)])
    named, changed = acl((0x02, 4, 101), (0x08, 4, 50)), acl((0x02, 4, 102), (0x08, 4, 51))
    entry = a_dir("etc/d")._replace(uid=101, gid=50, xattrs=((ACCESS, named), ("user.note", named)))
    assert moves.entry_after(entry) == entry._replace(uid=102, gid=51, xattrs=((ACCESS, changed), ("user.note", named)))


def test_entries_that_stay_as_they_are_are_the_same_objects() -> None:
    entries = {"a": a_dir("a"), "b": a_dir("b")._replace(uid=101)}
    assert IdMoves.of([]).entries_after(entries) is entries
    after = IdMoves.of([user("a", 101, 102)]).entries_after(entries)
    assert after["a"] is entries["a"]
    assert after["b"].uid == 102
