import pytest

from reprov.domain.rsync_version import Version, parse_version, warning_of


@pytest.mark.parametrize(
    ("text", "version"),
    [
        pytest.param("rsync  version 3.5.0  protocol version 32\nCopyright", (3, 5, 0), id="rsync's own"),
        pytest.param("openrsync: protocol version 29", None, id="another program of that name"),
    ],
)
def test_version(text: str, version: Version | None) -> None:
    assert parse_version(text) == version


def test_an_old_version_is_warned_of() -> None:
    assert warning_of((3, 4, 9)) == "rsync 3.4.9 has known security holes that 3.5.0 closes"
    assert warning_of((3, 5, 0)) is None
