"""Whose path it is: the release's, the node's, or the node's once it exists.

(stub: interface only)
"""

from enum import StrEnum
from typing import NamedTuple

from reprov.domain.rules import Rule, RuleList


class Owner(StrEnum):
    """The ownership classes of design/transaction.md."""

    IMAGE = "image"
    KEEP = "keep"
    ADD_ONLY = "add-only"


class Verdict(NamedTuple):
    """Who owns a path and the rule that says so (None: the default)."""

    owner: Owner
    rule: Rule | None


class Ownership:
    """The resolved lists of one release, asked path by path."""

    def __init__(self, keep: RuleList, add_only: RuleList) -> None: ...

    def of(self, path: str, *, is_dir: bool) -> Verdict: ...
