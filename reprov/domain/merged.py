"""Carrying out what a merge decided: the target and the scan that a comparison gets, and the content that is in no tree."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from stat import S_IROTH

from reprov.domain.beside import original_of, place_beside
from reprov.domain.comparison import Comparison
from reprov.domain.entry import Entry, Kind, parent_of, show
from reprov.domain.labels import only_label
from reprov.domain.merge import Conflict, Merges, Stays, TextMerge, metadata_conflict
from reprov.domain.ownership import Owner, Verdict
from reprov.domain.scan import Scan
from reprov.domain.three_way import Side, content_of, dressed, metadata_side
from reprov.errors import Refused

_LONGEST_NAME_BYTES = 255
_READABLE = 0o666  # never executable: grub.d and dispatcher.d run whatever is
_PRIVATE = 0o600


@dataclass(frozen=True, slots=True)
class Merged:
    """What a comparison is made of when both sides have had their way."""

    target: Mapping[str, Entry]
    """The release's paths without what the node removed, with what is of both, and at the end the `.reprov-new` files."""
    scan: Scan
    """The node's, where what stays the node's is kept."""
    contents: Mapping[str, bytes]
    """Of files that are written and that no tree may have, by sha256 in hex."""
    nodes: Mapping[str, Stays]
    """What stays as the node has it; a directory with everything in it."""
    removed: Mapping[str, Stays]
    """What the node removed, and what stays away."""
    conflicts: tuple[Conflict, ...]
    """In path order."""

    def explain(self, comparison: Comparison) -> Comparison:
        """The comparison of what was merged, with the merge's own reasons for what it left to the node."""
        kept = (item._replace(reason=self.nodes[item.path].reason) if item.path in self.nodes else item for item in comparison.kept)
        return replace(comparison, kept=tuple(kept))

    def stays(self, path: str) -> bool:
        """True for what stays the node's, and for everything in a directory that does."""
        return stays_in(self.nodes, path)


def apply_merges(
    target: Mapping[str, Entry], scan: Scan, found: Merges, texts: Mapping[str, bytes | None], theirs: Mapping[str, bytes]
) -> Merged:
    """Carry out what `find_merges` found in this target and scan.

    `texts` are the line merges by path, None or missing where none is clean; `theirs` is the content of the new
    release's merged files by path. Raises `Refused` when that lacks a file which is to be laid beside the node's.
    """
    applier = _Applier(target, scan, found, theirs)
    for text in found.texts:
        applier.merge_text(text, texts.get(text.path))
    for conflict in list(applier.conflicts.values()):
        applier.lay_beside(conflict)
    applier.keep_unsettled()
    return applier.merged()


