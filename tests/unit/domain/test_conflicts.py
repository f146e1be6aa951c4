"""What is left to settle, and what settles it."""

import pytest

from reprov.domain.conflicts import Standing, Take, Unsettled, settle, unsettled_in
from reprov.domain.entry import Entry
from reprov.errors import Refused
from tests.builders import a_dir, a_file, a_link, a_tree

NEW = a_file("etc/f.reprov-new", "r", 0o600)

STANDINGS = {
    "both are there and differ": ([a_file("etc/f", "n"), NEW], [("etc/f", "differs")]),
    "the release's was taken over": ([a_file("etc/f", "r"), NEW], [("etc/f", "same")]),
    "the path is gone": ([NEW], [("etc/f", "gone")]),
    "a link in its place differs": ([a_link("etc/f"), NEW], [("etc/f", "differs")]),
    "links by their targets": ([a_link("etc/f", "x"), a_link("etc/f.reprov-new", "x")], [("etc/f", "same")]),
    "beside a directory that is read whole": (
        [a_file("etc/x.d/f", "n"), a_file("etc/x.d%f.reprov-new", "r")],
        [("etc/x.d/f", "differs")],
    ),
    "a directory of that name is none": ([a_dir("etc/f.reprov-new")], []),
    "nor is a name that is nothing else": ([a_file("etc/.reprov-new"), a_file(".reprov-new")], []),
    "in path order": ([a_file("etc/b.reprov-new"), a_file("a.reprov-new")], [("a", "gone"), ("etc/b", "gone")]),
}


@pytest.mark.parametrize(("entries", "expected"), STANDINGS.values(), ids=STANDINGS)
def test_every_conflict_is_listed_with_its_standing(entries: list[Entry], expected: list[tuple[str, str]]) -> None:
    assert [(found.path, str(found.standing)) for found in unsettled_in(a_tree(*entries))] == expected


def unsettled(ours: Entry | None, theirs: Entry = NEW) -> Unsettled:
    (found,) = unsettled_in(a_tree(*filter(None, (ours, theirs))))
    return found


THEIRS = {
    "the release's content gets the metadata of the node's": (a_file("etc/f", "n", 0o640), a_file("etc/f", "r", 0o640)),
    "in the place of a link it gets that of the installed release": (a_link("etc/f"), a_file("etc/f", "r", 0o644)),
    "and so it does where there is nothing": (None, a_file("etc/f", "r", 0o644)),
}


@pytest.mark.parametrize(("ours", "expected"), THEIRS.values(), ids=THEIRS)
def test_taking_theirs(ours: Entry | None, expected: Entry) -> None:
    settlement = settle(unsettled(ours), Take.THEIRS, a_tree(a_file("etc/f", "b")))
    assert settlement == (expected, "etc/f.reprov-new")


def test_without_anything_of_its_kind_it_is_as_it_lies_there() -> None:
    assert settle(unsettled(None), Take.THEIRS, {}).entry == a_file("etc/f", "r", 0o600)
    assert settle(unsettled(a_file("etc/f"), a_link(NEW.path)), Take.THEIRS, a_tree(a_dir("etc/f"))).entry == a_link("etc/f")


@pytest.mark.parametrize("ours", [a_file("etc/f", "n"), None], ids=["a path", "none"])
def test_taking_ours_only_removes_the_releases(ours: Entry | None) -> None:
    assert settle(unsettled(ours), Take.OURS, {}) == (None, "etc/f.reprov-new")


def test_where_both_are_the_same_there_is_nothing_to_write() -> None:
    found = unsettled(a_file("etc/f", "r"))
    assert found.standing is Standing.SAME
    assert settle(found, Take.THEIRS, {}) == (None, "etc/f.reprov-new")


def test_a_directory_is_not_replaced() -> None:
    with pytest.raises(Refused) as refused:
        settle(unsettled(a_dir("etc/f")), Take.THEIRS, {})
    assert refused.value.message == "/etc/f is a directory, and the release's a file"
    assert refused.value.hint == "move the directory away first"
