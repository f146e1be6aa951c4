"""Counting what every rule of the lists matches."""

from hypothesis import given
from hypothesis import strategies as st

from reprov.domain.ownership import Owner, Ownership
from reprov.domain.rule_usage import count_matches
from tests.builders import a_dir, a_file, a_link, a_tree

KEEP = b"+ /etc/keys/public\n- /etc/keys/*\n/srv/\n/never/\n"
ADD_ONLY = b"- /var/lib/db/\n/var/\n"
MERGE = b"- /etc/cache\nmerge=text /etc/default/**\n/etc/**\n/var/lib/db/\n"


def owning(keep: bytes = KEEP, add_only: bytes = ADD_ONLY, merge: bytes = MERGE) -> Ownership:
    return Ownership.parse([("k", keep)], [("a", add_only)], [("m", merge)])


def test_every_rule_comes_with_its_paths_in_the_order_in_which_it_is_asked() -> None:
    node = a_tree(
        a_file("etc/keys/public"), a_file("etc/keys/private"), a_dir("srv"), a_file("etc/cache"), a_file("var/lib/db/a"), a_file("var/x")
    )
    release = a_tree(a_file("etc/keys/public"), a_file("etc/default/x"), a_file("var/lib/new"), a_file("usr/bin/true"))
    assert [(str(usage.rule), usage.rule.place, usage.paths) for usage in count_matches(owning(), node, release)] == [
        ("+ /etc/keys/public", "k:1", 1),
        ("- /etc/keys/*", "k:2", 1),
        ("- /srv/", "k:3", 1),
        ("- /never/", "k:4", 0),
        ("- /var/lib/db/", "a:1", 2),
        ("+ /var/", "a:2", 4),
        ("- /etc/cache", "m:1", 1),
        ("merge=text /etc/default/**", "m:2", 1),
        ("+ /etc/**", "m:3", 3),
        ("+ /var/lib/db/", "m:4", 2),
    ]


def test_a_list_that_is_tried_first_takes_paths_from_those_after_it() -> None:
    merges = [("merge/00-child.merge", b"merge=text /etc/nova/**\n"), ("merge/01-base.merge", b"/etc/**\n")]
    ownership = Ownership.parse([("k", KEEP)], [("a", ADD_ONLY)], merges)
    node = a_tree(a_file("etc/nova/nova.conf"), a_file("etc/nova/policy"), a_file("etc/motd"))
    assert [(usage.rule.place, str(usage.rule), usage.paths) for usage in count_matches(ownership, node)[-2:]] == [
        ("merge/00-child.merge:1", "merge=text /etc/nova/**", 2),
        ("merge/01-base.merge:1", "+ /etc/**", 2),  # /etc/nova itself, and motd
    ]


def test_what_is_decided_by_construction_counts_for_no_rule() -> None:
    everything = owning(b"- *\n", b"*\n", b"*\n").with_kept(["nfs"], "a mount")
    node = a_tree(a_file("proc/x"), a_dir("nfs"), a_file("nfs/x"), a_file(".reprov/journal"))
    assert [usage.paths for usage in count_matches(everything, node)] == [0, 0, 0]


def test_a_path_that_is_a_directory_in_one_tree_only_counts_once() -> None:
    (usage, *_) = count_matches(owning(b"/opt/a\n"), a_tree(a_link("opt/a")), a_tree(a_dir("opt/a")))
    assert usage.paths == 1


def test_a_rule_for_directories_counts_where_one_of_the_trees_has_one() -> None:
    (usage, *_) = count_matches(owning(b"/opt/a/\n"), a_tree(a_link("opt/a")), a_tree(a_dir("opt/a")))
    assert usage.paths == 1


components = st.sampled_from(["a", "b", "etc", "var", "lib", ".reprov", "tmp"])
paths = st.lists(components, min_size=1, max_size=4).map("/".join)
rules = st.tuples(st.sampled_from(["+ ", "- "]), st.sampled_from(["", "/", "**"]), paths, st.sampled_from(["", "/", "/*", "/**"]))
texts = st.lists(rules.map("".join), min_size=1, max_size=4).map(lambda lines: "\n".join(lines).encode())


@given(texts, texts, texts, paths, st.booleans())
def test_the_rule_of_a_verdict_is_among_those_that_match(keep: bytes, add_only: bytes, merge: bytes, path: str, is_dir: bool) -> None:
    ownership = owning(keep, add_only, merge)
    verdict = ownership.of(path, is_dir=is_dir)
    matching = ownership.matching(path, is_dir=is_dir)
    if verdict.owner is Owner.KEEP:
        assert matching in ((verdict.rule,), ())
    elif verdict.rule and verdict.rule.line:
        assert verdict.rule in matching
    counted = {usage.rule.place for usage in count_matches(ownership, {path: a_dir(path) if is_dir else a_file(path)}) if usage.paths}
    assert counted == {rule.place for rule in matching}
