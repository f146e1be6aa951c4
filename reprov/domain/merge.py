"""Three-way: what becomes of the paths that release and node share, decided before a comparison by what the installed release had.

Content and metadata are decided apart (`three_way`); a file's time is no difference. Everything that the node changed
stays the node's, and what only the release changed is the release's; where both did, a line merge may be tried, else it
is a conflict: the node's stays. `merged.apply_merges` carries the decisions into the target and the scan of a comparison.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from reprov.domain.beside import original_of
from reprov.domain.entry import Entry, Kind, is_below, parent_of, show
from reprov.domain.labels import label_in, with_label
from reprov.domain.ownership import Owner, Ownership
from reprov.domain.rules import Rule
from reprov.domain.scan import Scan
from reprov.domain.three_way import Side, content_of, dressed, metadata_side, side_of


class Stays(NamedTuple):
    """Why a path stays as the node has it, or stays away, and the rule that made it a matter of merging."""

    reason: str
    rule: Rule


class Conflict(NamedTuple):
    """A path that node and release both changed; the node's stays."""

    path: str
    reason: str
    ours: Entry | None
    """The node's; None: it has removed the path."""
    theirs: Entry | None
    """The release's."""
    of_content: bool = True
    """False where both agree on the content, or it is decided, and only mode, owner or attributes are in conflict."""
    new: str = ""
    """Where the release's content is written; "" where it is not."""


def metadata_conflict(path: str, ours: Entry, theirs: Entry) -> Conflict:
    """The conflict of a path whose content is decided."""
    return Conflict(path, "mode, owner or attributes changed on both sides; the node's stay", ours, theirs, of_content=False)


class TextMerge(NamedTuple):
    """A file that both sides changed and whose lines may be merged; the contents are found by the entries' digests."""

    path: str
    ours: Entry
    base: Entry
    theirs: Entry
    rule: Rule


@dataclass(frozen=True, slots=True)
class Merges:
    """Every decision that does not go without saying, by path: a path that is in none of these is as the release has it."""

    nodes: Mapping[str, Stays]
    """Stay as the node has them; a directory with everything in it."""
    removed: Mapping[str, Stays]
    """The node removed them, and they stay away."""
    written: Mapping[str, Entry]
    """Neither the release's entry nor the node's, but of both: what the release's is to be replaced by."""
    texts: tuple[TextMerge, ...]
    conflicts: tuple[Conflict, ...]
    """In path order, without those that a line merge may yet prevent. The paths of those `of_content` are in `nodes` or `removed`."""
    earlier: Mapping[str, Rule]
    """`.reprov-new` files that an earlier upgrade wrote and nobody has edited since."""


def find_merges(
    target: Mapping[str, Entry],
    scan: Scan,
    ownership: Ownership,
    base: Mapping[str, Entry] | None,
    *,
    decided: Collection[str] = frozenset(),
) -> Merges:
    """Decide every path that is a matter of merging, of the target and of the node.

    `base` are the paths of the installed release, None for a node that never had one; `decided` are paths that are
    merged otherwise (the account files). Paths with a verdict in the scan and paths behind fences are left alone.
    """
    finder = _Finder(target, scan, ownership, base or {}, decided)
    live_entry = scan.entries.get
    for path, entry in target.items():
        # Most entries of a release are the very objects that are known of the node (Manifest.parse, StatCache).
        if live_entry(path) is not entry or entry.link_group:
            finder.want(path, entry)
    for path, entry in scan.entries.items():
        if path not in target:
            finder.leftover(path, entry)
    finder.keep_directories_in_use()
    finder.bring_back_directories()
    return Merges(
        finder.nodes,
        finder.removed,
        finder.written,
        tuple(finder.texts),
        tuple(finder.conflicts[path] for path in sorted(finder.conflicts)),
        finder.earlier,
    )


