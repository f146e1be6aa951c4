"""Differences as people read them."""

import pytest

from reprov.domain.unified import is_text, unified

CASES = {
    "a changed line with its neighbours": (b"a\nb\nc\n", b"a\nB\nc\n", ["@@ -1,3 +1,3 @@", " a", "-b", "+B", " c"]),
    "the same text": (b"a\n", b"a\n", []),
    "a last line without its end": (b"a", b"a\n", ["@@ -1 +1 @@", "-a", "\\ No newline at end of file", "+a"]),
    "line ends of another system": (b"a\r\n", b"a\n", ["@@ -1 +1 @@", "-a\\r", "+a"]),
    "what a terminal would obey": (b"\x1b[31m\n", b"\t\x9b1m\n", ["@@ -1 +1 @@", "-\\x1b[31m", "+\t\\x9b1m"]),
    "other encodings": ("ü\n".encode(), b"\xfc\n", ["@@ -1 +1 @@", "-ü", "+\\xfc"]),
    "bytes that look alike when they are escaped": (b"\\xfc\n", b"\xfc\n", ["@@ -1 +1 @@", "-\\xfc", "+\\xfc"]),
    "no other line ends than a newline": (b"a\x0cb\n", b"a\x0cc\n", ["@@ -1 +1 @@", "-a\\x0cb", "+a\\x0cc"]),
    "from an empty text": (b"", b"a\n", ["@@ -0,0 +1 @@", "+a"]),
}


@pytest.mark.parametrize(("old", "new", "lines"), CASES.values(), ids=CASES)
def test_a_difference_in_lines(old: bytes, new: bytes, lines: list[str]) -> None:
    names = ["--- /etc/f", "+++ /etc/f.reprov-new"] if lines else []
    assert list(unified(old, new, "/etc/f", "/etc/f.reprov-new")) == names + lines


def test_what_is_not_there_is_nowhere() -> None:
    assert unified(None, b"a\n", "/etc/f", "/etc/g")[:2] == ("--- /dev/null", "+++ /etc/g")
    assert unified(b"a\n", None, "/etc/f", "/etc/g")[:2] == ("--- /etc/f", "+++ /dev/null")


@pytest.mark.parametrize(("content", "is_one"), [(b"", True), (b"\xff\n", True), (b"a\0", False)], ids=["empty", "latin-1", "with a NUL"])
def test_what_a_text_is(content: bytes, is_one: bool) -> None:
    assert is_text(content) is is_one
