"""What holds for every merge: it agrees with a slow reference, loses nothing of the node's, and a second time does nothing."""

import hashlib
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from reprov.domain.beside import SUFFIX
from reprov.domain.comparison import compare
from reprov.domain.entry import Entry, Kind, parent_of
from reprov.domain.merge import find_merges
from reprov.domain.merged import Merged, apply_merges
from reprov.domain.ownership import Ownership
from reprov.domain.placement import How, find_placements
from reprov.domain.units import find_swaps
from tests.builders import NEVER, a_dir, a_file, a_link, a_tree, owning, scan_of

Tree = dict[str, Entry]
EXAMPLES = settings(max_examples=100)
CONTENTS = ("1", "2", "3")
TEXT = b"merged"
DIGESTS = {hashlib.sha256(content.encode()).hexdigest(): content.encode() for content in CONTENTS}


class Three(NamedTuple):
    """The installed release, the node, the new release, and whether lines can be merged."""

    base: Tree
    live: Tree
    target: Tree
    clean: bool


class Planned(NamedTuple):
    """What a plan makes of three trees."""

    merged: Merged
    after: Tree


_STATES: list[Entry | None] = [
    None,
    None,
    *(a_file("", content, mode) for content in CONTENTS for mode in (0o644, 0o600)),
    a_link("", "1"),
    a_link("", "2"),
    *[a_dir("")] * 3,
    a_dir("", 0o700),
]
_NAMES = ("a", "a-", "b")
_CHOICES = 4


def trees(*names: str) -> st.SearchStrategy[Three]:
    """Trees below /etc that resemble each other, of these names in two levels and a bit of a third."""
    paths = [*names, *(f"{first}/{second}" for first in names for second in names), f"{names[0]}/{names[1]}/{names[0]}"]
    length = 1 + _CHOICES * len(paths)
    return st.binary(min_size=length, max_size=length).map(lambda choices: _three([f"etc/{path}" for path in paths], choices))


def _three(paths: list[str], choices: bytes) -> Three:
    """One byte for a choice, as in tests/builders.py; for each path: who has something of their own, and the three states."""
    base, live, target = (a_tree(a_dir("etc")) for _ in range(3))
    for number, path in enumerate(paths):
        who, first, second, third = choices[1 + _CHOICES * number :][:_CHOICES]
        ours = second if who % 4 in (1, 3) else first
        theirs = third if who % 4 in (2, 3) else first
        for tree, choice in ((base, first), (live, ours), (target, theirs)):
            state = _STATES[choice % len(_STATES)]
            directory = tree.get(parent_of(path))
            # No release has names like those that reprov gives; what would come of one is a case of test_merge.py.
            if state and directory and directory.kind is Kind.DIR and (tree is live or SUFFIX not in path):
                tree[path] = state._replace(path=path, mtime_ns=choice)
    return Three(dict(sorted(base.items())), dict(sorted(live.items())), dict(sorted(target.items())), bool(choices[0] % 2))


def planned(three: Three, base: Tree | None) -> Planned:
    lists = owning()
    scan = scan_of(three.live, lists, three.target, base=base or ())
    found = find_merges(three.target, scan, Ownership.parse([("k", NEVER)], [("a", NEVER)], [("m", b"merge=text /etc/***\n")]), base)
    contents = {path: DIGESTS[entry.digest] for path, entry in three.target.items() if entry.digest}
    merged = apply_merges(three.target, scan, found, {text.path: TEXT if three.clean else None for text in found.texts}, contents)
    comparison = compare(merged.target, merged.scan, lists)
    assert comparison.blockers == ()
    after = dict(three.live)
    for change in comparison.changes:
        after.pop(change.path, None)
        if change.after:
            after[change.path] = change.after
    swaps = find_swaps({change.path: change for change in comparison.changes}, merged.target, merged.scan, {})
    for placement in find_placements(swaps, comparison, merged.target, merged.scan, {"": False}):
        if placement.how is How.FETCH and placement.entry.digest not in merged.contents:
            assert three.target[placement.source].digest == placement.entry.digest, "the server has no such path"
    return Planned(merged, dict(sorted(after.items())))


# The reference: recursive, from the root down, each case written out.


