"""Paths: how they are shown, what holds them, what lies below what."""

import pytest

from reprov.domain.entry import ancestors_of, is_below, parent_of, show

SHOWN = {
    "the root": ("", "/"),
    "a plain path": ("etc/hosts", "/etc/hosts"),
    "letters beyond ASCII stay readable": ("srv/grün", "/srv/grün"),
    "a newline cannot forge a line of output": ("a\nb", "/a\\nb"),
    "an escape sequence cannot reach the terminal": ("a\x1b[2Jb", "/a\\x1b[2Jb"),
    "a byte that is not UTF-8": ("a\udcffb", "/a\\xffb"),
    "text that runs backwards": ("a\u202eb", "/a\\u202eb"),
    "a space stays a space": ("a b", "/a b"),
}


@pytest.mark.parametrize(("path", "expected"), SHOWN.values(), ids=SHOWN)
def test_a_path_is_shown_so_that_a_terminal_survives_it(path: str, expected: str) -> None:
    assert show(path) == expected


@pytest.mark.parametrize(("path", "expected"), [("", ""), ("a", ""), ("a/b", "a"), ("a/b/c", "a/b")])
def test_the_parent_is_the_directory_that_holds_the_path(path: str, expected: str) -> None:
    assert parent_of(path) == expected


@pytest.mark.parametrize(("path", "expected"), [("", []), ("a", [""]), ("a/b", ["", "a"]), ("a/b/c", ["", "a", "a/b"])])
def test_ancestors_start_at_the_root(path: str, expected: list[str]) -> None:
    assert ancestors_of(path) == expected


BELOW = [("a", "", True), ("", "", True), ("a", "a", True), ("a/b", "a", True), ("ab", "a", False), ("a", "a/b", False), ("", "a", False)]


@pytest.mark.parametrize(("path", "directory", "expected"), BELOW)
def test_a_path_is_below_its_ancestors_and_itself_but_not_below_a_name_that_it_starts_with(
    path: str, directory: str, expected: bool
) -> None:
    assert is_below(path, directory) is expected