class _Applier:
    """The state of one application; `apply_merges` shows the order of its steps."""

    def __init__(self, target: Mapping[str, Entry], scan: Scan, found: Merges, theirs: Mapping[str, bytes]) -> None:
        self.scan = scan
        self.found = found
        self.theirs = theirs
        self.release = target
        self.target = {**target, **found.written}
        for path in found.removed:
            self.target.pop(path, None)
        self.nodes = dict(found.nodes)
        self.conflicts = {conflict.path: conflict for conflict in found.conflicts}
        self.contents: dict[str, bytes] = {}

    def merge_text(self, text: TextMerge, content: bytes | None) -> None:
        """Take a line merge where there is one; else the path is in conflict."""
        if content is None:
            self.nodes[text.path] = Stays("changed on both sides", text.rule)
            self.conflicts[text.path] = Conflict(text.path, "changed on both sides, and not by separate lines", text.ours, text.theirs)
            return
        side = metadata_side(text.base, text.ours, text.theirs)
        if side is Side.CLASH:
            self.conflicts[text.path] = metadata_conflict(text.path, text.ours, text.theirs)
        mtime_ns = max(text.ours.mtime_ns, text.theirs.mtime_ns)
        of_both = text.theirs._replace(size=len(content), digest=hashlib.sha256(content).hexdigest(), mtime_ns=mtime_ns)
        self.target[text.path] = dressed(of_both, text.theirs if side is Side.THEIRS else text.ours)
        self.contents[of_both.digest] = content

    def lay_beside(self, conflict: Conflict) -> None:
        """Put the release's content beside the node's, in the place of what an earlier upgrade put there and of nothing else."""
        new, theirs = place_beside(conflict.path), conflict.theirs
        if not conflict.of_content or theirs is None or theirs.kind not in (Kind.FILE, Kind.LINK):
            return
        if not new:
            return
        is_there = new in self.scan.entries or new in self.release
        if is_there and new not in self.found.earlier:
            self._give_up(conflict, f"{show(new)} is taken, so the release's is not written")
            return
        if any(parent_of(path) not in self.target for path in (new, conflict.path)):
            return
        if len(new.rpartition("/")[2].encode("utf-8", "surrogateescape")) > _LONGEST_NAME_BYTES:
            self._give_up(conflict, "its name leaves no room for the release's beside it")
            return
        if theirs.kind is Kind.FILE:
            self.contents[theirs.digest] = self._content_of(theirs)
        is_open = theirs.mode & S_IROTH and (conflict.ours is None or conflict.ours.mode & S_IROTH)
        mode = theirs.mode if theirs.kind is Kind.LINK else theirs.mode & _READABLE if is_open else _PRIVATE
        # Without its attributes but for the label: an access list could open what the mode closes.
        self.target[new] = theirs._replace(path=new, mode=mode, xattrs=only_label(theirs.xattrs), link_group=0)
        self.conflicts[conflict.path] = conflict._replace(new=new)

    def keep_unsettled(self) -> None:
        """What an earlier upgrade laid beside a path stays while the path differs from it; it goes when nobody needs to look any more."""
        for new, rule in self.found.earlier.items():
            original = original_of(new)
            in_release = content_of(self.release.get(original))
            ours = content_of(self.scan.entries.get(original))
            stays = original in self.nodes or original in self.found.removed or content_of(self.target.get(original)) == ours
            if new not in self.target and stays and in_release != ours and content_of(self.scan.entries[new]) == in_release:
                self.nodes[new] = Stays("the release's, beside what stays the node's", rule)

    def merged(self) -> Merged:
        """What has come of it."""
        return Merged(
            self.target,
            kept_in(self.scan, self.nodes),
            self.contents,
            self.nodes,
            self.found.removed,
            tuple(self.conflicts[path] for path in sorted(self.conflicts)),
        )

    def _give_up(self, conflict: Conflict, why: str) -> None:
        self.conflicts[conflict.path] = conflict._replace(reason=f"{conflict.reason}, and {why}")

    def _content_of(self, entry: Entry) -> bytes:
        content = self.theirs.get(entry.path)
        if content is None or hashlib.sha256(content).hexdigest() != entry.digest:
            raise Refused(f"the release comes without the content of {show(entry.path)}", hint="publish the release again")
        return content


def stays_in(nodes: Collection[str], path: str) -> bool:
    """True when the path is one of these, or in a directory that is."""
    while path:
        if path in nodes:
            return True
        path = parent_of(path)
    return False


def kept_in(scan: Scan, nodes: Mapping[str, Stays]) -> Scan:
    """The scan as it would be if lists had kept these paths: with their verdicts, and directories not entered."""
    if not nodes:
        return scan
    verdicts = {**scan.verdicts, **{path: Verdict(Owner.KEEP, stays.rule) for path, stays in nodes.items()}}
    closed = {path for path in nodes if scan.kind_at(path) is Kind.DIR}
    inside: set[str] = set()
    for path in scan.entries if closed else ():  # parents come before their children
        parent = parent_of(path)
        if parent in closed or parent in inside:
            inside.add(path)
    if not inside:
        return replace(scan, verdicts=verdicts)
    return Scan(
        {path: entry for path, entry in scan.entries.items() if path not in inside},
        {path: signature for path, signature in scan.signatures.items() if path not in inside},
        {path: verdict for path, verdict in verdicts.items() if path not in inside},
        scan.volumes,
        scan.fenced,
    )
