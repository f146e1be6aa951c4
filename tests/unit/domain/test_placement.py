"""Where the content of every staged path comes from, and what staging costs."""

from typing import NamedTuple

import pytest

from reprov.domain.comparison import compare
from reprov.domain.entry import Entry
from reprov.domain.ownership import Ownership
from reprov.domain.placement import Cost, How, Placement, costs, find_placements, in_order, may_link
from reprov.domain.units import find_swaps
from tests.builders import MTIME_NS, a_dir, a_file, a_link, a_tree, owning, scan_of

MIB = 1 << 20


class Staged(NamedTuple):
    """A node, a release, and how the paths of the staged trees are made: "how source"."""

    live: dict[str, Entry]
    target: dict[str, Entry]
    expected: dict[str, str]
    ownership: Ownership = owning()
    volumes: tuple[str, ...] = ()
    clones: bool = False


def placements_of(staged: Staged) -> tuple[Placement, ...]:
    scan = scan_of(staged.live, staged.ownership, staged.target, volumes=staged.volumes)
    comparison = compare(staged.target, scan, staged.ownership)
    swaps = find_swaps({change.path: change for change in comparison.changes}, staged.target, scan, {})
    return find_placements(swaps, comparison, staged.target, scan, dict.fromkeys(scan.volumes, staged.clones))


SAME = a_file("usr/same", "s")

CASES = {
    "unchanged files are linked, new content is fetched": Staged(
        a_tree(SAME, a_file("usr/b", "1")),
        a_tree(SAME, a_file("usr/b", "2"), a_link("usr/l")),
        {"usr": "make", "usr/b": "fetch usr/b", "usr/l": "make", "usr/same": "link usr/same"},
    ),
    "where blocks can be shared, unchanged files are cloned": Staged(
        a_tree(SAME, a_file("usr/b", "1")),
        a_tree(SAME, a_file("usr/b", "2")),
        {"usr": "make", "usr/b": "fetch usr/b", "usr/same": "copy usr/same"},
        clones=True,
    ),
    "nothing in /etc and nothing setuid is linked": Staged(
        a_tree(a_file("etc/a", "1"), a_file("etc/b", "1"), a_file("usr/su", "s", 0o4755), a_file("usr/b", "1")),
        a_tree(a_file("etc/a", "1"), a_file("etc/b", "2"), a_file("usr/su", "s", 0o4755), a_file("usr/b", "2")),
        {"etc": "make", "etc/a": "copy etc/a", "etc/b": "fetch etc/b", "usr": "make", "usr/b": "fetch etc/b", "usr/su": "copy usr/su"},
    ),
    "the same content twice is fetched once": Staged(
        a_tree(a_file("usr/z")),
        a_tree(a_file("usr/a", "n"), a_file("usr/b", "n"), a_file("usr/z")),
        {"usr": "make", "usr/a": "fetch usr/a", "usr/b": "fetch usr/a", "usr/z": "link usr/z"},
    ),
    "content that the node has under another name is copied": Staged(
        a_tree(a_file("usr/old", "c")), a_tree(a_file("usr/new", "c")), {"usr": "make", "usr/new": "copy usr/old"}
    ),
    "where only the metadata differs, the file itself is what is copied": Staged(
        a_tree(a_file("usr/a", "c"), a_file("usr/b", "c")),
        a_tree(a_file("usr/a", "c", mtime_ns=MTIME_NS + 1), a_file("usr/b", "c")),
        {"usr": "make", "usr/a": "copy usr/a", "usr/b": "link usr/b"},
    ),
    "the content of the node's own files is not taken: they change": Staged(
        a_tree(a_file("usr/mine", "c")), a_tree(a_file("usr/new", "c")), {"usr": "make", "usr/new": "fetch usr/new"}, owning(b"/usr/mine\n")
    ),
    "names of one new file are joined": Staged(
        a_tree(a_file("usr/z")),
        a_tree(a_file("usr/a", "n", group=1), a_file("usr/b", "n", group=1)),
        {"usr": "make", "usr/a": "fetch usr/a", "usr/b": "join usr/a"},
    ),
    "names of one unchanged file are each linked": Staged(
        a_tree(a_file("usr/a", "n", group=1), a_file("usr/b", "n", group=1), a_file("usr/z")),
        a_tree(a_file("usr/a", "n", group=1), a_file("usr/b", "n", group=1)),
        {"usr": "make", "usr/a": "link usr/a", "usr/b": "link usr/b"},
    ),
    "copies of them are joined again": Staged(
        a_tree(a_file("usr/a", "n", 0o4755, group=1), a_file("usr/b", "n", 0o4755, group=1), a_file("usr/z")),
        a_tree(a_file("usr/a", "n", 0o4755, group=1), a_file("usr/b", "n", 0o4755, group=1)),
        {"usr": "make", "usr/a": "copy usr/a", "usr/b": "join usr/a"},
    ),
    "an unchanged file with a name outside what swaps is linked even where others are cloned, to keep both names": Staged(
        a_tree(a_file("opt/a", "s", group=1), a_file("usr/a", "s", group=1), a_file("usr/b", "1")),
        a_tree(a_file("opt/a", "s", group=1), a_file("usr/a", "s", group=1), a_file("usr/b", "2")),
        {"usr": "make", "usr/a": "link usr/a", "usr/b": "fetch usr/b"},
        clones=True,
    ),
    "on two volumes each has its own": Staged(
        a_tree(a_file("usr/z", "1"), a_file("boot/z", "1")),
        a_tree(a_file("usr/a", "n", group=1), a_file("boot/b", "n", group=1)),
        {"boot/b": "fetch boot/b", "usr": "make", "usr/a": "fetch boot/b"},
        volumes=("boot",),
    ),
    "a carried directory is made to be exchanged, without what is in it": Staged(
        a_tree(a_file("usr/local/mine/x"), a_file("usr/local/img/y"), a_file("usr/b", "1")),
        a_tree(a_file("usr/local/new", "n"), a_file("usr/local/img/y"), a_file("usr/b", "2")),
        {"usr": "make", "usr/b": "fetch usr/b", "usr/local": "make", "usr/local/new": "fetch usr/local/new"},
        owning(add_only=b"- /usr/local/img/\n/usr/local/\n"),
    ),
    "nothing is staged for what is removed": Staged(a_tree(a_link("lib"), a_file("usr/a")), a_tree(a_file("usr/a")), {}),
}


