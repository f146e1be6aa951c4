"""Whose path it is: the release's, the node's, the node's once it exists, or both's.

The lists say so, each in rsync's traversal: what an excluded directory holds is excluded with it. They are asked in the
order keep, add-only, merge; a `-` in a list of the last two takes a path out of that list and no further. Before the
lists come the paths that are nobody's content whatever a list says: kernel and runtime filesystems, `.reprov`, foreign
mounts.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from reprov.domain.entry import parent_of
from reprov.domain.rules import Rule, RuleList, Within
from reprov.errors import InvalidInput


class Owner(StrEnum):
    """The ownership classes of design/transaction.md; the accounts are picked out of them by name."""

    IMAGE = "image"
    KEEP = "keep"
    ADD_ONLY = "add-only"
    MERGE = "merge"


SHARED: Final = (Owner.IMAGE, Owner.MERGE)
"""The classes in which the release has a say; what a merge leaves to the node is made KEEP before anything is compared."""


class Verdict(NamedTuple):
    """Who owns a path and the rule that says so (None: the default)."""

    owner: Owner
    rule: Rule | None


_BUILT_IN = "built in"
_STATE_NAME = ".reprov"
_STATE = Verdict(Owner.KEEP, Rule(f"{_STATE_NAME}/", include=False, source=_BUILT_IN, line=0))
_FRAMES = ("proc", "sys", "dev", "run", "tmp")
"""Directories that every root has and whose content belongs to the running system."""
_BELOW_FRAME = {frame: Verdict(Owner.KEEP, Rule(f"/{frame}/**", include=False, source=_BUILT_IN, line=0)) for frame in _FRAMES}
_FIXED: Mapping[str, Verdict] = MappingProxyType(
    {
        **{frame: Verdict(Owner.ADD_ONLY, Rule(f"/{frame}", include=True, source=_BUILT_IN, line=0)) for frame in _FRAMES},
        "lost+found": Verdict(Owner.KEEP, Rule("/lost+found", include=False, source=_BUILT_IN, line=0)),
    }
)
_DEFAULT = Verdict(Owner.IMAGE, None)
_NO_LIST = RuleList(())
_NO_RULES = _NO_LIST.within("")


class Promises:
    """What a node was promised to keep by lists that are not those of its next release.

    A promise does not end when a role changes: what these lists keep stays where the release does not know the path.
    """

    def __init__(self, lists: Iterable["Ownership"] = ()) -> None:
        self._lists = tuple(lists)

    def of(self, path: str, *, is_dir: bool) -> Verdict:
        """KEEP with the first rule that says so; else the default."""
        for ownership in self._lists:
            verdict = ownership.of(path, is_dir=is_dir)
            if verdict.owner is Owner.KEEP:
                return verdict
        return _DEFAULT


class _Directory(NamedTuple):
    """What is decided of a directory's content before one looks at a name."""

    inherited: Verdict
    """The verdict of a name that no rule matches."""
    keep: Within
    add_only: Within
    merge: Within
    added: Rule | None
    """What the add-only lists say of a name that none of them matches: the rule that a directory above matched."""
    merged: Rule | None
    """The same for the merge lists."""
    named: frozenset[str]
    """The names that one of the rules, or a path fixed by construction, is about."""
    tried: bool
    """There are rules that must be tried on every name."""


