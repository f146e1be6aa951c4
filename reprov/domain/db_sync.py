"""`db sync` once: whether the schema of a service's database is to be brought to the release of this host, and what came of it.

Generated projects take this file along as it is, for `reprov_db_sync` on hosts that need not have reprov and may have an older Python.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Final, NamedTuple

WAY_BACK: Final = "it can be run again when the cause is gone; the way back is the dump of before (action restore-databases)"
"""Of a schema that was moved on half, or whole: no service can take it back."""


_LOGGED: Final = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d|(DEBUG|INFO|WARNING|ERROR)\s")
"""What begins a line of a log, which some services write among their answers."""


class Schema(NamedTuple):
    """What a service says of its database."""

    version: str
    """In its own words."""
    status: int | None
    """Of the service's own check, where it has one."""


class Rule(NamedTuple):
    """What the statuses of a service's check mean for one phase of its sync."""

    current: Collection[int]
    """With which this phase has nothing to do."""
    behind: Collection[int]
    """With which it has."""


class Broken(NamedTuple):
    """A command that failed."""

    command: str
    status: int
    words: str


def version_in(answers: Iterable[str]) -> str:
    """The version that commands have answered, without what they have logged."""
    told = [line.strip() for answer in answers for line in answer.splitlines() if not _LOGGED.match(line)]
    return ", ".join(line for line in told if line)


def is_due(status: int | None, rule: Rule) -> bool | None:
    """Whether to sync; None where only the sync itself can tell. Raises `ValueError` where the check says neither."""
    if status is None:
        return None
    if status in rule.current:
        return False
    if status in rule.behind:
        return True
    known = ", ".join(str(status) for status in sorted((*rule.current, *rule.behind)))
    raise ValueError(f"nothing was changed, because its check ended with {status}, and not with one of {known}")


def is_moved(before: Schema, after: Schema, rule: Rule, broken: Broken | None) -> bool:
    """Whether a sync that was run has changed anything. Raises `ValueError` for one that did not bring the schema to the release."""
    came = f"the schema was {before.version or 'empty'} and is {after.version or 'empty'} now"
    if broken:
        raise ValueError(f"{broken.command} ended with {broken.status}, and {came}, or on its way: {broken.words}; {WAY_BACK}")
    if after.status is not None and after.status not in rule.current:
        raise ValueError(f"its check ends with {after.status} after the sync as it did with {before.status} before; {came}; {WAY_BACK}")
    return before != after
