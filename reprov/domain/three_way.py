"""Who of two changed something: the one question behind every merge, asked of content and of metadata apart."""

from enum import Enum, auto
from typing import TypeVar

from reprov.domain.entry import Entry, Kind, Xattrs
from reprov.domain.labels import label_in, with_label, without_label

Value = TypeVar("Value")
Content = tuple[Kind, str, str, tuple[int, int]]
Metadata = tuple[int, int, int, Xattrs]
"""Mode, owner, group, and attributes without a SELinux label."""


class Side(Enum):
    """Whose state holds after both sides had their way with something."""

    SAME = auto()
    """Both have the same by now."""
    OURS = auto()
    """The node's: the release did not touch it."""
    THEIRS = auto()
    """The release's: the node did not touch it."""
    CLASH = auto()
    """Both changed it, and not to the same."""


def side_of(base: Value | None, ours: Value | None, theirs: Value | None) -> Side:
    """Whose state holds, by what it was, what the node has, and what the release has; None is "there is none"."""
    if ours == theirs:
        return Side.SAME
    if ours == base:
        return Side.THEIRS
    return Side.OURS if theirs == base else Side.CLASH


def content_of(entry: Entry | None) -> Content | None:
    """What is in a path: its kind, and the digest, link target or device number. A directory has nothing but its kind."""
    return (entry.kind, entry.digest, entry.target, entry.device) if entry else None


def metadata_of(entry: Entry) -> Metadata:
    """What is about a path: mode, owner, attributes, as one. A link's mode means nothing, and a time tells nothing of intent.

    Nor does a SELinux label: it is the policy's, and what a node wants otherwise stands in its file_contexts.local.
    """
    return (0 if entry.kind is Kind.LINK else entry.mode, entry.uid, entry.gid, without_label(entry.xattrs))


def metadata_side(base: Entry | None, ours: Entry, theirs: Entry) -> Side:
    """Whose metadata holds, of two entries of one kind; what a path of another kind had is no base."""
    was = metadata_of(base) if base and base.kind is ours.kind else None
    return side_of(was, metadata_of(ours), metadata_of(theirs))


def dressed(content: Entry, metadata: Entry) -> Entry:
    """The entry of one content with the other's metadata, as a file of its own (no name of a shared inode); its label stays."""
    xattrs = with_label(metadata.xattrs, label_in(content.xattrs)) if content.xattrs or metadata.xattrs else ()
    return content._replace(mode=metadata.mode, uid=metadata.uid, gid=metadata.gid, xattrs=xattrs, link_group=0)
