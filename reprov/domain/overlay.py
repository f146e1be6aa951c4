"""How the upper directory of an overlay changes the tree below it (kernel documentation, filesystems/overlayfs)."""

from enum import Enum, auto
from typing import NamedTuple

from reprov.domain.entry import Entry, Kind

OVERLAY_XATTR = "trusted.overlay."
OPAQUE_XATTR = "trusted.overlay.opaque"
_WHITEOUT_DEVICE = (0, 0)


class Upper(NamedTuple):
    """What the upper directory has at a name."""

    kind: Kind
    device: tuple[int, int] = (0, 0)
    is_opaque: bool = False


class Step(Enum):
    """What to do for one name of a directory that is in the lower tree, in the upper one, or in both."""

    LOWER = auto()
    """Take the lower one, with all that is in it."""
    UPPER = auto()
    """Take the upper one, with all that is in it, and nothing of the lower one."""
    MERGE = auto()
    """Two directories: take the metadata of the upper one and go through both."""
    NOTHING = auto()
    """The name was removed."""


def step_for(lower: Kind | None, upper: Upper | None) -> Step:
    """The one thing to do for a name; None: it does not exist there."""
    if upper is None:
        return Step.LOWER
    if upper.kind is Kind.CHAR and upper.device == _WHITEOUT_DEVICE:
        return Step.NOTHING
    if upper.kind is Kind.DIR and lower is Kind.DIR and not upper.is_opaque:
        return Step.MERGE
    return Step.UPPER


def may_be_renewed(lower: Entry, upper: Entry) -> bool:
    """True when nothing but time, and perhaps content, tells two files or links apart: a package that was built again brings most
    of its files again. If the content is equal, too, the lower one stays: it is what a node has already, and costs nothing."""
    return lower.kind in (Kind.FILE, Kind.LINK) and lower._replace(mtime_ns=0) == upper._replace(mtime_ns=0)
