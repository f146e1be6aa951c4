"""The order of Debian versions against dpkg's own."""

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reprov.domain.debian_version import compare

pytestmark = [pytest.mark.commands, pytest.mark.needs("dpkg")]

EPOCHS = st.sampled_from(["", "0:", "1:", "12:"])
PARTS = st.text("0019.+~aZ", max_size=6)
REVISIONS = st.one_of(st.just(""), st.text("0019.+~aZ", min_size=1, max_size=4).map("-".__add__))
VERSIONS = st.builds(
    lambda epoch, start, rest, revision: f"{epoch}{start}{rest}{revision}", EPOCHS, st.sampled_from("0129"), PARTS, REVISIONS
)


def dpkg_says(first: str, relation: str, second: str) -> bool:
    return subprocess.run(["dpkg", "--compare-versions", first, relation, second], check=False, capture_output=True).returncode == 0


@settings(max_examples=400)
@given(VERSIONS, VERSIONS)
def test_dpkg_agrees(first: str, second: str) -> None:
    order = compare(first, second)
    relation = "eq" if order == 0 else "lt" if order < 0 else "gt"
    assert dpkg_says(first, relation, second)
