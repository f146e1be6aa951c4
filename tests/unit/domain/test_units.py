"""Which directories swap whole, which paths swap alone, what comes along, and in which order."""

from typing import NamedTuple

import pytest

from reprov.domain.comparison import compare
from reprov.domain.entry import Entry
from reprov.domain.ownership import Ownership
from reprov.domain.units import Op, OpKind, Swaps, find_along, find_swaps, ordered
from tests.builders import a_dir, a_file, a_link, a_tree, owning, scan_of


class Cut(NamedTuple):
    """A node, a release, and the exchanges that make the one the other."""

    live: dict[str, Entry]
    target: dict[str, Entry]
    ops: list[str]
    ownership: Ownership = owning()
    linked: tuple[str, ...] = ()
    rebuilt: tuple[str, ...] = ()
    in_place: tuple[str, ...] = ()
    fenced: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    stuck: tuple[str, ...] = ()


def swaps_of(cut: Cut) -> Swaps:
    scan = scan_of(cut.live, cut.ownership, cut.target, volumes=cut.volumes, fenced=cut.fenced)
    comparison = compare(cut.target, scan, cut.ownership)
    assert not comparison.blockers
    changes = {change.path: change for change in comparison.changes}
    return find_swaps(changes, cut.target, scan, dict.fromkeys(cut.stuck, "immutable"))


OLD = (a_file("usr/bin/a", "1"), a_file("usr/lib/b", "1"), a_file("etc/c", "1"), a_file("opt/d", "1"))
NEW = (a_file("usr/bin/a", "2"), a_file("usr/lib/b", "1"), a_file("etc/c", "2"), a_file("opt/d", "1"))

