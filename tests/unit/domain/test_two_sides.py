"""Whose word is the later one, for a file of the node's that both sides of an exchange were given."""

import pytest

from reprov.domain.journal import Identity, Linked
from reprov.domain.scan import CLOCK_TICK_NS
from reprov.domain.two_sides import SideOfLinked, is_newer

LINKED = Linked("etc/file", Identity(1, 5), written_ns=50)
REPLACED_NS = 1000 * CLOCK_TICK_NS
AFTER_NS = REPLACED_NS + 5 * CLOCK_TICK_NS

AS_LINKED = SideOfLinked(Identity(1, 5), REPLACED_NS, 50, 1)
WRITTEN_BEFORE = SideOfLinked(Identity(1, 5), REPLACED_NS, REPLACED_NS - 1, 1)
WRITTEN_AFTER = SideOfLinked(Identity(1, 5), AFTER_NS, AFTER_NS, 1)
ROTATED = SideOfLinked(Identity(1, 5), AFTER_NS, AFTER_NS, 2)
REPLACED = SideOfLinked(Identity(2, 5), REPLACED_NS, REPLACED_NS, 1)
REMOVED = SideOfLinked(None, REPLACED_NS, 0, 0)
REPLACED_LATER = SideOfLinked(Identity(3, 5), AFTER_NS, AFTER_NS, 1)
SAME_NUMBER = SideOfLinked(Identity(1, 6), AFTER_NS, 50, 1)
WITH_AN_OLD_TIME = SideOfLinked(Identity(2, 5), REPLACED_NS, 7, 1)
A_TICK_EARLIER = SideOfLinked(Identity(3, 5), REPLACED_NS - CLOCK_TICK_NS, REPLACED_NS - CLOCK_TICK_NS, 1)

FORWARD = {
    "nothing happened": (AS_LINKED, AS_LINKED, False),
    "it was replaced": (REPLACED, AS_LINKED, True),
    "it was removed": (REMOVED, AS_LINKED, True),
    "removed on both sides": (REMOVED, REMOVED, False),
    "written in place, then replaced": (REPLACED, WRITTEN_BEFORE, True),
    "replaced, and after the exchange written in place": (REPLACED, WRITTEN_AFTER, False),
    "replaced by one with an old time, and after the exchange written in place": (WITH_AN_OLD_TIME, WRITTEN_AFTER, False),
    "removed, and after the exchange written in place": (REMOVED, WRITTEN_AFTER, False),
    "rotated away, and written to by whoever had it open": (REPLACED, ROTATED, True),
    "replaced on both sides": (REPLACED, REPLACED_LATER, False),
    "replaced only after the exchange": (AS_LINKED, REPLACED_LATER, False),
    "removed only after the exchange": (AS_LINKED, REMOVED, False),
    "replaced on both sides, and the number of the one that has gone is given away again": (REPLACED, SAME_NUMBER, False),
    "replaced after the exchange, and written to by whoever had it open": (WRITTEN_AFTER, REPLACED, False),
}
UNDOING = {
    "nothing happened": (AS_LINKED, AS_LINKED, False),
    "replaced before the exchange": (AS_LINKED, REPLACED, False),
    "replaced before, written in place after": (WRITTEN_AFTER, REPLACED, True),
    "removed before, written in place after": (WRITTEN_AFTER, REMOVED, True),
    "replaced before and after": (REPLACED_LATER, REPLACED, True),
    "replaced before, and again within a tick": (A_TICK_EARLIER, REPLACED, True),
    "replaced after, and once more when it was undone": (REPLACED, REPLACED_LATER, False),
    "replaced before, removed after": (REMOVED, REPLACED, False),
    "replaced after": (REPLACED_LATER, AS_LINKED, True),
}


@pytest.mark.parametrize(("left", "here", "newer"), FORWARD.values(), ids=FORWARD)
def test_of_a_commit(left: SideOfLinked, here: SideOfLinked, newer: bool) -> None:
    assert is_newer(left, here, LINKED, undoing=False) is newer


@pytest.mark.parametrize(("left", "here", "newer"), UNDOING.values(), ids=UNDOING)
def test_of_an_undo(left: SideOfLinked, here: SideOfLinked, newer: bool) -> None:
    assert is_newer(left, here, LINKED, undoing=True) is newer


def test_a_time_in_the_future_that_was_there_before_is_no_news() -> None:
    future = WRITTEN_AFTER._replace(written_ns=AFTER_NS**2)
    assert is_newer(REPLACED, future, LINKED._replace(written_ns=AFTER_NS**2), undoing=False)
