"""What an upgrade changes of every path of a node, and why: the decision that everything after it only carries out."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter
from types import MappingProxyType
from typing import NamedTuple

from reprov.domain.entry import Entry, Kind, ancestors_of, is_below, parent_of, show
from reprov.domain.fences import Fence
from reprov.domain.ownership import SHARED, Owner, Ownership, Verdict
from reprov.domain.rules import Rule
from reprov.domain.scan import Scan

_RELEASE_KINDS = (Kind.DIR, Kind.FILE, Kind.LINK)
"""What else an image lacks is the node's wherever it lies: sockets and the like."""
_inode_of = attrgetter("inode")
_NO_FENCES: Mapping[str, Fence] = MappingProxyType({})


class Action(StrEnum):
    """What happens to a path."""

    CREATE = "create"
    REPLACE = "replace"
    METADATA = "metadata"
    DELETE = "delete"


class Change(NamedTuple):
    """One path that an upgrade changes."""

    path: str
    action: Action
    reason: str
    before: Entry | None
    after: Entry | None


class Kept(NamedTuple):
    """One path that stays although the image lacks it, has another one, or holds it in a directory that it owns."""

    path: str
    reason: str
    rule: Rule | None


class Blocker(NamedTuple):
    """Why an upgrade must not start; a plan with blockers is refused."""

    path: str
    problem: str
    hint: str

    @property
    def text(self) -> str:
        """The path and its problem, for an operator."""
        return f"{show(self.path)} {self.problem}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """The difference between a node and a release under the ownership rules, each list in path order."""

    changes: tuple[Change, ...]
    kept: tuple[Kept, ...]
    blockers: tuple[Blocker, ...]


def compare(target: Mapping[str, Entry], scan: Scan, ownership: Ownership, fences: Mapping[str, Fence] = _NO_FENCES) -> Comparison:
    """Decide for every path of the target and of the node. `fences` say of what the scan has fenced what it is: else a mount.

    What the scan gives to the node stays, whatever these lists say: it knows the promises of other releases, and what no
    release brought. What is to be merged must have been decided before (`merged.apply_merges`): here it is the release's.
    """
    comparer = _Comparer(target, scan, ownership, fences)
    live_entry, verdicts, fenced = scan.entries.get, scan.verdicts, scan.fenced
    for path, entry in target.items():
        # Most entries of a release are the very objects that are known of the node (Manifest.parse, StatCache).
        if live_entry(path) is not entry or path in verdicts or path in fenced:
            comparer.want(path, entry)
    for path, entry in scan.entries.items():
        if path not in target:
            comparer.leftover(path, entry)
    comparer.keep_what_holds_kept()
    comparer.renew_link_groups()
    return Comparison(
        tuple(comparer.changes[path] for path in sorted(comparer.changes)),
        tuple(comparer.kept[path] for path in sorted(comparer.kept)),
        tuple(comparer.blockers),
    )


class _Comparer:
    """The state of one comparison; `compare` shows the order of its steps."""

    def __init__(self, target: Mapping[str, Entry], scan: Scan, ownership: Ownership, fences: Mapping[str, Fence]) -> None:
        self.target = target
        self.scan = scan
        self.ownership = ownership
        self.fences = fences
        self.changes: dict[str, Change] = {}
        self.kept: dict[str, Kept] = {}
        self.blockers: list[Blocker] = []
        self._closed: set[str] = set()  # paths of the target below which nothing may be created: the node's
        self._fenced: dict[str, str] = {}  # paths of the target at or below a fence, and that fence
        self._blocked_fences: set[str] = set()

    def want(self, path: str, entry: Entry) -> None:
        """Decide for a path of the target; parents come before their children."""
        live = self.scan.entries.get(path)
        verdict = self.scan.verdicts.get(path) or self.ownership.of(path, is_dir=entry.kind is Kind.DIR)
        if path in self.scan.fenced or (path and parent_of(path) in self._fenced):
            self._want_behind_fence(path, entry, verdict)
        elif path and parent_of(path) in self._closed:
            self._closed.add(path)
        elif live is None:
            why = "new in the release" if verdict.owner in SHARED else f"missing; {verdict.owner} once it is there"
            self.changes[path] = Change(path, Action.CREATE, why, None, entry)
        elif verdict.owner not in SHARED:
            if verdict.owner is Owner.KEEP or live.kind is not Kind.DIR:
                self._closed.add(path)
            self.kept[path] = Kept(path, f"{verdict.owner}: the node's stays", verdict.rule)
        elif difference := _content_difference(entry, live):
            self.changes[path] = Change(path, Action.REPLACE, difference, live, entry)
        elif difference := _metadata_difference(entry, live):
            self.changes[path] = Change(path, Action.METADATA, difference, live, entry)

    def _want_behind_fence(self, path: str, entry: Entry, verdict: Verdict) -> None:
        fence = path if path in self.scan.fenced else self._fenced[parent_of(path)]
        self._fenced[path] = fence
        if entry.kind is Kind.DIR or verdict.owner not in SHARED or fence in self._blocked_fences:
            return
        self._blocked_fences.add(fence)
        found = self._fence_at(fence)
        self.blockers.append(Blocker(fence, f"{found.problem}, and the release has content there ({show(path)})", found.hint))

    def leftover(self, path: str, entry: Entry) -> None:
        """Decide for a path of the node that the target does not know."""
        verdict = self.scan.verdicts.get(path)
        if path in self.scan.fenced:
            self.kept[path] = Kept(path, self._fence_at(path).kept, None)
        elif verdict is not None:
            self.kept[path] = Kept(path, self._why_kept(entry, verdict), verdict.rule)
        else:
            self.changes[path] = Change(path, Action.DELETE, "not in the release", entry, None)

    def _fence_at(self, path: str) -> Fence:
        return self.fences.get(path) or Fence.mount(path)

    def _why_kept(self, entry: Entry, verdict: Verdict) -> str:
        if verdict.rule is None and entry.kind in _RELEASE_KINDS and not parent_of(entry.path):
            return "in the root directory, and no release brought it"
        if verdict.rule is None or self.ownership.of(entry.path, is_dir=entry.kind is Kind.DIR).owner is not Owner.IMAGE:
            return f"{verdict.owner}: the node's"
        return "kept by the installed release, unknown to this one"

    def keep_what_holds_kept(self) -> None:
        """A directory that holds something kept cannot go; one that is to become something else stops the plan."""
        in_the_way: dict[str, list[str]] = {}
        for path in sorted(self.kept):
            for directory in reversed(ancestors_of(path)):
                change = self.changes.get(directory)
                if change is None:
                    continue
                if change.action is Action.DELETE:
                    del self.changes[directory]
                    if directory not in self.kept:
                        self.kept[directory] = Kept(directory, "not in the release, but it holds what is kept", self.kept[path].rule)
                elif change.after is not None and change.after.kind is not Kind.DIR:
                    in_the_way.setdefault(directory, []).append(path)
        for directory, paths in in_the_way.items():
            after = self.changes[directory].after
            assert after is not None
            self.blockers.append(_cannot_become(after, directory, paths))

    def renew_link_groups(self) -> None:
        """A hard-link group is one inode: when one of its names changes, or the node groups them otherwise, all are renewed."""
        wanted: dict[tuple[str, int], list[str]] = {}
        for path, entry in self.target.items():
            # What is the node's, and what lies on another filesystem, cannot be a name of the same inode.
            if entry.link_group and (path in self.changes or (path in self.scan.entries and not self._is_the_nodes(path))):
                wanted.setdefault((self.scan.volume_of(path), entry.link_group), []).append(path)
        counts = Counter(map(_inode_of, self.scan.signatures.values()))
        several = {inode for inode, names in counts.items() if names > 1}
        shared: dict[tuple[int, ...], list[str]] = {}
        for path, signature in self.scan.signatures.items():
            # Inodes of two filesystems may have one number: the device tells them apart.
            if signature.inode in several and path in self.target and not self._is_the_nodes(path) and self.target[path].kind is Kind.FILE:
                shared.setdefault(signature[:2], []).append(path)
        whole = {tuple(sorted(paths)) for paths in wanted.values()}
        for paths in wanted.values():
            if any(path in self.changes for path in paths):
                self._renew(paths, "hard link to a path that changes")
            elif len({self.scan.signatures[path][:2] for path in paths if path in self.scan.signatures}) > 1:
                self._renew(paths, "the release has these as one file with several names")
        for paths in shared.values():
            if len(paths) > 1 and tuple(sorted(paths)) not in whole:
                self._renew(paths, "shares its inode with a path that it should not share it with")

    def _is_the_nodes(self, path: str) -> bool:
        return path in self.scan.verdicts or path in self._fenced

    def _renew(self, paths: Iterable[str], reason: str) -> None:
        for path in paths:
            live = self.scan.entries.get(path)
            if live is not None and path not in self.changes and not self._is_the_nodes(path):
                self.changes[path] = Change(path, Action.REPLACE, reason, live, self.target[path])


def _cannot_become(after: Entry, directory: str, paths: Sequence[str]) -> Blocker:
    """One blocker for a directory, however much in it is kept; the first path is where to begin."""
    first, more = show(paths[0]), len(paths) - 1
    held, them = (f"{first} and {more} more", "them") if more else (first, "it")
    return Blocker(
        directory,
        f"is a directory that holds what is kept ({held}) and would become a {after.kind.value}",
        f"move {held} away, or take {them} out of the lists",
    )


def covers(target: Mapping[str, Entry], directory: str) -> bool:
    """True when the release has more than directories below this one: content that a mount there would hide."""
    return any(entry.kind is not Kind.DIR and path != directory and is_below(path, directory) for path, entry in target.items())


def _content_difference(entry: Entry, live: Entry) -> str:
    if entry.kind is not live.kind:
        return f"{live.kind.value} becomes {entry.kind.value}"
    if entry.kind is Kind.FILE and entry.digest != live.digest:
        return "content differs"
    if entry.kind is Kind.LINK and entry.target != live.target:
        return "link target differs"
    if entry.device != live.device:
        return "device number differs"
    return ""


def _metadata_difference(entry: Entry, live: Entry) -> str:
    """What differs besides content; times of anything but files are no difference, they move with every neighbour."""
    differing = []
    if entry.kind is not Kind.LINK and entry.mode != live.mode:
        differing.append(f"mode {live.mode:04o} becomes {entry.mode:04o}")
    if (entry.uid, entry.gid) != (live.uid, live.gid):
        differing.append(f"owner {live.uid}:{live.gid} becomes {entry.uid}:{entry.gid}")
    if entry.kind is Kind.FILE and entry.mtime_ns != live.mtime_ns:
        differing.append("time differs")
    if entry.xattrs != live.xattrs:
        names = {name for name, value in set(entry.xattrs) ^ set(live.xattrs)}
        differing.append(f"attributes differ ({', '.join(sorted(names))})")
    return ", ".join(differing)
