"""Whose path it is: the release's, the node's, or the node's once it exists.

The lists say so, in rsync's traversal: what an excluded directory holds is excluded with it. Before the lists come
the paths that are nobody's content whatever a list says: kernel and runtime filesystems, `.reprov`, foreign mounts.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from reprov.domain.entry import parent_of
from reprov.domain.rules import Rule, RuleList, Within
from reprov.errors import InvalidInput


class Owner(StrEnum):
    """The ownership classes of design/transaction.md."""

    IMAGE = "image"
    KEEP = "keep"
    ADD_ONLY = "add-only"


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
_NO_RULES = RuleList(()).within("")


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
    named: frozenset[str]
    """The names that one of the rules, or a path fixed by construction, is about."""
    tried: bool
    """There are rules that must be tried on every name."""


class Ownership:
    """The resolved lists of one release, asked path by path."""

    def __init__(self, keep: RuleList, add_only: RuleList, fixed: Mapping[str, Verdict] = _FIXED) -> None:
        """`fixed` are verdicts by construction, for a path and, where they keep, everything below: see `with_kept`."""
        self._keep = keep
        self._add_only = add_only
        self._fixed = fixed
        self._fixed_names: dict[str, set[str]] = {}
        for path in fixed:
            self._fixed_names.setdefault(parent_of(path), set()).add(path.rpartition("/")[2])
        self._directories: dict[str, _Directory] = {"": self._enter("", _DEFAULT)}

    @classmethod
    def parse(cls, keep_lists: Sequence[tuple[str, bytes]], add_only_lists: Sequence[tuple[str, bytes]]) -> "Ownership":
        """The ownership that lists given as (source, text) describe; the lists of a kind are tried in their order.

        Raises `InvalidInput` for a list that cannot be read or holds no rule, and when there is no list of a kind:
        that is never taken for "nothing to keep".
        """
        for kind, lists in (("keep", keep_lists), ("add-only", add_only_lists)):
            if not lists:
                raise InvalidInput(
                    f"there is no {kind} list", hint="a list that says nothing on purpose is the line '- *' in an add-only list"
                )
        return cls(RuleList.join(keep_lists), RuleList.join(add_only_lists, plain_includes=True))

    def with_kept(self, paths: Iterable[str], reason: str) -> "Ownership":
        """The same ownership that also keeps these paths and everything below, before any rule (mounts of the node).

        `reason` is what an operator reads as the rule's source. The root cannot be kept: a ValueError.
        """
        kept = {path: Verdict(Owner.KEEP, Rule("/" + path, include=False, source=reason, line=0)) for path in paths}
        if "" in kept:
            raise ValueError("the root of a node cannot be kept from its upgrade")
        return Ownership(self._keep, self._add_only, MappingProxyType({**self._fixed, **kept}))

    def of(self, path: str, *, is_dir: bool) -> Verdict:
        """Who owns the path, which need not exist. The root itself ("") is the image's."""
        directory, _, name = path.rpartition("/")
        here = self._directories.get(directory) or self._look_into(directory)
        if not (here.tried or name in here.named):
            return here.inherited
        return self._decide(path, name, is_dir, here)

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
            return Verdict(Owner.KEEP, rule)
        rule = here.add_only.first_match(path, name, is_dir)
        if rule is not None:
            return Verdict(Owner.ADD_ONLY if rule.include else Owner.IMAGE, rule)
        return here.inherited

    def _look_into(self, directory: str) -> _Directory:
        verdict = self.of(directory, is_dir=True)
        found = self._directories[parent_of(directory)]
        same_rules = found.keep.same_below and found.add_only.same_below
        if verdict is not found.inherited or not same_rules or directory in self._fixed_names:
            found = self._enter(directory, verdict)
        self._directories[directory] = found
        return found

    def _enter(self, directory: str, verdict: Verdict) -> _Directory:
        """`verdict` is that of the directory itself; everything in it is asked of the result."""
        if verdict.owner is not Owner.KEEP and directory in _BELOW_FRAME:
            verdict = _BELOW_FRAME[directory]
        if verdict.owner is Owner.KEEP:
            return _Directory(verdict, _NO_RULES, _NO_RULES, frozenset(), False)
        keep = self._keep.within(directory)
        # rsync does not descend into what a rule excluded: no rule further down can make it add-only again.
        excluded = verdict.owner is Owner.IMAGE and verdict.rule is not None
        add_only = _NO_RULES if excluded else self._add_only.within(directory)
        named = frozenset((_STATE_NAME, *self._fixed_names.get(directory, ()), *keep.by_name, *add_only.by_name))
        return _Directory(verdict, keep, add_only, named, bool(keep.others or add_only.others))
