"""Names in the kernel's tables."""

import pytest

from reprov.domain.proc_text import unescaped


@pytest.mark.parametrize(
    "raw, name",
    [
        (b"/plain", "/plain"),
        (rb"/a\040b\011\012\134040", "/a b\t\n\\040"),
        ("/ä".encode(), "/ä"),
        (b"/\xff", "/\udcff"),
        (rb"/\9\04", r"/\9\04"),
    ],
)
def test_a_name_is_the_bytes_that_it_was(raw: bytes, name: str) -> None:
    assert unescaped(raw.decode("latin-1")) == name
