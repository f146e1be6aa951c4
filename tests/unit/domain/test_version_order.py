"""Which version of a role is the newer one."""

import pytest

from reprov.domain.version_order import version_key


@pytest.mark.parametrize(
    ("older", "newer"),
    [("1.9", "1.10"), ("1.0~rc1", "1.0"), ("1.0", "1.0.1"), ("1", "1.0"), ("2024-05-01", "2024-10-01"), ("1.0", "1.0-2"), ("1.a", "1.b")],
)
def test_order(older: str, newer: str) -> None:
    assert version_key(older) < version_key(newer)
