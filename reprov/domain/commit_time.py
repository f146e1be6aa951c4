"""When trees are exchanged: under the running system, or at its next boot, before anything of the root runs."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from reprov.domain.comparison import Blocker


class CommitTime(StrEnum):
    """What an operator asks for."""

    AUTO = "auto"
    """Live where nothing speaks against it, else at boot."""
    LIVE = "live"
    BOOT = "boot"


class Chosen(NamedTuple):
    """When it will be, and why."""

    time: CommitTime
    """LIVE or BOOT."""
    reasons: tuple[str, ...] = ()
    """Why at boot; empty for live."""


ASKED_FOR: Final = ("somebody asked for it",)
"""The reasons where there is no other."""
NOW: Final = Chosen(CommitTime.LIVE)


def choose_time(asked: CommitTime, blockers: Sequence[Blocker]) -> Chosen:
    """When to exchange, given what forbids it on the running system (none for a system that does not run).

    LIVE is the answer to that wish whatever forbids it: whoever asked gets told.
    """
    if asked is CommitTime.LIVE or (asked is CommitTime.AUTO and not blockers):
        return NOW
    return Chosen(CommitTime.BOOT, tuple(blocker.text for blocker in blockers) or ASKED_FOR)
