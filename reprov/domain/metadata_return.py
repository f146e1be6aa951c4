"""The mode, owner and attributes of a shared path of a tree that comes back: what the node has changed since holds there, too."""

from reprov.domain.entry import Entry
from reprov.domain.three_way import Side, dressed, metadata_of, metadata_side


def wear_of_now(live: Entry, installed: Entry, before: Entry | None, previous: Entry) -> Entry | None:
    """What the path becomes in the `previous` tree; None where it stays as it is there.

    `installed` is the entry of the release that is live, `before` that of the previous tree's release (None: it has none).
    What is changed since can only be seen against what the last commit made, and that is the same merge: the installed
    release's with the previous tree's. Its content, and with it its time, is the tree's own.
    """
    if live.kind is not previous.kind:
        return None
    made = installed if metadata_side(before, previous, installed) is Side.THEIRS else previous
    if metadata_of(live) in (metadata_of(made), metadata_of(previous)):
        return None
    return dressed(previous, live)