class Reference:
    """What is to become of three trees; slow, and in another order than the code under test."""

    def __init__(self, three: Three) -> None:
        self.three = three
        self.conflicts: set[str] = set()

    def children(self, path: str) -> list[str]:
        both = {*self.three.live, *self.three.target}
        return sorted(inner for inner in both if inner != path and parent_of(inner) == path)

    def of_children(self, path: str) -> tuple[Tree, bool]:
        """What is in the directory afterwards, and whether any of it is the node's own."""
        found: Tree = {}
        holds = False
        for inner in self.children(path):
            of_inner, held = self.of(inner)
            found |= of_inner
            holds |= held
        return found, holds

    def whole(self, path: str) -> Tree:
        return {inner: entry for inner, entry in self.three.live.items() if inner == path or inner.startswith(path + "/")}

    def of(self, path: str) -> tuple[Tree, bool]:
        base, ours, theirs = (tree.get(path) for tree in (self.three.base, self.three.live, self.three.target))
        if ours is None and theirs is None:
            return {}, False
        if theirs is None:
            assert ours is not None
            if base is None or content(base) != content(ours):
                return self.whole(path), True
            inside, holds = self.of_children(path)
            return ({path: ours} | inside, True) if holds else ({}, False)
        if ours is None:
            if base is None or (content(base) != content(theirs) and theirs.kind is Kind.DIR):
                return {path: theirs} | self.of_children(path)[0], False
            if content(base) != content(theirs):
                self.conflicts.add(path)
                return {}, False
            inside, _ = self.of_children(path)
            return ({path: theirs} | inside if inside else {}), False
        return self.of_both(path, base, ours, theirs)

    def of_both(self, path: str, base: Entry | None, ours: Entry, theirs: Entry) -> tuple[Tree, bool]:
        if content(ours) == content(theirs):
            inside, holds = self.of_children(path) if ours.kind is Kind.DIR else ({}, False)
            return {path: self.worn(path, theirs, base, ours, theirs)} | inside, holds
        if base is not None and content(ours) == content(base):
            if ours.kind is theirs.kind:
                return {path: self.worn(path, theirs, base, ours, theirs)}, False
            conflicts = set(self.conflicts)
            inside, holds = self.of_children(path)
            if holds and ours.kind is Kind.DIR:
                self.conflicts = conflicts | {path}
                return self.whole(path), True
            return {path: theirs} | inside, False
        if base is not None and content(theirs) == content(base):
            if theirs.kind is Kind.DIR:
                if any(self.differs(inner) for inner in self.three.target if inner.startswith(path + "/")):
                    self.conflicts.add(path)
            elif ours.kind is theirs.kind:
                return {path: self.worn(path, ours, base, ours, theirs)}, True
            return self.whole(path), True
        if base is not None and self.three.clean and ours.kind is theirs.kind is base.kind is Kind.FILE:
            both = theirs._replace(digest=hashlib.sha256(TEXT).hexdigest(), size=len(TEXT))
            return {path: self.worn(path, both, base, ours, theirs)}, False
        self.conflicts.add(path)
        return self.whole(path), True

    def worn(self, path: str, what: Entry, base: Entry | None, ours: Entry, theirs: Entry) -> Entry:
        was = base.mode if base is not None and base.kind is ours.kind else None
        if ours.mode == theirs.mode or ours.mode == was:
            return what._replace(mode=theirs.mode)
        if theirs.mode != was:
            self.conflicts.add(path)
        return what._replace(mode=ours.mode)

    def differs(self, path: str) -> bool:
        return path not in self.three.base or content(self.three.base[path]) != content(self.three.target[path])


def content(entry: Entry) -> tuple[Kind, str, str]:
    return entry.kind, entry.digest, entry.target


def timeless(tree: Tree) -> Tree:
    return {path: entry._replace(mtime_ns=0) for path, entry in tree.items()}


@EXAMPLES
@given(trees(*_NAMES))
def test_it_agrees_with_the_reference(three: Three) -> None:
    done = planned(three, three.base)
    reference = Reference(three)
    expected, _ = reference.of("")
    assert timeless({path: entry for path, entry in done.after.items() if not path.endswith(SUFFIX)}) == timeless(expected)
    assert [conflict.path for conflict in done.merged.conflicts] == sorted(reference.conflicts)


@EXAMPLES
@given(trees(*_NAMES))
def test_without_a_base_it_agrees_with_the_reference_that_knows_none(three: Three) -> None:
    done = planned(three, None)
    reference = Reference(three._replace(base={}))
    expected, _ = reference.of("")
    assert timeless({path: entry for path, entry in done.after.items() if not path.endswith(SUFFIX)}) == timeless(expected)
    assert [conflict.path for conflict in done.merged.conflicts] == sorted(reference.conflicts)


@EXAMPLES
@given(trees("a", f"a{SUFFIX}", "b"))
def test_no_content_of_the_node_is_lost(three: Three) -> None:
    after = planned(three, three.base).after
    for path, entry in three.live.items():
        original = path.removesuffix(SUFFIX)
        releases = [tree[name] for tree in (three.base, three.target) for name in {path, original} if name in tree]
        if entry.kind is Kind.DIR or content(entry) in map(content, releases):
            continue
        assert path in after
        is_merged = three.clean and after[path].digest == hashlib.sha256(TEXT).hexdigest()
        assert is_merged or content(after[path]) == content(entry)


@EXAMPLES
@given(trees("a", f"a{SUFFIX}", "b"))
def test_what_is_in_conflict_has_the_releases_beside_it_or_something_that_must_stay_there(three: Three) -> None:
    done = planned(three, three.base)
    for conflict in done.merged.conflicts:
        if conflict.new:
            assert conflict.theirs is not None
            assert content(done.after[conflict.new]) == content(conflict.theirs)
            earlier = three.live.get(conflict.new)
            original = [tree[conflict.path] for tree in (three.base, three.target) if conflict.path in tree]
            assert earlier is None or content(earlier) in map(content, original)
        elif conflict.of_content and conflict.theirs and conflict.theirs.kind is not Kind.DIR:
            beside = conflict.path + SUFFIX
            assert beside in three.live or beside in three.target or parent_of(beside) not in done.after


@EXAMPLES
@given(trees("a", f"a{SUFFIX}", "b"))
def test_a_second_time_nothing_is_in_conflict_and_nothing_changes(three: Three) -> None:
    after = planned(three, three.base).after
    again = planned(Three(three.target, after, three.target, three.clean), three.target)
    assert again.merged.conflicts == ()
    assert again.after == after


@EXAMPLES
@given(trees(*_NAMES))
def test_an_untouched_node_becomes_the_release_without_a_word(three: Three) -> None:
    done = planned(three._replace(live=three.base), three.base)
    assert timeless(done.after) == timeless(three.target)
    assert (done.merged.nodes, done.merged.removed, done.merged.conflicts, done.merged.contents) == ({}, {}, (), {})


@EXAMPLES
@given(trees(*_NAMES))
def test_a_release_that_changes_nothing_leaves_the_node_as_it_is(three: Three) -> None:
    done = planned(three._replace(target=three.base), three.base)
    assert done.merged.conflicts == ()
    assert done.after == three.live
