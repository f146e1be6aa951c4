"""Entries, trees, lists and scans by a word or two, and strategies that generate a node, a release and its lists together."""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from hypothesis import strategies as st

from reprov.adapters.survey import NO_PROMISES
from reprov.domain.comparison import compare, covers
from reprov.domain.entry import Entry, Kind, ancestors_of, is_below, parent_of
from reprov.domain.ownership import Owner, Ownership, Promises, Verdict
from reprov.domain.placement import costs, find_placements
from reprov.domain.plan import Plan
from reprov.domain.release import ReleaseId
from reprov.domain.scan import Scan, Signature, volume_holding
from reprov.domain.units import find_swaps

MTIME_NS = 1_700_000_000_000_000_001
NEVER = b"/nothing/has/this/name\n"


def a_dir(path: str, mode: int = 0o755, *, mtime_ns: int = MTIME_NS) -> Entry:
    """A directory of root's."""
    return Entry(path, Kind.DIR, mode, 0, 0, mtime_ns)


def a_file(path: str, content: str = "", mode: int = 0o644, *, group: int = 0, mtime_ns: int = MTIME_NS) -> Entry:
    """A file of root's with this content."""
    raw = content.encode()
    return Entry(path, Kind.FILE, mode, 0, 0, mtime_ns, len(raw), hashlib.sha256(raw).hexdigest(), link_group=group)


def a_link(path: str, target: str = "elsewhere") -> Entry:
    """A symbolic link."""
    return Entry(path, Kind.LINK, 0o777, 0, 0, MTIME_NS, target=target)


def a_tree(*entries: Entry) -> dict[str, Entry]:
    """These entries, the directories that lead to them, and the root, parents before children."""
    found = {entry.path: entry for entry in entries}
    for entry in entries:
        for directory in ancestors_of(entry.path):
            found.setdefault(directory, a_dir(directory))
    found.setdefault("", a_dir(""))
    return {path: found[path] for path in sorted(found)}


def owning(keep: bytes = NEVER, add_only: bytes = NEVER) -> Ownership:
    """The ownership of these lists: (source "k") what is kept, (source "a") what is add-only."""
    return Ownership.parse([("k", keep)], [("a", add_only)])


def scan_of(
    live: Mapping[str, Entry],
    ownership: Ownership | None = None,
    target: Mapping[str, Entry] | None = None,
    *,
    volumes: Collection[str] = (),
    fenced: Collection[str] = (),
    promised: Promises = NO_PROMISES,
    base: Collection[str] = (),
    inodes: Mapping[str, int] | None = None,
) -> Scan:
    """What `survey` would find of this live tree (all of it, what is kept included). Equal `link_group`s are one inode."""
    ownership, target = ownership or owning(), target if target is not None else live
    entries: dict[str, Entry] = {}
    signatures: dict[str, Signature] = {}
    verdicts: dict[str, Verdict] = {}
    entered = {""}
    for number, (path, entry) in enumerate(sorted(live.items()), start=1000):
        if path and parent_of(path) not in entered:
            continue
        is_dir = entry.kind is Kind.DIR
        verdict = ownership.of(path, is_dir=is_dir)
        known = target.get(path)
        if verdict.owner is Owner.IMAGE and known is not None and (known.kind is Kind.DIR) is not is_dir:
            verdict = ownership.of(path, is_dir=not is_dir)
        if verdict.owner is Owner.IMAGE and known is None and promised.of(path, is_dir=is_dir).owner is Owner.KEEP:
            verdict = promised.of(path, is_dir=is_dir)
        is_top = path and not parent_of(path)
        if verdict.owner is Owner.IMAGE and is_top and known is None and path not in base and path not in volumes:
            verdict = Verdict(Owner.KEEP, None)
        unread = path in fenced or verdict.owner is not Owner.IMAGE
        if unread:
            entry = entry._replace(digest="")
        elif known is not None and known.equals(entry):
            entry = known  # as the stat cache does for what the installed release and the next one have in common
        else:
            entry = entry._replace(link_group=0)
        entries[path] = entry
        device = ["", *sorted(volumes)].index(volume_holding(path, ("", *volumes)))
        inode = inodes[path] if inodes else live[path].link_group or number
        signatures[path] = Signature(device, inode, 7, entry.size)
        if path in fenced:
            continue
        if verdict.owner is not Owner.IMAGE:
            verdicts[path] = verdict
        enters_add_only = verdict.owner is Owner.ADD_ONLY and known is not None and known.kind is Kind.DIR
        if is_dir and (verdict.owner is Owner.IMAGE or enters_add_only):
            entered.add(path)
    return Scan(entries, signatures, verdicts, ("", *sorted(volumes)), frozenset(fenced))