class _Finder:
    """The state of one look at both trees; `find_merges` shows the order of its steps."""

    def __init__(
        self, target: Mapping[str, Entry], scan: Scan, ownership: Ownership, base: Mapping[str, Entry], decided: Collection[str]
    ) -> None:
        self.target = target
        self.scan = scan
        self.ownership = ownership
        self.base = base
        self.decided = decided
        self.nodes: dict[str, Stays] = {}
        self.removed: dict[str, Stays] = {}
        self.written: dict[str, Entry] = {}
        self.texts: list[TextMerge] = []
        self.conflicts: dict[str, Conflict] = {}
        self.earlier: dict[str, Rule] = {}
        self._closed: set[str] = set()  # paths at and below what others decide: fences, kept by a list
        self._covered: dict[str, str] = {}  # paths of the target for which the node has no directory any more, and what it has instead
        self._whole: set[str] = set()  # directories that stay the node's, and what is in them
        self._ended: dict[str, Rule] = {}  # directories that would become something else

    def want(self, path: str, theirs: Entry) -> None:
        """Decide for a path of the target; parents come before their children. Runs for every path of a release: kept flat for speed."""
        ours = self.scan.entries.get(path)
        parent = parent_of(path)
        if parent in self._closed or path in self.scan.fenced:
            self._closed.add(path)
        elif parent in self._covered:
            self._cover(path, theirs)
        elif verdict := self.scan.verdicts.get(path):
            if verdict.owner is Owner.KEEP or (ours is not None and ours.kind is not Kind.DIR):
                self._closed.add(path)
        elif (rule := self._rule_of(path, ours, theirs)) and path not in self.decided:
            self._decide(path, self.base.get(path), ours, theirs, rule)

    def leftover(self, path: str, ours: Entry) -> None:
        """Decide for a path of the node that the target does not know; parents come before their children."""
        if parent_of(path) in self._whole:
            self._whole.add(path)
        elif path not in self.scan.verdicts and path not in self.scan.fenced and path not in self.decided:
            if rule := self._rule_of_earlier(path, ours):
                self.earlier[path] = rule
            elif rule := self._rule_of(path, ours, None):
                self._decide(path, self.base.get(path), ours, None, rule)

    def keep_directories_in_use(self) -> None:
        """A directory that would become something else, but holds what is the node's, stays as it is."""
        if not self._ended:
            return
        holding = sorted({*self.nodes, *self.scan.verdicts, *self.scan.fenced})
        for path, rule in self._ended.items():
            held = next((inner for inner in holding if inner != path and is_below(inner, path)), None)
            if held is None:
                continue
            for inner in [inner for inner in self.nodes if is_below(inner, path)]:
                del self.nodes[inner]
            ours, theirs = self.scan.entries[path], self.target[path]
            self._clash(path, f"would become a {theirs.kind.value}, and holds what is the node's ({show(held)})", ours, theirs, rule)

    def bring_back_directories(self) -> None:
        """A directory that the node removed comes back for what the release brings into it."""
        if not self.removed:
            return
        for path in self.target:
            directory = parent_of(path)
            if directory in self.removed and path not in self.removed:
                while directory in self.removed:
                    del self.removed[directory]
                    directory = parent_of(directory)

    def _rule_of(self, path: str, ours: Entry | None, theirs: Entry | None) -> Rule | None:
        """The rule by which the path is merged, or None. Rules for directories alone also hold for what is there instead of one."""
        first = ours or theirs
        is_dir = first is not None and first.kind is Kind.DIR
        verdict = self.ownership.of(path, is_dir=is_dir)
        if verdict.owner is Owner.IMAGE and ours and theirs and (theirs.kind is Kind.DIR) is not is_dir:
            verdict = self.ownership.of(path, is_dir=not is_dir)
        return verdict.rule if verdict.owner is Owner.MERGE else None

    def _cover(self, path: str, theirs: Entry) -> None:
        top = self._covered[path] = self._covered[parent_of(path)]
        changed = side_of(content_of(self.base.get(path)), None, content_of(theirs)) is Side.CLASH
        if (changed or path not in self.base) and top not in self.conflicts:
            ours = self.scan.entries[top]
            reason = f"a {ours.kind.value} on the node, a directory in the release, which has changed {show(path)}"
            self.conflicts[top] = Conflict(top, reason, ours, self.target[top])

    def _rule_of_earlier(self, path: str, ours: Entry) -> Rule | None:
        """Of the path that an earlier upgrade wrote this beside: it is still what the installed or the new release has there."""
        original = original_of(path)
        if not original or ours.kind not in (Kind.FILE, Kind.LINK):
            return None
        if content_of(ours) not in (content_of(self.base.get(original)), content_of(self.target.get(original))):
            return None
        return self._rule_of(original, ours, None)

    def _decide(self, path: str, base: Entry | None, ours: Entry | None, theirs: Entry | None, rule: Rule) -> None:
        side = side_of(content_of(base), content_of(ours), content_of(theirs))
        if ours is None and theirs is not None:
            self._decide_missing(path, base, theirs, rule, side)
        elif ours is not None and theirs is None:
            if side is not Side.THEIRS:
                only_here = "only the node has it" if base is None else "changed on the node, gone from the release"
                self._stay(path, only_here, ours, rule)
        elif ours is not None and theirs is not None:
            match side:
                case Side.SAME:
                    self._wear(path, base, theirs if ours.kind is Kind.DIR else theirs._replace(mtime_ns=ours.mtime_ns), ours, theirs)
                case Side.THEIRS if ours.kind is theirs.kind:
                    self._wear(path, base, theirs, ours, theirs)
                case Side.THEIRS:
                    self._write(path, dressed(theirs, theirs))
                    if ours.kind is Kind.DIR:
                        self._ended[path] = rule
                case Side.OURS:
                    self._keep_content(path, base, ours, theirs, rule)
                case Side.CLASH if rule.text_merge and base and base.kind is ours.kind is theirs.kind is Kind.FILE:
                    self.texts.append(TextMerge(path, ours, base, theirs, rule))
                case Side.CLASH:
                    reason = "changed on both sides" if base else "the node had it before the release brought it"
                    self._clash(path, reason, ours, theirs, rule)

    def _decide_missing(self, path: str, base: Entry | None, theirs: Entry, rule: Rule, side: Side) -> None:
        """The release has it, the node does not. A directory that replaces something else is only as good as what comes into it."""
        if side is Side.THEIRS or (side is Side.CLASH and theirs.kind is Kind.DIR):
            self._write(path, dressed(theirs, theirs))
            return
        self.removed[path] = Stays("removed on the node", rule)
        if side is Side.CLASH:
            self.conflicts[path] = Conflict(path, "removed on the node, changed in the release", None, theirs)

    def _keep_content(self, path: str, base: Entry | None, ours: Entry, theirs: Entry, rule: Rule) -> None:
        """The content is the node's, which the release did not touch; of its metadata that is another question."""
        if ours.kind is theirs.kind and metadata_side(base, ours, theirs) is Side.THEIRS:
            label = label_in(theirs.xattrs)
            self._write(path, dressed(ours._replace(xattrs=with_label(ours.xattrs, label)), theirs))
            return
        self._stay(path, "changed on the node", ours, rule)
        if ours.kind is theirs.kind and metadata_side(base, ours, theirs) is Side.CLASH:
            self.conflicts[path] = metadata_conflict(path, ours, theirs)
        if theirs.kind is Kind.DIR:
            self._covered[path] = path

    def _wear(self, path: str, base: Entry | None, content: Entry, ours: Entry, theirs: Entry) -> None:
        """The release's content, or one that both have, with the metadata that holds."""
        side = metadata_side(base, ours, theirs)
        self._write(path, dressed(content, theirs if side is Side.THEIRS else ours))
        if side is Side.CLASH:
            self.conflicts[path] = metadata_conflict(path, ours, theirs)

    def _write(self, path: str, entry: Entry) -> None:
        if entry != self.target[path]:
            self.written[path] = entry

    def _clash(self, path: str, reason: str, ours: Entry, theirs: Entry, rule: Rule) -> None:
        self._stay(path, reason, ours, rule)
        self.conflicts[path] = Conflict(path, reason, ours, theirs)
        if theirs.kind is Kind.DIR:
            self._covered[path] = path

    def _stay(self, path: str, reason: str, ours: Entry, rule: Rule) -> None:
        self.nodes[path] = Stays(reason, rule)
        if ours.kind is Kind.DIR:
            self._whole.add(path)
