"""How often every rule of a release's lists matches: a rule that never does is a path that has moved, or a misspelt one."""

from collections.abc import Mapping
from typing import NamedTuple

from reprov.domain.entry import Entry, Kind
from reprov.domain.ownership import Ownership
from reprov.domain.rules import Rule


class RuleUsage(NamedTuple):
    """One rule and what it is good for."""

    rule: Rule
    paths: int
    """How many paths it, or a directory that it matched, covers. What lies in a kept directory is not looked at, and not counted."""


def count_matches(ownership: Ownership, *trees: Mapping[str, Entry]) -> tuple[RuleUsage, ...]:
    """Every rule in the order in which the lists are asked, with the number of paths in any of the trees (by path) that it matches.

    The trees are what is known anyway, the scan of a node and the manifest of its next release: an afterthought for the plan
    that shows it, which costs the scan nothing. A rule counts where its list has its say, whether or not a list that is asked
    before has decided the path already.
    """
    asked = {(path, entry.kind is Kind.DIR) for tree in trees for path, entry in tree.items()}
    matched: dict[int, set[str]] = {id(rule): set() for rule in ownership.rules}
    for path, is_dir in asked:
        for rule in ownership.matching(path, is_dir=is_dir):
            matched[id(rule)].add(path)
    return tuple(RuleUsage(rule, len(matched[id(rule)])) for rule in ownership.rules)
