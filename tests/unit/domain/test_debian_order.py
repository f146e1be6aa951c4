"""The order in which packages are configured."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprov.domain.debian_order import configuration_order
from reprov.domain.debian_package import DebianTree
from tests.debian_trees import a_package, a_tree

ORDERS = {
    "by name where nothing else counts": (a_tree(a_package("b"), a_package("a"), a_package("c")), "a b c"),
    "dependencies first": (a_tree(a_package("a", depends="b"), a_package("b", depends="c"), a_package("c")), "c b a"),
    "as soon as nothing is waited for": (a_tree(a_package("a", depends="d"), a_package("b"), a_package("c"), a_package("d")), "b c d a"),
    "the first alternative that is there": (a_tree(a_package("a", depends="x | c | b"), a_package("b"), a_package("c")), "b c a"),
    "only that one": (a_tree(a_package("a", depends="b | z"), a_package("b"), a_package("z", depends="a")), "b a z"),
    "who provides it": (a_tree(a_package("a", depends="mta"), a_package("z", provides=("mta",))), "z a"),
    "what is not there does not count": (a_tree(a_package("a", depends="nothing"), a_package("b")), "a b"),
    "not itself": (a_tree(a_package("a", depends="a")), "a"),
    "a circle ends where it was met": (a_tree(a_package("a", depends="b"), a_package("b", depends="a")), "a b"),
    "a circle behind another package": (
        a_tree(a_package("a", depends="c"), a_package("b", depends="c"), a_package("c", depends="b")),
        "c a b",
    ),
    "Pre-Depends hold in a circle": (a_tree(a_package("a", pre_depends="b"), a_package("b", depends="a")), "b a"),
    "a circle of nothing but Pre-Depends": (a_tree(a_package("a", pre_depends="b"), a_package("b", pre_depends="a")), "a b"),
    "two circles": (
        a_tree(a_package("a", depends="b"), a_package("b", depends="a, c"), a_package("c", depends="d"), a_package("d", depends="c")),
        "a c b d",
    ),
}


@pytest.mark.parametrize(("tree", "order"), ORDERS.values(), ids=ORDERS.keys())
def test_order(tree: DebianTree, order: str) -> None:
    assert [key.removesuffix(":all") for key in configuration_order(tree, tree.packages)] == order.split()


def test_who_does_nothing_gives_way_in_a_circle() -> None:
    tree = a_tree(a_package("a", depends="b"), a_package("b", depends="a"))
    assert configuration_order(tree, {"a:all"}) == ("b:all", "a:all")


def test_of_several_architectures_the_own_one() -> None:
    tree = a_tree(
        a_package("a", arch="i386", depends="z"),
        a_package("b", arch="amd64", depends="z"),
        a_package("z", arch="amd64", same=True),
        a_package("z", arch="i386", same=True, depends="b"),
    )
    assert configuration_order(tree, tree.packages) == ("z:amd64", "b:amd64", "z:i386", "a:i386")


names = st.sampled_from("abcdef")
graphs = st.dictionaries(names, st.sets(names, max_size=3), min_size=1)


@given(graphs)
def test_every_package_once_and_none_before_what_it_needs_unless_in_a_circle(graph: dict[str, set[str]]) -> None:
    tree = a_tree(*(a_package(name, depends=", ".join(sorted(wanted))) for name, wanted in graph.items()))
    order = [key.removesuffix(":all") for key in configuration_order(tree, tree.packages)]
    assert sorted(order) == sorted(graph)
    for name, wanted in graph.items():
        for other in wanted & graph.keys():
            assert order.index(other) <= order.index(name) or name in reachable(other, graph)


def reachable(start: str, graph: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for name in graph.get(waiting.pop(), set()) & graph.keys():
            if name not in found:
                found.add(name)
                waiting.append(name)
    return found
