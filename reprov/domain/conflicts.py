"""Settling: what an upgrade laid beside the node's own, where that stands by now, and what becomes of it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from reprov.domain.beside import original_of
from reprov.domain.entry import Entry, Kind, show
from reprov.domain.three_way import content_of, dressed
from reprov.errors import Refused


class Standing(StrEnum):
    """How a path stands to the `.reprov-new` beside it."""

    DIFFERS = "differs"
    SAME = "same"
    """Somebody has taken the release's over."""
    GONE = "gone"
    """There is no such path: the node removed it."""


class Take(StrEnum):
    """Whose content an operator takes."""

    OURS = "ours"
    THEIRS = "theirs"


class Unsettled(NamedTuple):
    """A path with a `.reprov-new` beside it."""

    path: str
    standing: Standing
    ours: Entry | None
    theirs: Entry
    """The entry of the `.reprov-new`."""


class Settlement(NamedTuple):
    """What settles a conflict: `entry` is made of what `remove` holds, then `remove` goes."""

    entry: Entry | None
    """What the path becomes; None: it stays as it is."""
    remove: str


def unsettled_in(entries: Mapping[str, Entry]) -> tuple[Unsettled, ...]:
    """Every conflict that nobody has settled, in path order; `entries` have digests, and the siblings of what is asked about."""
    found = []
    for new in sorted(entries):
        path = original_of(new)
        if not path or entries[new].kind not in (Kind.FILE, Kind.LINK):
            continue
        ours = entries.get(path)
        standing = Standing.GONE if ours is None else Standing.SAME if content_of(ours) == content_of(entries[new]) else Standing.DIFFERS
        found.append(Unsettled(path, standing, ours, entries[new]))
    return tuple(found)


def settle(conflict: Unsettled, take: Take, installed: Mapping[str, Entry]) -> Settlement:
    """What takes one side's content. It keeps the node's metadata; for a path that is gone it is that of the installed release.

    Raises `Refused` for a directory in the place of the release's file.
    """
    ours, theirs = conflict.ours, conflict.theirs
    if take is Take.OURS or conflict.standing is Standing.SAME:
        return Settlement(None, theirs.path)
    if ours is not None and ours.kind is Kind.DIR:
        raise Refused(
            f"{show(conflict.path)} is a directory, and the release's a {theirs.kind.value}", hint="move the directory away first"
        )
    candidates = (ours, installed.get(conflict.path), theirs)
    metadata = next(entry for entry in candidates if entry is not None and entry.kind is theirs.kind)
    return Settlement(dressed(theirs._replace(path=conflict.path), metadata), theirs.path)
