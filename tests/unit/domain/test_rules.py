"""Reading ownership lists, and the first rule that matches. (What patterns mean is decided by rsync: see tests/oracle.)"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprov.domain.pattern import Pattern
from reprov.domain.rules import Rule, RuleList
from reprov.errors import ExitCode, InvalidInput

PARSED = {
    "a plain line excludes": (b"/a\n", ["- /a"]),
    "prefixes decide": (b"+ /a\n- /b\n", ["+ /a", "- /b"]),
    "comments and blank lines are skipped": (b"# x\n\n; y\n/a\n", ["- /a"]),
    "a comment sign further on is part of the name": (b"/a # b\n", ["- /a # b"]),
    "a file without a newline at its end": (b"/a", ["- /a"]),
    "carriage returns end lines": (b"/a\r\n/b\r/c", ["- /a", "- /b", "- /c"]),
    "an exclamation mark clears what came before": (b"/a\n!\n/b\n", ["- /b"]),
    "an exclamation mark with a name is a name": (b"!a\n", ["- !a"]),
    "a prefix without its space is part of the name": (b"-a\n+b\n", ["- -a", "- +b"]),
    "spaces are kept": (b"-  a \n", ["-  a "]),
    "bytes that are not UTF-8 survive": (b"/\xff\n", ["- /\udcff"]),
}


@pytest.mark.parametrize(("text", "expected"), PARSED.values(), ids=PARSED)
def test_a_list_is_read_as_rsync_reads_it(text: bytes, expected: list[str]) -> None:
    assert [str(rule) for rule in RuleList.parse(text, "list").rules] == expected


BAD = {
    "an empty file": (b"", "list: holds no rule"),
    "only comments": (b"# nothing\n\n", "list: holds no rule"),
    "everything cleared": (b"/a\n!\n", "list: holds no rule"),
    "a prefix alone": (b"/a\n- \n", "list:2: a rule without a pattern"),
    "a NUL byte": (b"/a\n/b\0c\n", "list:2: a rule with a NUL byte"),
    "a pattern that rsync would discard": (b"\n\n" + b"x" * 4096, "list:3: a pattern of 4096 bytes; rsync reads 4095 at most"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_a_bad_list_is_refused_with_its_line(text: bytes, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        RuleList.parse(text, "list")
    assert caught.value.message == message
    assert caught.value.exit_code == ExitCode.INVALID


def test_in_an_add_only_list_a_plain_line_includes() -> None:
    rules = RuleList.parse(b"/a\n- /b\n", "list", plain_includes=True).rules
    assert [str(rule) for rule in rules] == ["+ /a", "- /b"]


MERGES = {
    "a plain line merges": (b"/a\n", ["+ /a"], [False]),
    "prefixes decide": (b"+ /a\n- /b\n", ["+ /a", "- /b"], [False, False]),
    "a merge by line": (b"merge=text /a b\n", ["merge=text /a b"], [True]),
    "a name that starts like a merge": (b"+ merge=text /a\n", ["+ merge=text /a"], [False]),
}


@pytest.mark.parametrize(("text", "expected", "by_line"), MERGES.values(), ids=MERGES)
def test_a_merge_list_has_a_third_prefix(text: bytes, expected: list[str], by_line: list[bool]) -> None:
    rules = RuleList.parse(text, "list", plain_includes=True, text_merges=True).rules
    assert ([str(rule) for rule in rules], [rule.text_merge for rule in rules]) == (expected, by_line)


def test_to_other_lists_a_merge_is_a_name_as_to_rsync() -> None:
    (rule,) = RuleList.parse(b"merge=text /a\n", "list").rules
    assert (rule.pattern, rule.text_merge) == ("merge=text /a", False)


BAD_MERGES = {
    "another kind of merge": (b"/a\nmerge=json /a\n", "list:2: a merge that is none"),
    "a merge without its space": (b"merge=text\n", "list:1: a merge that is none"),
    "a merge of nothing": (b"merge=text \n", "list:1: a rule without a pattern"),
}


@pytest.mark.parametrize(("text", "message"), BAD_MERGES.values(), ids=BAD_MERGES)
def test_a_merge_that_cannot_be_meant_is_refused(text: bytes, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        RuleList.parse(text, "list", plain_includes=True, text_merges=True)
    assert caught.value.message == message


def test_joined_files_keep_order_source_and_line_of_every_rule() -> None:
    joined = RuleList.join([("one", b"# why\n/a\n"), ("two", b"\r\n\r\n+ /b\r\n/c")])
    assert joined.rules == (Rule("/a", False, "one", 2), Rule("/b", True, "two", 3), Rule("/c", False, "two", 4))
    assert [rule.place for rule in joined.rules] == ["one:2", "two:3", "two:4"]


JOINED = {
    "a list is tried before those after it": (False, [b"+ /a/b\n", b"/a/*\n"], ["+ /a/b", "- /a/*"]),
    "an exclamation mark clears nothing of another list": (False, [b"/a\n", b"/b\n!\n/c\n", b"/d\n"], ["- /a", "- /c", "- /d"]),
    "what a list takes in says more than that it leaves the rest": (True, [b"/a\n- *\n", b"/b\n"], ["+ /a", "+ /b"]),
    "a list that says nothing on purpose takes nothing from another": (True, [b"- *\n", b"/b\n"], ["+ /b"]),
    "such a rule ends its list": (True, [b"- /**\n/dead\n", b"/b\n"], ["+ /b"]),
    "of a list alone it is one": (True, [b"/a/\n- *\n"], ["+ /a/", "- *"]),
    "in a list that keeps it is a plus": (False, [b"/a\n+ *\n", b"/b\n"], ["- /a", "- /b"]),
    "to keep everything is no such rule": (False, [b"/a\n- *\n", b"/b\n"], ["- /a", "- *", "- /b"]),
    "to add everything is none either": (True, [b"+ **\n", b"- /b\n"], ["+ **", "- /b"]),
}


@pytest.mark.parametrize(("plain_includes", "texts", "expected"), JOINED.values(), ids=JOINED)
def test_lists_that_are_joined_take_nothing_from_each_other(plain_includes: bool, texts: list[bytes], expected: list[str]) -> None:
    joined = RuleList.join([(f"list {number}", text) for number, text in enumerate(texts)], plain_includes=plain_includes)
    assert [str(rule) for rule in joined.rules] == expected


def test_one_empty_file_among_good_ones_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"^two: holds no rule$"):
        RuleList.join([("one", b"/a\n"), ("two", b"# all gone\n"), ("three", b"/c\n")])


MATCHES = [
    ("/a", "a", True), ("/a", "b/a", False), ("a", "b/a", True), ("a", "b/ca", False), ("a/b", "x/a/b", True), ("a/b", "xa/b", False),
    ("/a/*", "a/b", True), ("/a/*", "a/b/c", False), ("/a/**", "a/b/c", True), ("/a/**", "a", False), ("a?c", "x/abc", True),
    ("a?c", "aéc", False), ("a??c", "aéc", True), ("a[!b]c", "a/c", False), ("[[:digit:]]*", "x/7up", True), ("[a", "[a", False),
    ("a\\b", "a\\b", True), ("a\\b*", "ab", True), ("**/a", "a", True), ("x*", "y/\udcff", False), ("[\udcff]", "y/\udcff", True),
    ("*", "new\nline", True), ("-*", "x/-dash", True), ("/", "a", False), ("a", "", False), ("*", "", False),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "path", "expected"), MATCHES)
def test_a_pattern_matches(pattern: str, path: str, expected: bool) -> None:
    assert Pattern.parse(pattern).matches(path, is_dir=False) is expected


@pytest.mark.parametrize("pattern", ["/a/", "a/", "/a/***", "a/***", "/a/*****", "**a/"])
def test_a_slash_or_three_stars_at_the_end_match_the_directory_and_no_file(pattern: str) -> None:
    assert Pattern.parse(pattern).matches("a", is_dir=True)
    assert not Pattern.parse(pattern).matches("a", is_dir=False)


def test_the_first_match_wins() -> None:
    rules = RuleList.parse(b"+ /a/keep*\n- /a/*\n- keepsake\n", "list")
    assert [rules.first_match(path, is_dir=False) for path in ("a/keepsake", "a/b", "b/keepsake", "b/c")] == [*rules.rules, None]


def test_more_than_three_stars_at_the_end_match_the_directory_in_an_index_too() -> None:
    rules = RuleList.parse(b"- /a/*****\n", "list")
    assert rules.first_match("a", is_dir=True) is rules.rules[0]


components = st.sampled_from(["a", "b", "ab", "é", "\udcff", "*", "[", "-", "\n"])
paths = st.lists(components, min_size=1, max_size=4).map("/".join)
tokens = st.one_of(components, st.sampled_from(["/", "*", "**", "***", "?", "[ab]", "[!a]", "\\"]))
ends = st.sampled_from(["", "/", "/***", "/*****", "/**"])
texts = st.tuples(st.sampled_from(["", "/", "**/"]), st.lists(tokens, min_size=1, max_size=6), ends)


@given(st.lists(texts, min_size=1, max_size=8), st.lists(st.tuples(paths, st.booleans()), min_size=1, max_size=12))
def test_the_index_answers_as_asking_every_rule_in_turn_does(
    parts: list[tuple[str, list[str], str]], asked: list[tuple[str, bool]]
) -> None:
    patterns = [start + "".join(middle) + end for start, middle, end in parts]
    rules = RuleList(tuple(Rule(pattern, False, "list", number) for number, pattern in enumerate(patterns, start=1)))
    for path, is_dir in asked:
        one_by_one = (rule for rule in rules.rules if Pattern.parse(rule.pattern).matches(path, is_dir=is_dir))
        assert rules.first_match(path, is_dir=is_dir) == next(one_by_one, None)
