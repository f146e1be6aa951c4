"""What a scan answers."""

import pytest

from reprov.domain.entry import Kind
from reprov.domain.scan import volume_holding
from tests.builders import a_file, a_link, a_tree, scan_of


@pytest.mark.parametrize(
    ("path", "volume"),
    [
        pytest.param("usr/x", "", id="the root holds what no other volume does"),
        pytest.param("boot", "boot", id="the root directory of a volume lies on that volume"),
        pytest.param("boot/x", "boot", id="what is in a volume"),
        pytest.param("boot/efi/x", "boot/efi", id="the innermost wins"),
        pytest.param("boot/efix", "boot", id="a name with the same beginning is another name"),
        pytest.param("", "", id="the root itself"),
    ],
)
def test_a_path_lies_on_the_innermost_volume(path: str, volume: str) -> None:
    assert volume_holding(path, ("", "boot/efi", "boot")) == volume


def test_what_is_at_a_path() -> None:
    scan = scan_of(a_tree(a_file("usr/a"), a_link("lib")))
    assert [scan.kind_at(path) for path in ("", "usr/a", "lib", "usr/b")] == [Kind.DIR, Kind.FILE, Kind.LINK, None]
