"""What happens to packages from one tree to the next."""

import pytest

from reprov.domain.debian_change import DebianChange, find_changes, overwriter
from reprov.domain.debian_package import DebianPackage, DebianTree
from tests.debian_trees import a_package, a_tree

A, A2 = a_package("a"), a_package("a", "2")
A_AMD64, A_I386 = a_package("a", arch="amd64"), a_package("a", arch="i386")
SAME_AMD64, SAME_I386 = a_package("a", arch="amd64", same=True), a_package("a", arch="i386", same=True)
CHANGES = {
    "nothing": (a_tree(A), a_tree(A), []),
    "one comes": (a_tree(), a_tree(A), [(None, A)]),
    "one goes": (a_tree(A), a_tree(), [(A, None)]),
    "another version": (a_tree(A), a_tree(A2), [(A, A2)]),
    "another architecture of the same version": (a_tree(A), a_tree(A_AMD64), [(A, A_AMD64)]),
    "one architecture beside another": (a_tree(SAME_AMD64), a_tree(SAME_AMD64, SAME_I386), [(None, SAME_I386)]),
    "one architecture instead of another that could be beside it": (
        a_tree(SAME_AMD64),
        a_tree(SAME_I386),
        [(None, SAME_I386), (SAME_AMD64, None)],
    ),
    "what was one of two architectures": (a_tree(A_AMD64, A_I386), a_tree(A), [(A_AMD64, A), (A_I386, None)]),
}


@pytest.mark.parametrize(("old", "new", "changes"), CHANGES.values(), ids=CHANGES.keys())
def test_changes(old: DebianTree, new: DebianTree, changes: list[tuple[DebianPackage | None, DebianPackage | None]]) -> None:
    assert find_changes(old, new) == tuple(DebianChange(*change) for change in changes)


GONE = a_package("gone", listed=("/.", "/usr", "/usr/f"))
TAKERS = {
    "all of it": (a_package("new", replaces=("gone",), listed=("/.", "/usr", "/usr/f", "/usr/g")), True),
    "all, but says nothing of it": (a_package("new", listed=("/.", "/usr", "/usr/f")), False),
    "not all": (a_package("new", replaces=("gone",), listed=("/.", "/usr")), False),
}


@pytest.mark.parametrize(("new", "takes"), TAKERS.values(), ids=TAKERS.keys())
def test_who_takes_over_every_file(new: DebianPackage, takes: bool) -> None:
    assert overwriter(GONE, [DebianChange(GONE, None), DebianChange(None, new)]) == (new if takes else None)


def test_a_package_without_files_does_not_disappear() -> None:
    new = a_package("new", replaces=("gone",), listed=("/.",))
    assert overwriter(a_package("gone", listed=("/.",)), [DebianChange(None, new)]) is None
