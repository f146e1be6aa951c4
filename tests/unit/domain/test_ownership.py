"""Who owns a path: the lists in rsync's traversal, and what holds whatever they say. (The shipped ones: test_shipped_lists.)"""

import pytest

from reprov.domain.ownership import Owner, Ownership, Verdict
from reprov.domain.rules import Rule
from reprov.errors import InvalidInput

IMAGE, KEEP, ADD_ONLY, MERGE = Owner.IMAGE, Owner.KEEP, Owner.ADD_ONLY, Owner.MERGE
NEVER = b"/nothing/has/this/name\n"


def owning(keep: bytes = NEVER, add_only: bytes = NEVER, merge: bytes = NEVER) -> Ownership:
    return Ownership.parse([("k", keep)], [("a", add_only)], [("m", merge)])


CASES = {
    "what no list names is the image's": (NEVER, NEVER, "usr/bin/true", IMAGE, None),
    "the root is the image's, even if everything is kept": (b"*\n/\n***\n", NEVER, "", IMAGE, None),
    "an excluded path is kept": (b"/a/b\n", NEVER, "a/b", KEEP, "k:1"),
    "what is in an excluded directory is kept": (b"/a/\n", NEVER, "a/b/c", KEEP, "k:1"),
    "a plus further down cannot bring back what an excluded directory holds": (b"+ /a/b\n- /a\n", NEVER, "a/b", KEEP, "k:2"),
    "a plus before it saves the directory itself": (b"+ /a/\n- /a*\n", NEVER, "a/b", IMAGE, None),
    "an included path is add-only": (NEVER, b"/a\n", "a", ADD_ONLY, "a:1"),
    "a directory that is add-only covers what is in it": (NEVER, b"/srv/\n", "srv/b/c", ADD_ONLY, "a:1"),
    "a minus in an add-only list makes a path the image's": (NEVER, b"- /var/lib/dpkg/\n/var/\n", "var/lib/dpkg", IMAGE, "a:1"),
    "and with it what it holds": (NEVER, b"- /var/lib/dpkg/\n/var/\n", "var/lib/dpkg/status", IMAGE, "a:1"),
    "and nothing further down is add-only again": (NEVER, b"- /var/lib/dpkg/\n/var/***\nstatus\n", "var/lib/dpkg/status", IMAGE, "a:1"),
    "keep is stronger than add-only": (b"/a\n", b"/a\n", "a", KEEP, "k:1"),
    "add-only is never below a kept path": (b"/a/\n", b"/a/b\n", "a/b", KEEP, "k:1"),
    "keep is stronger than image inside a directory that is add-only": (
        b"/var/lib/dpkg/lock\n",
        b"- /var/lib/dpkg/\n/var/\n",
        "var/lib/dpkg/lock",
        KEEP,
        "k:1",
    ),
    "eDeploy's add-only list": (NEVER, b"+ /var/\n+ /var/**\n- *\n", "var/lib/x", ADD_ONLY, "a:2"),
    "eDeploy's add-only list ends with everything else": (NEVER, b"+ /var/\n+ /var/**\n- *\n", "usr", IMAGE, "a:3"),
    "a name with a newline and no UTF-8": (b"/a/*\n", NEVER, "a/-\n\udcff", KEEP, "k:1"),
}


@pytest.mark.parametrize(("keep", "add_only", "path", "owner", "place"), CASES.values(), ids=CASES)
def test_the_lists_decide(keep: bytes, add_only: bytes, path: str, owner: Owner, place: str | None) -> None:
    verdict = owning(keep, add_only).of(path, is_dir=path in ("", "a", "var/lib/dpkg"))
    assert (verdict.owner, verdict.rule and verdict.rule.place) == (owner, place)


