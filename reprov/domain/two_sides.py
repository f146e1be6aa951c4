"""Which side of an exchange has the later word on a file of the node's that both sides were given."""

from typing import NamedTuple

from reprov.domain.journal import Identity, Linked
from reprov.domain.scan import CLOCK_TICK_NS


class SideOfLinked(NamedTuple):
    """What a side has at the path of a file that was linked to both."""

    identity: Identity | None
    """None where it has nothing."""
    changed_ns: int
    """When the inode last changed, its names included; of nothing, when its directory did."""
    written_ns: int
    names: int
    """How many the inode has."""


def is_newer(left: SideOfLinked, here: SideOfLinked, linked: Linked, *, undoing: bool) -> bool:
    """Whether the side that was live until now has the later word; the path has been the live side's alone since.

    Who replaced or removed a file before the exchange leaves the other side with the one that was linked. Whoever writes to that
    one by its path does it afterwards, and his is the later word; only its own times tell. In an undo the side that was live
    until now came last, so that one replaced on both sides is that side's, too.
    """
    if left.identity == here.identity:
        return False
    if left.identity == linked.identity:
        return undoing and _was_written_after(left, here, linked)
    if here.identity in (linked.identity, None):
        return not (here.identity and _was_written_after(here, left, linked))
    # Replacing a file changes the inode that goes as well, and that may be stamped a tick later than the one that comes.
    return undoing and left.identity is not None and left.changed_ns + CLOCK_TICK_NS >= here.changed_ns


def _was_written_after(side: SideOfLinked, other: SideOfLinked, linked: Linked) -> bool:
    """Whether the file that was linked was written to after the other side had replaced or removed it.

    One with another name left loses nothing: a log that was rotated is written to by whoever had it open.
    """
    return side.names == 1 and side.written_ns != linked.written_ns and side.written_ns > other.changed_ns
