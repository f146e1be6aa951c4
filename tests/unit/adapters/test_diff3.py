"""What is no matter for diff3."""

import pytest

from reprov.adapters.diff3 import merge_text

# That no program is started for these is what the unit tier enforces.


@pytest.mark.parametrize("place", range(3), ids=["ours", "base", "theirs"])
def test_what_has_a_nul_byte_is_no_text(place: int) -> None:
    contents = [b"a\n", b"b\n", b"c\n"]
    contents[place] = b"\0"
    assert merge_text(*contents) is None