class Ownership:
    """The resolved lists of one release, asked path by path."""

    def __init__(self, keep: RuleList, add_only: RuleList, merge: RuleList = _NO_LIST, fixed: Mapping[str, Verdict] = _FIXED) -> None:
        """`fixed` are verdicts by construction, for a path and, where they keep, everything below: see `with_kept`."""
        self._keep = keep
        self._add_only = add_only
        self._merge = merge
        self._fixed = fixed
        self._fixed_names: dict[str, set[str]] = {}
        for path in fixed:
            self._fixed_names.setdefault(parent_of(path), set()).add(path.rpartition("/")[2])
        # One verdict per rule: /etc/** alone decides about thousands of paths, and a scan keeps the verdict of each.
        self._verdicts: dict[int, Verdict] = {
            **{id(rule): Verdict(Owner.KEEP, rule) for rule in keep.rules if not rule.include},
            **{id(rule): Verdict(Owner.ADD_ONLY if rule.include else Owner.IMAGE, rule) for rule in add_only.rules},
            **{id(rule): Verdict(Owner.MERGE if rule.include else Owner.IMAGE, rule) for rule in merge.rules},
        }
        self._directories: dict[str, _Directory] = {"": self._enter("", _DEFAULT, None, None)}

    @classmethod
    def parse(
        cls,
        keep_lists: Sequence[tuple[str, bytes]],
        add_only_lists: Sequence[tuple[str, bytes]],
        merge_lists: Sequence[tuple[str, bytes]] = (),
    ) -> "Ownership":
        """The ownership that lists given as (source, text) describe; the lists of a kind are tried in their order.

        Without merge lists nothing is merged: releases from before there was such a thing have none. Raises `InvalidInput`
        for a list that cannot be read or holds no rule, and when there is no list of another kind: that is never taken
        for "nothing to keep".
        """
        for kind, lists in (("keep", keep_lists), ("add-only", add_only_lists)):
            if not lists:
                raise InvalidInput(
                    f"there is no {kind} list", hint="a list that says nothing on purpose is the line '- *' in an add-only list"
                )
        merge = RuleList.join(merge_lists, plain_includes=True, text_merges=True) if merge_lists else _NO_LIST
        return cls(RuleList.join(keep_lists), RuleList.join(add_only_lists, plain_includes=True), merge)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Every rule of the lists in the order in which they are asked: keep, add-only, merge."""
        return (*self._keep.rules, *self._add_only.rules, *self._merge.rules)

    def with_kept(self, paths: Iterable[str], reason: str) -> "Ownership":
        """The same ownership that also keeps these paths and everything below, before any rule (mounts of the node).

        `reason` is what an operator reads as the rule's source. The root cannot be kept: a ValueError.
        """
        kept = {path: Verdict(Owner.KEEP, Rule("/" + path, include=False, source=reason, line=0)) for path in paths}
        if "" in kept:
            raise ValueError("the root of a node cannot be kept from its upgrade")
        return Ownership(self._keep, self._add_only, self._merge, MappingProxyType({**self._fixed, **kept}))

    def of(self, path: str, *, is_dir: bool) -> Verdict:
        """Who owns the path, which need not exist. The root itself ("") is the image's."""
        directory, _, name = path.rpartition("/")
        here = self._directories.get(directory) or self._look_into(directory)
        if not (here.tried or name in here.named):
            return here.inherited
        return self._decide(path, name, is_dir, here)

    def matching(self, path: str, *, is_dir: bool) -> tuple[Rule, ...]:
        """The rules of the lists that match the path or a directory that it lies in: at most one of each list.

        Where the verdict is by construction there is none, and of what is kept only the rule that keeps it.
        """
        directory, _, name = path.rpartition("/")
        here = self._directories.get(directory) or self._look_into(directory)
        verdict = self._decide(path, name, is_dir, here)
        if verdict.owner is Owner.KEEP:
            return (verdict.rule,) if verdict.rule and id(verdict.rule) in self._verdicts else ()
        if not path or path in self._fixed:
            return ()
        spared = here.keep.first_match(path, name, is_dir)
        added = here.add_only.first_match(path, name, is_dir) or here.added
        merged = here.merge.first_match(path, name, is_dir) or here.merged
        return tuple(rule for rule in (spared, added, merged) if rule is not None)

    def named_in(self, directory: str) -> frozenset[str] | None:
        """The only names in a directory that may be anybody's but the release's; None when every name must be asked for."""
        here = self._directories.get(directory) or self._look_into(directory)
        return None if here.tried or here.inherited.owner is not Owner.IMAGE else here.named

    def _decide(self, path: str, name: str, is_dir: bool, here: _Directory) -> Verdict:
        if not path:
            return _DEFAULT
        if fixed := self._fixed.get(path):
            return fixed
        if name == _STATE_NAME:
            return _STATE
        rule = here.keep.first_match(path, name, is_dir)
        if rule is not None and not rule.include:
            return self._verdicts[id(rule)]
        added = here.add_only.first_match(path, name, is_dir)
        merged = here.merge.first_match(path, name, is_dir)
        if added is None and merged is None:
            return here.inherited
        return self._combine(added or here.added, merged or here.merged)

    def _combine(self, added: Rule | None, merged: Rule | None) -> Verdict:
        """The verdict of a path that is not kept: add-only if that list says so, then what the merge list says."""
        rule = added if added is not None and (added.include or merged is None) else merged
        return self._verdicts[id(rule)] if rule is not None else _DEFAULT

    def _look_into(self, directory: str) -> _Directory:
        verdict = self.of(directory, is_dir=True)
        found = self._directories[parent_of(directory)]
        name = directory.rpartition("/")[2]
        added, merged = found.added, found.merged
        if found.tried or name in found.named:
            added = found.add_only.first_match(directory, name, True) or added
            merged = found.merge.first_match(directory, name, True) or merged
        same_verdicts = verdict is found.inherited and added is found.added and merged is found.merged
        same_rules = found.keep.same_below and found.add_only.same_below and found.merge.same_below
        if not (same_verdicts and same_rules) or directory in self._fixed_names:
            found = self._enter(directory, verdict, added, merged)
        self._directories[directory] = found
        return found

    def _enter(self, directory: str, verdict: Verdict, added: Rule | None, merged: Rule | None) -> _Directory:
        """`verdict` and the rules are those of the directory itself; everything in it is asked of the result."""
        if verdict.owner is not Owner.KEEP and directory in _BELOW_FRAME:
            verdict = _BELOW_FRAME[directory]
        if verdict.owner is Owner.KEEP:
            return _Directory(verdict, _NO_RULES, _NO_RULES, _NO_RULES, None, None, frozenset(), False)
        keep = self._keep.within(directory)
        # rsync does not descend into what a rule excluded: no rule of the list further down can take it in again.
        add_only = _NO_RULES if added is not None and not added.include else self._add_only.within(directory)
        merge = _NO_RULES if merged is not None and not merged.include else self._merge.within(directory)
        named = frozenset((_STATE_NAME, *self._fixed_names.get(directory, ()), *keep.by_name, *add_only.by_name, *merge.by_name))
        tried = bool(keep.others or add_only.others or merge.others)
        return _Directory(verdict, keep, add_only, merge, added, merged, named, tried)
