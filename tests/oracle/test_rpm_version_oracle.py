"""The order of RPM versions against rpm's own."""

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reprov.domain.rpm_version import compare, vercmp

pytestmark = [pytest.mark.commands, pytest.mark.needs("rpm")]

VERSIONS = st.text("0019.+~^_aZ", min_size=1, max_size=8)
EPOCHS = st.sampled_from(["", "0:", "1:", "12:"])
RELEASES = st.sampled_from(["1", "1.el9", "1.el9_2", "2.fc42", "10.el10", "1~rc1", "1^git"])
FULL = st.builds(lambda epoch, version, release: f"{epoch}{version}-{release}", EPOCHS, VERSIONS, RELEASES)


def rpm_says(pairs: list[tuple[str, str]]) -> list[int]:
    """What rpm says of each pair, from one start of it."""
    calls = "".join(f'print(rpm.vercmp("{first}", "{second}") .. "\\n")' for first, second in pairs)
    said = subprocess.run(["rpm", "--eval", f"%{{lua: {calls}}}"], check=True, capture_output=True, text=True).stdout
    return [int(line) for line in said.split()]


@settings(max_examples=40)
@given(st.lists(st.tuples(VERSIONS, VERSIONS), min_size=1, max_size=20))
def test_rpm_agrees_on_versions(pairs: list[tuple[str, str]]) -> None:
    assert [vercmp(first, second) for first, second in pairs] == rpm_says(pairs)


@settings(max_examples=40)
@given(st.lists(st.tuples(FULL, FULL), min_size=1, max_size=20))
def test_rpm_agrees_on_versions_with_epoch_and_release(pairs: list[tuple[str, str]]) -> None:
    assert [compare(first, second) for first, second in pairs] == rpm_says(pairs)
