"""What an overlay's upper directory says about one name."""

import pytest

from reprov.domain.entry import Kind
from reprov.domain.overlay import Step, Upper, step_for

CASES = {
    "untouched": (Kind.FILE, None, Step.LOWER),
    "new": (None, Upper(Kind.FILE), Step.UPPER),
    "changed": (Kind.FILE, Upper(Kind.FILE), Step.UPPER),
    "removed": (Kind.FILE, Upper(Kind.CHAR, (0, 0)), Step.NOTHING),
    "a whole directory removed": (Kind.DIR, Upper(Kind.CHAR, (0, 0)), Step.NOTHING),
    "a whiteout over nothing": (None, Upper(Kind.CHAR, (0, 0)), Step.NOTHING),
    "a real device is no whiteout": (None, Upper(Kind.CHAR, (1, 3)), Step.UPPER),
    "a block device 0:0 is no whiteout": (None, Upper(Kind.BLOCK, (0, 0)), Step.UPPER),
    "a directory entered": (Kind.DIR, Upper(Kind.DIR), Step.MERGE),
    "a directory removed and made again": (Kind.DIR, Upper(Kind.DIR, is_opaque=True), Step.UPPER),
    "a file became a directory": (Kind.FILE, Upper(Kind.DIR), Step.UPPER),
    "a link to a directory became a directory": (Kind.LINK, Upper(Kind.DIR), Step.UPPER),
    "a directory became a link": (Kind.DIR, Upper(Kind.LINK), Step.UPPER),
    "a new directory": (None, Upper(Kind.DIR), Step.UPPER),
}


@pytest.mark.parametrize(("lower", "upper", "step"), CASES.values(), ids=CASES.keys())
def test_step_for_a_name(lower: Kind | None, upper: Upper | None, step: Step) -> None:
    assert step_for(lower, upper) is step