MERGED = {
    "a path in a merge list is merged": (NEVER, NEVER, b"/etc/**\n", "etc/a/b", MERGE, "m:1"),
    "three stars merge the directory, too": (NEVER, NEVER, b"/etc/***\n", "etc", MERGE, "m:1"),
    "two stars leave it": (NEVER, NEVER, b"/etc/**\n", "etc", IMAGE, None),
    "a directory covers what is in it": (NEVER, NEVER, b"/etc/\n", "etc/a/b", MERGE, "m:1"),
    "the first match of a list decides": (NEVER, NEVER, b"merge=text /etc/b\n/etc/**\n", "etc/b", MERGE, "m:1"),
    "a minus makes a path the image's": (NEVER, NEVER, b"- /etc/a/\n/etc/**\n", "etc/a", IMAGE, "m:1"),
    "and what it holds": (NEVER, NEVER, b"- /etc/a/\n/etc/**\n", "etc/a/b/c", IMAGE, "m:1"),
    "a minus inside a merged directory": (NEVER, NEVER, b"- b\n/etc/\n", "etc/a/b", IMAGE, "m:1"),
    "keep is stronger": (b"/etc/a/b\n", NEVER, b"/etc/**\n", "etc/a/b", KEEP, "k:1"),
    "nothing below a kept directory is merged": (b"/etc/a/\n", NEVER, b"/etc/**\n", "etc/a/b", KEEP, "k:1"),
    "a plus in a keep list leaves a path to the others": (b"+ /etc/a/b\n- /etc/a/*\n", NEVER, b"/etc/**\n", "etc/a/b", MERGE, "m:1"),
    "add-only is stronger": (NEVER, b"/etc/a/b\n", b"/etc/**\n", "etc/a/b", ADD_ONLY, "a:1"),
    "nothing below an add-only directory is merged": (NEVER, b"/etc/a/\n", b"/etc/a/b\n", "etc/a/b", ADD_ONLY, "a:1"),
    "what an add-only list excludes may be merged": (NEVER, b"- /etc/a/\n/etc/\n", b"/etc/\n", "etc/a", MERGE, "m:1"),
    "and what is below it": (NEVER, b"- /etc/a/\n/etc/\n", b"/etc/\n", "etc/a/b", MERGE, "m:1"),
    "an add-only list that ends with everything else": (NEVER, b"+ /var/\n- *\n", b"/etc/**\n", "etc/a/b", MERGE, "m:1"),
    "a merge rule inside an add-only directory is for what leaves it": (NEVER, b"- c\n/etc/\n", b"/etc/a/b/\n", "etc/a/b/c", MERGE, "m:1"),
    "and nothing else": (NEVER, b"- c\n/etc/\n", b"/etc/a/b/\n", "etc/a/b/d", ADD_ONLY, "a:2"),
    "floating rules, which directories share": (NEVER, b"- c\na\n", b"b\n", "a/x/b/x/c", MERGE, "m:1"),
    "nobody wants it": (NEVER, b"- *\n", b"- *\n", "etc", IMAGE, "m:1"),
}


@pytest.mark.parametrize(("keep", "add_only", "merge", "path", "owner", "place"), MERGED.values(), ids=MERGED)
def test_a_merge_list_is_asked_last(keep: bytes, add_only: bytes, merge: bytes, path: str, owner: Owner, place: str | None) -> None:
    verdict = owning(keep, add_only, merge).of(path, is_dir=path in ("etc", "etc/a"))
    assert (verdict.owner, verdict.rule and verdict.rule.place) == (owner, place)


def test_a_verdict_says_whether_lines_are_merged() -> None:
    ownership = owning(merge=b"merge=text /etc/x/**\n/etc/**\n")
    assert [rule.text_merge for path in ("etc/x/y", "etc/z") if (rule := ownership.of(path, is_dir=False).rule)] == [True, False]


def test_a_rule_gives_all_its_paths_one_verdict() -> None:
    ownership = owning(b"/srv/*\n", b"/var/**\n", b"/etc/**\n- *\n")
    for one, other in (("srv/a", "srv/b"), ("var/a", "var/b/c"), ("etc/a", "etc/b/c"), ("usr", "opt")):
        assert ownership.of(one, is_dir=False) is ownership.of(other, is_dir=False)


def test_the_rules_come_in_the_order_in_which_they_are_asked() -> None:
    assert [rule.place for rule in owning(b"/a\n/b\n", b"/c\n", b"/d\n").rules] == ["k:1", "k:2", "a:1", "m:1"]


def test_releases_without_a_merge_list_merge_nothing() -> None:
    assert Ownership.parse([("k", NEVER)], [("a", NEVER)]).of("etc/a", is_dir=False) == Verdict(IMAGE, None)


def test_what_merges_is_still_merged_beside_a_foreign_mount() -> None:
    ownership = owning(merge=b"/etc/**\n").with_kept(["etc/a"], "mounted")
    assert [ownership.of(path, is_dir=True).owner for path in ("etc/a/x", "etc/b/x")] == [KEEP, MERGE]


def test_a_rule_for_directories_spares_a_file_of_that_name() -> None:
    ownership = owning(b"/a/\n", b"/b/\n")
    assert [ownership.of(path, is_dir=is_dir).owner for path in "ab" for is_dir in (True, False)] == [KEEP, IMAGE, ADD_ONLY, IMAGE]


@pytest.mark.parametrize("order", [("a/b/c", "a", "a/b"), ("a", "a/b", "a/b/c"), ("a/b", "a/b/c", "a")])
def test_the_answer_does_not_depend_on_what_was_asked_before(order: tuple[str, ...]) -> None:
    ownership = owning(b"/a/b/\n")
    assert {path: ownership.of(path, is_dir=True).owner for path in order} == {"a": IMAGE, "a/b": KEEP, "a/b/c": KEEP}


GREEDY = {
    "no list says so": (NEVER, NEVER),
    "lists include everything": (b"+ *\n", b"+ *\n"),
    "lists exclude everything": (b"- *\n", b"- *\n"),
}


