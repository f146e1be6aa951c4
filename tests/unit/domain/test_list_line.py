"""A path as the line of a list that matches it and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprov.domain.list_line import pattern_of
from reprov.domain.rules import RuleList

_NAMES = st.text(
    st.one_of(st.sampled_from("ab*?[]\\#;+- \n\r\x1b\udcff\u2028é!"), st.characters(exclude_characters="/\0", codec="utf-8")),
    min_size=1,
    max_size=6,
).filter(lambda name: name not in (".", ".."))
_PATHS = st.lists(_NAMES, min_size=1, max_size=3).map("/".join)


@pytest.mark.parametrize(
    ("path", "is_dir", "line"),
    [
        pytest.param("etc/motd", False, "/etc/motd", id="a plain file is anchored"),
        pytest.param("var/lib/app", True, "/var/lib/app/", id="a directory ends with a slash"),
        pytest.param("srv/a*b?[c]", False, "/srv/a\\*b\\?\\[c]", id="wildcards are escaped"),
        pytest.param("srv/back\\slash", False, "/srv/back\\slash", id="a backslash is itself where nothing is a wildcard"),
        pytest.param("srv/back\\*", False, "/srv/back\\\\\\*", id="and escaped where something is"),
        pytest.param("srv/two\nlines", False, "/srv/two?lines", id="a line break is any byte"),
        pytest.param("srv/\udcff", False, "/srv/?", id="so is what is not UTF-8"),
        pytest.param("srv/\u2028", False, "/srv/???", id="a character of three bytes that does not print is three"),
        pytest.param("srv/é x", True, "/srv/é x/", id="letters and spaces stay"),
    ],
)
def test_the_line_of_a_path(path: str, is_dir: bool, line: str) -> None:
    assert pattern_of(path, is_dir=is_dir) == line


@given(_PATHS, st.booleans())
def test_the_line_matches_its_path_in_a_list(path: str, is_dir: bool) -> None:
    rules = RuleList.parse(pattern_of(path, is_dir=is_dir).encode() + b"\n", "list")
    assert len(rules.rules) == 1
    assert rules.first_match(path, is_dir=is_dir) is not None


@given(_PATHS, _PATHS)
def test_the_line_matches_no_other_printable_path(path: str, other: str) -> None:
    if path != other and path.isprintable():
        rules = RuleList.parse(pattern_of(path, is_dir=False).encode() + b"\n", "list")
        assert rules.first_match(other, is_dir=False) is None