CUTS = {
    "directories with changes swap whole, /usr first, /etc last; others stay": Cut(a_tree(*OLD), a_tree(*NEW), ["swap usr", "swap etc"]),
    "nothing to do, nothing swaps": Cut(a_tree(*OLD), a_tree(*OLD), []),
    "an empty root gets everything by creations": Cut({"": a_dir("")}, a_tree(*NEW), ["create usr", "create opt", "create etc"]),
    "what no longer exists is exchanged with a placeholder": Cut(
        a_tree(a_dir("usr/mnt"), a_link("usr/l")), a_tree(a_dir("usr/mnt")), ["remove usr/l"], fenced=("usr/mnt",)
    ),
    "a mount in a directory makes it fall apart, above the mount and no further": Cut(
        a_tree(*OLD, a_dir("usr/lib/mnt")),
        a_tree(*NEW[:1], a_file("usr/lib/b", "2"), a_file("etc/c", "1"), a_file("opt/d", "1"), a_dir("usr/lib/mnt")),
        ["swap usr/bin", "swap usr/lib/b"],
        fenced=("usr/lib/mnt",),
    ),
    "a bind mount on a file does the same": Cut(
        a_tree(*OLD, a_file("etc/hosts")),
        a_tree(*NEW, a_file("etc/hosts")),
        ["swap usr", "swap etc/c"],
        owning(b"/etc/hosts\n"),
        fenced=("etc/hosts",),
    ),
    "a volume of its own swaps within itself, and after that of /usr": Cut(
        a_tree(a_file("boot/x/a", "1"), a_file("boot/b", "1"), *OLD),
        a_tree(a_file("boot/x/a", "2"), a_file("boot/b", "2"), *NEW),
        ["swap usr", "swap etc", "swap boot/b", "swap boot/x"],
        volumes=("boot",),
    ),
    "a volume for /usr goes before the root": Cut(a_tree(*OLD), a_tree(*NEW), ["swap usr/bin", "swap etc"], volumes=("usr",)),
    "the node's files in a unit are linked into it": Cut(
        a_tree(*OLD, a_file("etc/hostname", "me")),
        a_tree(*NEW),
        ["swap usr", "swap etc"],
        owning(b"/etc/hostname\n"),
        linked=("etc/hostname",),
    ),
    "its directories below /etc are made again": Cut(
        a_tree(*OLD, a_file("etc/mine/x")), a_tree(*NEW), ["swap usr", "swap etc"], owning(b"/etc/mine/\n"), rebuilt=("etc/mine",)
    ),
    "its directories elsewhere are carried across, after their unit": Cut(
        a_tree(*OLD, a_file("usr/local/x"), a_file("usr/local/y")),
        a_tree(*NEW),
        ["swap usr", "carry usr/local", "swap etc"],
        owning(b"/usr/local/\n"),
    ),
    "what the release adds to a carried directory is created in it once it is back": Cut(
        a_tree(*OLD, a_file("usr/local/mine")),
        a_tree(*NEW, a_file("usr/local/new")),
        ["swap usr", "carry usr/local", "create usr/local/new", "swap etc"],
        owning(add_only=b"/usr/local/\n"),
    ),
    "a directory of the image's in a carried one swaps there, and takes what is kept in it along": Cut(
        a_tree(*OLD, a_file("usr/local/mine"), a_file("usr/local/img/a", "1"), a_file("usr/local/img/k"), a_file("usr/local/img/d/x")),
        a_tree(*NEW, a_file("usr/local/img/a", "2")),
        ["swap usr", "carry usr/local", "swap usr/local/img", "carry usr/local/img/d", "swap etc"],
        owning(b"/usr/local/img/k\n/usr/local/img/d/\n", b"- /usr/local/img/\n/usr/local/\n"),
        linked=("usr/local/img/k",),
    ),
    "an immutable kept file makes what holds it fall apart": Cut(
        a_tree(*OLD, a_file("usr/lib/stuck")),
        a_tree(*NEW[:1], a_file("usr/lib/b", "2"), *OLD[2:]),
        ["swap usr/bin", "swap usr/lib/b"],
        owning(b"/usr/lib/stuck\n"),
        stuck=("usr/lib/stuck",),
    ),
    "a directory that only changes its mode swaps with what holds it": Cut(
        a_tree(*OLD), a_tree(*OLD, a_dir("usr/bin", 0o700)), ["swap usr"]
    ),
    "one that cannot swap is changed in place": Cut(
        a_tree(*OLD, a_dir("usr/mnt")), a_tree(*OLD, a_dir("usr/mnt"), a_dir("usr", 0o700)), [], in_place=("usr",), fenced=("usr/mnt",)
    ),
    "the root directory never swaps": Cut(a_tree(a_dir("", 0o700)), a_tree(a_dir("", 0o755)), [], in_place=("",)),
    "an add-only directory at the top is entered, not swapped": Cut(
        a_tree(a_file("var/lib/dpkg/status", "1"), a_file("var/log/mine")),
        a_tree(a_file("var/lib/dpkg/status", "2")),
        ["swap var/lib/dpkg"],
        owning(add_only=b"- /var/lib/dpkg/\n/var/\n"),
    ),
}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_changes_are_cut_into_exchanges(cut: Cut) -> None:
    swaps = swaps_of(cut)
    assert [f"{op.kind} {op.path}" for op in swaps.ops] == cut.ops
    assert (swaps.linked, swaps.rebuilt) == (cut.linked, cut.rebuilt)
    assert tuple(change.path for change in swaps.directories) == cut.in_place


def test_units_are_what_brings_staged_content() -> None:
    ops = tuple(Op(kind, kind.value, "") for kind in OpKind)
    assert [op.kind for op in Swaps(ops, (), (), ()).units] == [OpKind.SWAP, OpKind.CREATE]


def test_an_op_knows_the_volume_it_happens_on() -> None:
    cut = Cut(a_tree(a_file("boot/b", "1"), *OLD), a_tree(a_file("boot/b", "2"), *NEW), [], volumes=("boot",))
    assert {op.path: op.volume for op in swaps_of(cut).ops} == {"usr": "", "etc": "", "boot/b": "boot"}


def test_the_order_is_volume_by_volume_with_that_of_usr_first() -> None:
    ops = [Op(OpKind.SWAP, path, volume) for path, volume in [("etc", ""), ("boot/a", "boot"), ("usr/b", "usr"), ("opt", "")]]
    assert [op.path for op in ordered(ops, "usr")] == ["usr/b", "opt", "etc", "boot/a"]


def test_what_lies_in_something_of_the_nodes_is_not_named_again() -> None:
    live = a_tree(a_file("usr/a/b/c"), a_file("usr/k"), a_file("opt/x"))
    scan = scan_of(live, owning(b"/usr/k\n/opt/x\n", b"/usr/a/\n"))
    along = find_along(scan, {"usr"})
    assert (along.linked, [op.path for op in along.carried], along.rebuilt) == (("usr/k",), ["usr/a"], ())