@pytest.mark.parametrize(("keep", "add_only"), GREEDY.values(), ids=GREEDY)
@pytest.mark.parametrize("frame", ["proc", "sys", "dev", "run", "tmp"])
def test_an_empty_root_gets_the_runtime_directories_and_no_nodes_are_touched(frame: str, keep: bytes, add_only: bytes) -> None:
    ownership = owning(keep, add_only)
    assert ownership.of(frame, is_dir=True) == Verdict(ADD_ONLY, Rule(f"/{frame}", True, "built in", 0))
    below = Verdict(KEEP, Rule(f"/{frame}/**", False, "built in", 0))
    assert ownership.of(f"{frame}/x", is_dir=False) == ownership.of(f"{frame}/x/y", is_dir=True) == below


@pytest.mark.parametrize("path", [".reprov", ".reprov/staged/usr", "boot/.reprov", "boot/.reprov/journal", "lost+found", "lost+found/#12"])
def test_our_own_state_and_fscks_are_kept_whatever_the_lists_say(path: str) -> None:
    verdict = owning(b"+ *\n", b"+ *\n").of(path, is_dir=True)
    assert verdict.owner is KEEP
    assert verdict.rule is not None and verdict.rule.place == "built in"


def test_only_the_runtime_directories_at_the_top_are_special() -> None:
    assert owning().of("usr/lib/tmp/x", is_dir=False).owner is IMAGE
    assert owning().of("usr/lib/proc", is_dir=True).owner is IMAGE


def test_a_foreign_mount_is_kept_before_any_rule_and_globs_in_its_name_mean_nothing() -> None:
    ownership = owning(b"+ *\n", b"+ *\n").with_kept(["usr/*", "tmp"], "nfs is mounted here")
    assert ownership.of("usr/*", is_dir=True) == Verdict(KEEP, Rule("/usr/*", False, "nfs is mounted here", 0))
    assert ownership.of("usr/*/deep/down", is_dir=False).owner is KEEP
    assert ownership.of("usr/lib", is_dir=True).owner is ADD_ONLY
    assert ownership.of("usr", is_dir=True).owner is ADD_ONLY
    assert ownership.of("tmp", is_dir=True).rule == Rule("/tmp", False, "nfs is mounted here", 0)


def test_a_mount_deep_in_a_directory_without_rules_is_found() -> None:
    ownership = owning().with_kept(["usr/lib/a/b"], "mounted")
    asked = ["usr/lib/a", "usr/lib/a/b", "usr/lib/a/b/c", "usr/lib/a/c"]
    assert [ownership.of(path, is_dir=True).owner for path in asked] == [IMAGE, KEEP, KEEP, IMAGE]


def test_kept_paths_add_up_and_leave_the_first_ownership_as_it_was() -> None:
    first = owning()
    second = first.with_kept(["a"], "one").with_kept(["b"], "two")
    assert [second.of(path, is_dir=True).owner for path in "abc"] == [KEEP, KEEP, IMAGE]
    assert first.of("a", is_dir=True).owner is IMAGE


def test_the_root_cannot_be_kept() -> None:
    with pytest.raises(ValueError, match="the root of a node cannot be kept"):
        owning().with_kept([""], "mounted")


MISSING = {
    "no keep list": ([], [("a", NEVER)], [], "there is no keep list"),
    "no add-only list": ([("k", NEVER)], [], [], "there is no add-only list"),
    "an empty keep list": ([("k", b"")], [("a", NEVER)], [], "k: holds no rule"),
    "an empty add-only list": ([("k", NEVER)], [("a", b"# none\n")], [], "a: holds no rule"),
    "an empty merge list": ([("k", NEVER)], [("a", NEVER)], [("m", b"\n")], "m: holds no rule"),
    "one empty merge list of two": ([("k", NEVER)], [("a", NEVER)], [("m", NEVER), ("n", b"/a\n!\n")], "n: holds no rule"),
}
Lists = list[tuple[str, bytes]]


@pytest.mark.parametrize(("keep", "add_only", "merge", "message"), MISSING.values(), ids=MISSING)
def test_a_missing_list_is_never_nothing_to_keep(keep: Lists, add_only: Lists, merge: Lists, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Ownership.parse(keep, add_only, merge)
    assert caught.value.message == message


NAMED = {
    "a directory without rules": ("usr/bin", frozenset({".reprov"})),
    "a directory with a rule about one name": ("usr/share", frozenset({".reprov", "x"})),
    "a directory with a rule about all names": ("etc", None),
    "a directory that is kept": ("srv", None),
    "the root": ("", None),
}


@pytest.mark.parametrize(("directory", "names"), NAMED.values(), ids=NAMED)
def test_which_names_may_be_anybodys_but_the_releases(directory: str, names: frozenset[str] | None) -> None:
    assert Ownership.parse([("k", b"/usr/share/x\n/etc/*.key\n/srv/\n/s*\n")], [("a", b"- *\n")]).named_in(directory) == names
