"""Blockers as a refusal."""

import pytest

from reprov.domain.blockers import refuse
from reprov.domain.comparison import Blocker
from reprov.errors import Refused

ONE, TWO = Blocker("etc/conf", "is in the way", "move it"), Blocker("", "is small", "")


@pytest.mark.parametrize(
    "blockers, more, message",
    [
        ([ONE], "", "/etc/conf is in the way"),
        ([ONE, TWO], "", "/etc/conf is in the way"),
        ([ONE], " (and {} more)", "/etc/conf is in the way"),
        ([ONE, TWO, TWO], " (and {} more)", "/etc/conf is in the way (and 2 more)"),
    ],
)
def test_the_first_one_is_told(blockers: list[Blocker], more: str, message: str) -> None:
    with pytest.raises(Refused) as caught:
        refuse(blockers, more=more)
    assert (caught.value.message, caught.value.hint) == (message, "move it")


def test_without_one_nothing_is_refused() -> None:
    refuse([])
