"""Line merges by the real diff3(1)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reprov.adapters.diff3 import merge_text

pytestmark = [pytest.mark.commands, pytest.mark.needs("diff3")]

BASE = b"one\ntwo\nthree\nfour\nfive\n"

CASES = {
    "changes far apart": (BASE.replace(b"one", b"ONE"), BASE, BASE.replace(b"five", b"FIVE"), b"ONE\ntwo\nthree\nfour\nFIVE\n"),
    "a line added by each": (b"zero\n" + BASE, BASE, BASE + b"six\n", b"zero\n" + BASE + b"six\n"),
    "the same change by both, and another by one": (
        BASE.replace(b"one", b"ONE"),
        BASE,
        BASE.replace(b"one", b"ONE").replace(b"five", b"FIVE"),
        b"ONE\ntwo\nthree\nfour\nFIVE\n",
    ),
    "a line removed by one": (BASE.replace(b"two\n", b""), BASE, BASE.replace(b"five", b"FIVE"), b"one\nthree\nfour\nFIVE\n"),
    "the same line": (BASE.replace(b"two", b"2"), BASE, BASE.replace(b"two", b"II"), None),
    "neighbouring lines": (BASE.replace(b"two", b"2"), BASE, BASE.replace(b"three", b"3"), None),
    "a line changed by one and removed by the other": (BASE.replace(b"two", b"2"), BASE, BASE.replace(b"two\n", b""), None),
    "different lines added at the same place": (BASE + b"mine\n", BASE, BASE + b"theirs\n", None),
    "only we changed it": (BASE + b"mine\n", BASE, BASE, BASE + b"mine\n"),
    "only they changed it": (BASE, BASE, BASE + b"theirs\n", BASE + b"theirs\n"),
    "the last newline removed by us": (BASE[:-1], BASE, b"zero\n" + BASE, b"zero\n" + BASE[:-1]),
    "the last newline removed by them": (b"zero\n" + BASE, BASE, BASE[:-1], b"zero\n" + BASE[:-1]),
    "the last newline added by us": (BASE, BASE[:-1], b"zero\n" + BASE[:-1], b"zero\n" + BASE),
    "no last newline anywhere": (b"zero\n" + BASE[:-1], BASE[:-1], BASE[:-1].replace(b"five", b"5"), b"zero\none\ntwo\nthree\nfour\n5"),
    "an empty base": (b"mine\n", b"", b"theirs\n", None),
    "everything removed by one": (b"", BASE, BASE, b""),
    "bytes that are no UTF-8, and lines that end as on DOS": (
        b"\xff\r\n" + BASE,
        BASE,
        BASE + b"\xfe\r\n",
        b"\xff\r\n" + BASE + b"\xfe\r\n",
    ),
    "the marks of a merge that somebody left in the text": (b"<<<<<<< ours\n" + BASE, BASE, BASE + b"six\n", None),
}


@pytest.mark.parametrize(("ours", "base", "theirs", "expected"), CASES.values(), ids=CASES)
def test_merging(ours: bytes, base: bytes, theirs: bytes, expected: bytes | None) -> None:
    assert merge_text(ours, base, theirs) == expected
    assert merge_text(theirs, base, ours) == expected


LINES = st.lists(st.sampled_from([b"a", b"b", b"c", b"  key = value", b"# note", b"\xfc", b""]), max_size=8)
TEXTS = st.builds(lambda lines, end: b"\n".join(lines) + end, LINES, st.sampled_from([b"", b"\n"]))


@settings(max_examples=25)
@given(TEXTS, TEXTS, TEXTS)
def test_a_merge_is_the_same_for_both_sides_and_what_one_left_alone_is_the_others(ours: bytes, base: bytes, theirs: bytes) -> None:
    assert merge_text(ours, base, base) == ours
    assert merge_text(base, base, theirs) == theirs
    assert merge_text(ours, base, ours) == ours
    assert merge_text(ours, base, theirs) == merge_text(theirs, base, ours)


@settings(max_examples=25)
@given(TEXTS, TEXTS, TEXTS)
def test_no_line_that_a_side_added_is_missing_from_a_merge(ours: bytes, base: bytes, theirs: bytes) -> None:
    merged = merge_text(ours, base, theirs)
    if merged is not None:
        for side in (ours, theirs):
            assert set(side.split(b"\n")) - set(base.split(b"\n")) <= set(merged.split(b"\n"))