ONE, TWO = ReleaseId("base", "1.0"), ReleaseId("base", "1.1")


def a_plan(
    live: Mapping[str, Entry], target: Mapping[str, Entry], ownership: Ownership | None = None, *, installed: ReleaseId | None = ONE
) -> Plan:
    """The plan of an upgrade of this node to `base 1.1` with these lists; nothing is cloned."""
    ownership = ownership or owning()
    scan = scan_of(live, ownership, target)
    comparison = compare(target, scan, ownership)
    swaps = find_swaps({change.path: change for change in comparison.changes}, target, scan, {})
    placements = find_placements(swaps, comparison, target, scan, {"": False})
    needs = costs(placements, {"": False}) if comparison.changes else {}
    return Plan(TWO, installed, "/srv", comparison, (), (), swaps, placements, needs, comparison.blockers)


class Case(NamedTuple):
    """A node and the release that it is to become."""

    live: dict[str, Entry]
    target: dict[str, Entry]
    ownership: Ownership
    base: frozenset[str]
    """The paths of the installed release."""
    promised: Promises
    """What its lists keep."""
    volumes: tuple[str, ...]
    fenced: tuple[str, ...]
    stuck: frozenset[str]
    """The node's files that are immutable: they can be neither linked nor moved."""
    clones: bool
    lists: str
    """The rules, to be read when a test fails."""

    def __repr__(self) -> str:
        """What a person needs to see of a failure."""
        trees = "".join(
            f"\n  {path or '.'}: {_said(self.live.get(path))} -> {_said(self.target.get(path))}"
            for path in sorted(self.live.keys() | self.target.keys())
        )
        lists = f"\n  lists: {self.lists}\n  installed: {sorted(self.base)}"
        return f"Case({trees}{lists}\n  {self.volumes=} {self.fenced=} {self.stuck=} {self.clones=})"

    @property
    def scan(self) -> Scan:
        """What a survey of the node finds."""
        return scan_of(
            self.live,
            self.ownership,
            self.target,
            volumes=self.volumes,
            fenced=self.fenced,
            promised=self.promised,
            base=self.base,
        )


_TOPS = ("usr", "etc", "opt", "data")
_NAMES = ("a", "a-", "b")  # "a-" sorts between "a" and what is in it
_DEPTH = 4
_FILES = [a_file("", content, mode) for content in ("", "one", "two") for mode in (0o644, 0o4755)]
_DIRS = [a_dir("", 0o755), a_dir("", 0o700)]
_STATES: list[Entry | None] = [None, None, None, *_FILES, a_link("", "one"), a_link("", "two"), *_DIRS, *_DIRS, *_DIRS]
_PATTERNS = (
    *("a", "a/", "a-", "b", "b/", "/*/a/", "/*/b", "/*/*/a", "/*/*/b/", "/*/a/*", "/*/b/**", "/*/*/*/b", "/usr/a/", "/usr/*/b"),
    *("/usr/b/***", "/etc/a/", "/etc/b", "/etc/*/a-", "/etc/a/b/", "/etc/b/**", "/opt/", "/opt/**", "/opt/a/a-", "/data/", "/data/a"),
)
_TAPE_BYTES = 250


class _Tape:
    """Choices, one for each byte: cheaper than a draw each, and shrinks as well."""

    def __init__(self, choices: bytes) -> None:
        self._choices = iter(choices)

    def below(self, bound: int) -> int:
        """A number from 0; 0 when the tape has ended."""
        return next(self._choices, 0) % bound

    def some(self, candidates: Iterable[str]) -> tuple[str, ...]:
        """Up to three of these, most often none."""
        listed = sorted(candidates)
        if not listed or self.below(3) < 2:
            return ()
        return tuple(sorted({listed[self.below(len(listed))] for _ in range(3)}))


