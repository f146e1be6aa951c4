"""The journal: reading back what was written, and telling from both sides of every exchange how far it got."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reprov.domain.entry import Entry, Kind, Xattrs
from reprov.domain.journal import DirectoryChange, Identity, Journal, JournalOp, Linked, Side
from reprov.domain.owner_change import AclChange, Ids, OwnerChange, Privileges
from reprov.domain.units import Op, OpKind
from reprov.errors import NeedsAttention
from tests.builders import a_dir

A, B, C = Identity(1, 10), Identity(2, 20), Identity(3, 30)
MARK = "t:0"


def journal(*ops: JournalOp) -> Journal:
    return Journal("t", ("", "boot"), ops, (), (), ())


def swap(kind: OpKind = OpKind.SWAP) -> Journal:
    """One exchange of `usr`: A becomes live, B becomes staged."""
    return journal(JournalOp(Op(kind, "usr", ""), new=A, old=B))


SIDES = {
    "marked and live: done": (swap(), Side(A, MARK), Side(B, ""), True),
    "marked and staged: not done": (swap(), Side(B, ""), Side(A, MARK), False),
    "the mark decides although the inode number is another one's": (swap(), Side(C, MARK), Side(B, ""), True),
    "the mark of another transaction decides nothing": (swap(), Side(B, "s:0"), Side(A, ""), False),
    "the mark of another op decides nothing": (swap(), Side(A, "t:1"), Side(B, ""), True),
    "without marks identity decides: done": (swap(), Side(A, ""), Side(B, ""), True),
    "without marks identity decides: not done": (swap(), Side(B, ""), Side(A, ""), False),
    "a creation whose placeholder was never made": (swap(OpKind.CREATE), None, Side(A, MARK), False),
    "a creation whose placeholder is there": (swap(OpKind.CREATE), Side(B, ""), Side(A, MARK), False),
    "a creation": (swap(OpKind.CREATE), Side(A, MARK), Side(B, ""), True),
    "a removal": (swap(OpKind.REMOVE), Side(A, ""), Side(B, ""), True),
    "a removal whose placeholder has been cleared away": (swap(OpKind.REMOVE), None, Side(B, ""), True),
    "a removal that has not happened": (swap(OpKind.REMOVE), Side(B, ""), Side(A, ""), False),
}


@pytest.mark.parametrize(("commit", "live", "staged", "done"), SIDES.values(), ids=SIDES)
def test_one_exchange_is_told_by_its_two_sides(commit: Journal, live: Side | None, staged: Side | None, done: bool) -> None:
    assert commit.find_done([(live, staged)]) == [done]


STRANGE = {
    "another file came to the live path": (Side(C, ""), Side(B, "")),
    "another file came to the staged path": (Side(B, ""), Side(C, "")),
    "the live path has gone": (None, Side(A, "")),
    "the staged path has gone": (Side(B, ""), None),
    "a successor with the same inode number": (Side(Identity(B.inode, 99), ""), Side(A, "")),
    "both have gone": (None, None),
}


@pytest.mark.parametrize(("live", "staged"), STRANGE.values(), ids=STRANGE)
def test_what_is_neither_the_old_nor_the_new_state_needs_a_person(live: Side | None, staged: Side | None) -> None:
    with pytest.raises(NeedsAttention) as raised:
        swap().find_done([(live, staged)])
    assert raised.value.message == "/usr is neither what it was nor what it should become"
    assert raised.value.hint == "compare it with its copy below /.reprov/staged and put the right one in place"


def test_the_hint_names_the_volume_of_the_path() -> None:
    commit = journal(JournalOp(Op(OpKind.SWAP, "boot/grub", "boot"), A, B))
    with pytest.raises(NeedsAttention) as raised:
        commit.find_done([(None, None)])
    assert raised.value.hint == "compare it with its copy below /boot/.reprov/staged and put the right one in place"


NESTED = journal(
    JournalOp(Op(OpKind.SWAP, "usr", ""), A, B),
    JournalOp(Op(OpKind.CARRY, "usr/local", ""), Identity(4, 0), Identity(5, 0)),
    JournalOp(Op(OpKind.CREATE, "usr/local/new", ""), Identity(6, 0), Identity(7, 0)),
)
KEPT, MADE, NEW, PLACEHOLDER = (Side(Identity(number, 0), "") for number in (4, 5, 6, 7))
STEPS = {
    "before the unit, the kept directory is at its place although it has not been carried": (
        [(Side(B, ""), Side(A, "t:0")), (KEPT, MADE), (PLACEHOLDER, NEW)],
        [False, False, False],
    ),
    "after the unit, what is in it shows the new tree's": (
        [(Side(A, "t:0"), Side(B, "")), (MADE, KEPT), (NEW, PLACEHOLDER)],
        [True, False, False],
    ),
    "after the carry": ([(Side(A, "t:0"), Side(B, "")), (KEPT, MADE), (PLACEHOLDER, NEW)], [True, True, False]),
    "after all": ([(Side(A, "t:0"), Side(B, "")), (KEPT, MADE), (NEW, PLACEHOLDER)], [True, True, True]),
}


@pytest.mark.parametrize(("sides", "done"), STEPS.values(), ids=STEPS)
def test_what_lies_in_a_unit_or_a_carried_directory_is_never_ahead_of_it(
    sides: list[tuple[Side | None, Side | None]], done: list[bool]
) -> None:
    assert NESTED.find_done(sides) == done


def test_a_neighbour_with_the_same_beginning_is_not_in_the_unit() -> None:
    commit = journal(JournalOp(Op(OpKind.SWAP, "usr", ""), A, B), JournalOp(Op(OpKind.SWAP, "usr-old", ""), C, B))
    assert commit.find_done([(Side(B, ""), Side(A, "t:0")), (Side(C, "t:1"), Side(B, ""))]) == [False, True]


PATHS = st.binary(min_size=1, max_size=12).map(lambda raw: raw.replace(b"\0", b"/").decode("utf-8", "surrogateescape"))
NUMBERS = st.integers(0, 2**63 - 1)
IDENTITIES = st.builds(Identity, NUMBERS, NUMBERS)
ATTRIBUTES = st.lists(st.tuples(st.text(max_size=4), st.binary(max_size=4)), max_size=2).map(tuple)
METADATA = st.tuples(st.integers(0, 0o7777), NUMBERS, NUMBERS, st.integers(-(2**62), 2**62), ATTRIBUTES)


def directory(path: str, metadata: tuple[int, int, int, int, Xattrs]) -> Entry:
    mode, uid, gid, mtime_ns, xattrs = metadata
    return Entry(path, Kind.DIR, mode, uid, gid, mtime_ns, xattrs=xattrs)


DIRECTORIES = st.builds(
    lambda path, before, after: DirectoryChange(path, directory(path, before), directory(path, after)), PATHS, METADATA, METADATA
)


@settings(max_examples=40)
@given(
    st.builds(
        Journal,
        st.text(max_size=5),
        st.lists(PATHS, max_size=2).map(tuple),
        st.lists(st.builds(JournalOp, st.builds(Op, st.sampled_from(OpKind), PATHS, PATHS), IDENTITIES, IDENTITIES), max_size=3).map(tuple),
        st.lists(st.builds(Linked, PATHS, IDENTITIES, NUMBERS), max_size=2).map(tuple),
        st.lists(PATHS, max_size=2).map(tuple),
        st.lists(DIRECTORIES, max_size=2).map(tuple),
    )
)
def test_a_journal_is_read_back_as_it_was_written(written: Journal) -> None:
    text = written.to_json()
    assert text.isascii()
    assert Journal.parse(text, "journal") == written


GOOD = Journal("t", ("",), (JournalOp(Op(OpKind.SWAP, "usr", ""), A, B),), (), (), (DirectoryChange("", a_dir(""), a_dir("")),)).to_json()
BROKEN = {
    "nothing": ("", "Expecting value: line 1 column 1 (char 0)"),
    "cut off": (GOOD[:20], "Unterminated string starting at: line 1 column 15 (char 14)"),
    "zeros, as after a power cut": ("\0" * 20, "Expecting value: line 1 column 1 (char 0)"),
    "a later format": (GOOD.replace('"format": 1', '"format": 4'), "format 4"),
    "owner changes are missing": (GOOD.replace('"format": 1', '"format": 2'), "'owners'"),
    "label changes are missing": (GOOD.replace('"format": 1', '"format": 3'), "'labels'"),
    "an unknown kind of op": (GOOD.replace('"swap"', '"steal"'), "'steal' is not a valid OpKind"),
    "not an object": ("[]", "list indices must be integers or slices, not str"),
    "a part is missing": (GOOD.replace('"linked"', '"x"'), "'linked'"),
    "an attribute that is no hex": (
        json.dumps(json.loads(GOOD) | {"directories": [["", [0, 0, 0, 0, [["a", "zz"]]], [0, 0, 0, 0, []]]]}),
        "non-hexadecimal number found in fromhex() arg at position 0",
    ),
}


@pytest.mark.parametrize(("text", "detail"), BROKEN.values(), ids=BROKEN)
def test_a_journal_that_cannot_be_read_decides_nothing(text: str, detail: str) -> None:
    with pytest.raises(NeedsAttention) as raised:
        Journal.parse(text, "/.reprov/journal")
    assert raised.value.message == f"/.reprov/journal: the journal cannot be read ({detail})"
    assert raised.value.hint == "do not remove /.reprov; see reprov(8), RECOVERY"


def test_owner_changes_give_a_journal_another_format_which_older_readers_refuse() -> None:
    change = OwnerChange("srv/\udce9", Ids(1, 2), Ids(3, 4), Privileges(7, 0o4755, b"cap"), (AclChange("system.x", b"a", b"b"),))
    with_owners = replace(swap(), owners=(change,))
    assert json.loads(with_owners.to_json())["format"] == 2
    assert Journal.parse(with_owners.to_json(), "journal") == with_owners


def test_marks_and_volumes() -> None:
    commit = swap()
    assert (commit.mark_of(0), commit.volume_of("boot/x"), commit.volume_of("booted"), commit.volume_of("boot")) == (
        "t:0",
        "boot",
        "",
        "boot",
    )
