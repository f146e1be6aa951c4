"""The order of Debian versions; the oracle tier asks dpkg itself."""

import pytest

from reprov.domain.debian_version import compare, order_key


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        pytest.param("1.9", "1.10", id="numbers count as numbers"),
        pytest.param("1.0~rc1", "1.0", id="a tilde sorts before the end"),
        pytest.param("1.0~~", "1.0~", id="two tildes sort before one"),
        pytest.param("1.0", "1.0a", id="a letter sorts after the end"),
        pytest.param("1.0a", "1.0+", id="other characters sort after letters"),
        pytest.param("2.36-9+deb12u9", "2.36-9+deb12u10", id="security updates count up"),
        pytest.param("9.9", "1:0.1", id="an epoch wins"),
        pytest.param("1.0-1", "1.0-2", id="the revision decides at last"),
        pytest.param("1.0", "1.0-1", id="no revision is older than one"),
        pytest.param("0~", "", id="a tilde sorts before nothing at all"),
        pytest.param("1-2-3", "1-2-4", id="the revision starts at the last dash"),
    ],
)
def test_the_first_is_older(older: str, newer: str) -> None:
    assert compare(older, newer) < 0 < compare(newer, older)
    assert sorted([newer, older], key=order_key) == [older, newer]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("1.0", "1.00", id="leading zeros say nothing"),
        pytest.param("0:1.0", "1.0", id="epoch 0 says nothing"),
        pytest.param("1.0-0", "1.0", id="revision 0 says nothing"),
        pytest.param("1.", "1.0", id="no number is 0"),
    ],
)
def test_dpkg_takes_them_for_the_same(one: str, other: str) -> None:
    assert compare(one, other) == 0