def cases(*, hard_links: bool = True) -> st.SearchStrategy[Case]:
    """A live tree and a target that resemble each other, with lists, mounts, hard links and immutable files."""
    return st.binary(min_size=_TAPE_BYTES, max_size=_TAPE_BYTES).map(lambda choices: _case_of(_Tape(choices), hard_links))


def _case_of(tape: _Tape, hard_links: bool = True) -> Case:
    keep, add_only, kept_before = _rules_of(tape, "---+"), _rules_of(tape, "+++-"), _rules_of(tape, "---+")
    ownership = owning(keep, add_only)
    live, target = _trees_of(tape)
    inner = [path for path in live if path]
    volumes = tuple(
        path
        for path in tape.some(inner)
        if path in target
        and live[path].kind is target[path].kind is Kind.DIR
        and covers(target, path)
        and ownership.of(path, is_dir=True).owner is not Owner.KEEP
    )
    fenced = tape.some(path for path in inner if not any(is_below(volume, path) for volume in volumes))
    fenced = tuple(path for path in fenced if not any(path != other and is_below(path, other) for other in fenced))
    if hard_links:
        live, target = _with_hard_links(tape, live, volumes), _with_hard_links(tape, target, ())
    base, promised = frozenset[str](), NO_PROMISES
    if not tape.below(2):
        base, promised = frozenset(live if tape.below(2) else target), Promises([owning(kept_before)])
    scan = scan_of(live, ownership, target, volumes=volumes, fenced=fenced, promised=promised, base=base)
    stuck = frozenset(tape.some(path for path in scan.verdicts if scan.kind_at(path) is Kind.FILE))
    clones, lists = bool(tape.below(2)), f"{keep!r} {add_only!r} {kept_before!r}"
    return Case(live, target, ownership, base, promised, volumes, fenced, stuck, clones, lists)


def _rules_of(tape: _Tape, signs: str) -> bytes:
    rules = (f"{signs[tape.below(len(signs))]} {_PATTERNS[tape.below(len(_PATTERNS))]}\n" for _ in range(tape.below(5)))
    return "".join(rules).encode() + NEVER


def _trees_of(tape: _Tape) -> tuple[dict[str, Entry], dict[str, Entry]]:
    live, target = {"": a_dir("", 0o755 - tape.below(2))}, {"": a_dir("")}
    waiting = list(_TOPS)
    while waiting:
        path = waiting.pop()
        here = _STATES[tape.below(len(_STATES))] if _holds(live, path) else None
        there = here if here and tape.below(3) else _STATES[tape.below(len(_STATES))]
        for tree, state in ((live, here), (target, there)):
            if state and _holds(tree, path):
                tree[path] = state._replace(path=path)
        if path.count("/") + 1 < _DEPTH and (_holds(live, path + "/") or _holds(target, path + "/")):
            waiting += [f"{path}/{name}" for name in _NAMES]
    return dict(sorted(live.items())), dict(sorted(target.items()))


def _holds(tree: Mapping[str, Entry], path: str) -> bool:
    directory = tree.get(parent_of(path))
    return directory is not None and directory.kind is Kind.DIR


def _with_hard_links(tape: _Tape, tree: dict[str, Entry], volumes: Collection[str]) -> dict[str, Entry]:
    """The tree with up to two of its files being several names of one inode, which cannot span volumes."""
    found = dict(tree)
    for group in (1, 2):
        names = tape.some(path for path, entry in found.items() if entry.kind is Kind.FILE and not entry.link_group)
        names = tuple(name for name in names if volume_holding(name, ("", *volumes)) == volume_holding(names[0], ("", *volumes)))
        if len(names) > 1:
            found.update({name: found[names[0]]._replace(path=name, link_group=group) for name in names})
    return found


def _said(entry: Entry | None) -> str:
    if entry is None:
        return "-"
    group = f" group {entry.link_group}" if entry.link_group else ""
    return f"{entry.kind.value} {entry.target or entry.digest[:4]} {entry.mode:o}{group}"