@pytest.mark.parametrize("staged", CASES.values(), ids=CASES)
def test_every_staged_path_has_its_source(staged: Staged) -> None:
    placements = placements_of(staged)
    assert {item.entry.path: f"{item.how} {item.source}".strip() for item in placements} == staged.expected


@pytest.mark.parametrize(
    ("entry", "may"),
    [
        pytest.param(a_file("usr/bin/x", mode=0o755), True, id="an ordinary file"),
        pytest.param(a_file("usr/bin/x", mode=0o1755), True, id="the sticky bit means nothing on a file"),
        pytest.param(a_file("usr/bin/x", mode=0o4755), False, id="setuid: dpkg changes the old inode before it unlinks it"),
        pytest.param(a_file("usr/bin/x", mode=0o2755), False, id="setgid"),
        pytest.param(a_file("usr/bin/x")._replace(xattrs=(("security.capability", b"x"),)), False, id="a capability"),
        pytest.param(a_file("etc/cron.d/x"), False, id="cron ignores files with several links"),
        pytest.param(a_file("etcetera/x"), True, id="only /etc itself"),
        pytest.param(a_file("usr/local/bin/x"), False, id="operators write into /usr/local"),
    ],
)
def test_what_may_share_its_inode_with_the_previous_tree(entry: Entry, may: bool) -> None:
    assert may_link(entry) is may


def placed(path: str, how: How, *, size: int = 0, volume: str = "", source: str = "", directory: bool = False) -> Placement:
    entry = a_dir(path) if directory else a_file(path)._replace(size=size)
    return Placement(entry, volume, how, source or path)


COSTS = {
    "an empty plan needs room for journal and placeholders": ([], {"": (16 * MIB, 64)}),
    "links and joins cost nothing": ([placed("a", How.LINK, size=9), placed("b", How.JOIN, size=9)], {"": (16 * MIB, 64)}),
    "fetched and copied files cost whole blocks": (
        [placed("a", How.FETCH, size=1), placed("b", How.COPY, size=4097), placed("c", How.FETCH)],
        {"": (16 * MIB + 3 * 4096, 67)},
    ),
    "so does another copy of what is fetched": (
        [placed("a", How.FETCH, size=1), placed("b", How.FETCH, size=1, source="a")],
        {"": (16 * MIB + 2 * 4096, 66)},
    ),
    "directories and symlinks": ([placed("a", How.MAKE, directory=True), placed("b", How.MAKE)], {"": (16 * MIB + 4096, 66)}),
    "a clone costs an inode": ([placed("fast/a", How.COPY, size=9, volume="fast")], {"": (16 * MIB, 64), "fast": (16 * MIB, 65)}),
    "what is fetched for another volume costs nothing in the root": (
        [placed("boot/a", How.FETCH, size=5000, volume="boot")],
        {"": (16 * MIB, 64), "boot": (16 * MIB + 8192, 65)},
    ),
}


@pytest.mark.parametrize(("placements", "expected"), COSTS.values(), ids=COSTS)
def test_costs_by_volume(placements: list[Placement], expected: dict[str, tuple[int, int]]) -> None:
    assert costs(placements, {"": False, "boot": False, "fast": True}) == {volume: Cost(*cost) for volume, cost in expected.items()}


def test_each_content_is_fetched_once_and_what_is_made_from_it_comes_after() -> None:
    fetched = placed("a", How.FETCH)
    local = [placed("c", How.COPY), placed("d", How.MAKE), placed("e", How.JOIN, source="c")]
    derived = [placed("b", How.FETCH, source="a"), placed("f", How.JOIN, source="b"), placed("g", How.JOIN, source="a")]
    order = in_order([derived[0], *local, fetched, *derived[1:]])
    assert (order.local, order.arriving, order.derived) == (local, {"a": fetched}, derived)
