"""When trees are exchanged."""

import pytest

from reprov.domain.commit_time import Chosen, CommitTime, choose_time
from reprov.domain.comparison import Blocker

LIBC = Blocker("usr/lib/libc.so.6", "belongs to the C library", "wait")
WHY = ("/usr/lib/libc.so.6 belongs to the C library",)


@pytest.mark.parametrize(
    ("asked", "blockers", "chosen"),
    [
        pytest.param(CommitTime.AUTO, [], Chosen(CommitTime.LIVE), id="nothing speaks against it: now"),
        pytest.param(CommitTime.AUTO, [LIBC], Chosen(CommitTime.BOOT, WHY), id="something does: at boot, and it is the reason"),
        pytest.param(CommitTime.LIVE, [LIBC], Chosen(CommitTime.LIVE), id="now or never"),
        pytest.param(CommitTime.BOOT, [], Chosen(CommitTime.BOOT, ("somebody asked for it",)), id="at boot by wish"),
        pytest.param(CommitTime.BOOT, [LIBC], Chosen(CommitTime.BOOT, WHY), id="at boot by wish, and of need"),
    ],
)
def test_when(asked: CommitTime, blockers: list[Blocker], chosen: Chosen) -> None:
    assert choose_time(asked, blockers) == chosen
