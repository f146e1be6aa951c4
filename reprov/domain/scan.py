"""What a node's root holds, as far as a plan needs to know it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from reprov.domain.entry import Entry, Kind, is_below
from reprov.domain.ownership import Verdict


class Signature(NamedTuple):
    """What tells without reading that a path has not changed: the kernel moves ctime with every change of content or metadata."""

    device: int
    inode: int
    ctime_ns: int
    size: int


CLOCK_TICK_NS: Final = 20_000_000
"""How far the clock with which the kernel stamps files may lag behind that of a program."""


@dataclass(frozen=True, slots=True)
class Scan:
    """The live tree: image-owned paths in full, of kept and add-only ones what is there and no more.

    Directories that are kept are not entered, nor are add-only ones that the release does not know.
    """

    entries: Mapping[str, Entry]
    """By path, the root ("") included. Files that are not the image's have no digest."""
    signatures: Mapping[str, Signature]
    verdicts: Mapping[str, Verdict]
    """Of the paths that are not the image's."""
    volumes: tuple[str, ...]
    """Roots of the managed filesystems, "" first: separate mounts and btrfs subvolumes each swap within themselves."""
    fenced: frozenset[str]
    """Mount points and other filesystems' roots that the release does not manage: never entered, never moved."""
    labels: bool = False
    """Whether SELinux labels are among the attributes."""

    def kind_at(self, path: str) -> Kind | None:
        """What is at the path; None when the scan saw nothing there."""
        entry = self.entries.get(path)
        return entry.kind if entry else None

    def volume_of(self, path: str) -> str:
        """The root of the filesystem that a path lies on (of a volume's root directory: that volume)."""
        return volume_holding(path, self.volumes)


def moved_between(before: Scan, after: Scan) -> list[str]:
    """The image's paths that came, went, changed or became the node's from one scan to the other, in path order.

    Times of directories aside. What is new and the node's is no business of the image's.
    """
    moved = []
    for path in before.entries.keys() | after.entries.keys():
        if path in before.verdicts or path in before.fenced:
            if path not in after.verdicts and path not in after.fenced and path in after.entries:
                moved.append(path)
            continue
        old, new = before.entries.get(path), after.entries.get(path)
        if old is new or (old is None and path in after.verdicts):
            continue
        if path in after.verdicts or is_moved(old, new):
            moved.append(path)
    return sorted(moved)


def is_moved(old: Entry | None, new: Entry | None) -> bool:
    """Whether a path came, went or changed; times of directories aside."""
    return old is None or new is None or not _settled(old).equals(_settled(new))


def _settled(entry: Entry) -> Entry:
    return entry._replace(mtime_ns=0) if entry.kind is Kind.DIR else entry


def volume_holding(path: str, volumes: Iterable[str]) -> str:
    """The innermost of these volume roots that a path lies on."""
    return max((volume for volume in volumes if is_below(path, volume)), key=len)
