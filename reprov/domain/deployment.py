"""What a node knows of itself: which release it is, which one it was, and how far a change got."""

import json
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from reprov.domain.release import ReleaseId
from reprov.errors import InvalidInput, NeedsAttention

STATE_FORMAT = 1


class State(StrEnum):
    """The states of design/transaction.md; each change of state is one atomic file write."""

    STAGING = "staging"
    STAGED = "staged"
    ARMED = "armed"
    """What is staged, or the tree to go back to, is exchanged at the next boot."""
    COMMITTING = "committing"
    COMMITTED = "committed"
    CONFIRMED = "confirmed"
    ROLLING_BACK = "rolling-back"
    ROLLED_BACK = "rolled-back"


_MAY_FOLLOW: dict[State | None, set[State]] = {
    None: {State.STAGING},
    State.STAGING: {State.STAGED},
    State.STAGED: {State.COMMITTING, State.ARMED},
    State.ARMED: {State.COMMITTING, State.ROLLING_BACK},
    State.COMMITTING: {State.COMMITTED},
    State.COMMITTED: {State.CONFIRMED, State.STAGING, State.ROLLING_BACK, State.ARMED},
    State.CONFIRMED: {State.STAGING, State.ROLLING_BACK, State.ARMED},
    State.ROLLING_BACK: {State.ROLLED_BACK},
    State.ROLLED_BACK: {State.STAGING, State.ROLLING_BACK, State.ARMED},
}
IN_FLIGHT = frozenset({State.STAGING, State.STAGED, State.ARMED, State.COMMITTING, State.ROLLING_BACK})
AT_REST = frozenset({State.STAGED, State.ARMED})
"""In flight, and waiting for somebody: nothing has been interrupted."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """The node's state file: one versioned value that `status` renders."""

    state: State | None = None
    """None: reprov has never changed this node."""
    installed: ReleaseId | None = None
    """What the live tree is when nothing is in flight; None for a node that was not made by reprov."""
    target: ReleaseId | None = None
    """What is being staged or committed; None when nothing is in flight."""
    previous: ReleaseId | None = None
    """The release of the tree that a rollback would bring back."""
    has_previous: bool = False
    """True when there is a tree to roll back to (it may be one that is no release)."""
    transaction: str = ""
    from_nothing: bool = False
    """True while an empty root is being installed: there is nothing to go back to."""
    settled: State | None = None
    """The state to return to when what is in flight is given up."""
    volumes: tuple[str, ...] = ()
    """The volumes that have a staged tree while something is in flight."""
    source: str = ""
    """Where the installed release came from; a rollback fetches damaged files again from there."""
    target_source: str = ""
    """Where the target comes from; "" for a target that is on the node already."""
    changed_at: str = ""
    """UTC, ISO 8601."""

    def moved_to(self, state: State, changed_at: str, **fields: Any) -> "Deployment":
        """The deployment after a change of state. Raises `ValueError` for one that the design does not know."""
        if state not in _MAY_FOLLOW[self.state]:
            raise ValueError(f"{self.state} cannot become {state}")
        settled = self.settled if self.state in IN_FLIGHT else self.state
        return replace(self, state=state, changed_at=changed_at, settled=settled, **fields)

    def committed(self, changed_at: str, state: State = State.COMMITTED) -> "Deployment":
        """The deployment after all exchanges: what was the target is installed, what was installed is the previous one."""
        return self.moved_to(
            state,
            changed_at,
            installed=self.target,
            previous=self.installed,
            has_previous=not self.from_nothing,
            from_nothing=False,
            source=self.target_source or self.source,
            target=None,
            target_source="",
            volumes=(),
        )

    def abandoned(self, changed_at: str) -> "Deployment":
        """The deployment after what was in flight has been undone: as before it began."""
        return replace(
            self,
            state=self.settled,
            changed_at=changed_at,
            target=None,
            target_source="",
            transaction="",
            from_nothing=False,
            volumes=(),
            settled=None,
        )

    def to_json(self) -> str:
        """The text of state.json."""
        fields = {
            "format": STATE_FORMAT,
            "state": self.state,
            "installed": _pair(self.installed),
            "target": _pair(self.target),
            "previous": _pair(self.previous),
            "has_previous": self.has_previous,
            "transaction": self.transaction,
            "from_nothing": self.from_nothing,
            "settled": self.settled,
            "volumes": self.volumes,
            "source": self.source,
            "target_source": self.target_source,
            "changed_at": self.changed_at,
        }
        return json.dumps(fields, indent=2) + "\n"

    @classmethod
    def parse(cls, text: str, source: str) -> "Deployment":
        """Read state.json. Raises `NeedsAttention`: a node whose state is unknown must not be changed."""
        try:
            fields = json.loads(text)
            if fields["format"] != STATE_FORMAT:
                raise ValueError(f"format {fields['format']}")
            return cls(
                state=State(fields["state"]) if fields["state"] else None,
                installed=_release_id(fields["installed"]),
                target=_release_id(fields["target"]),
                previous=_release_id(fields["previous"]),
                has_previous=bool(fields["has_previous"]),
                transaction=str(fields["transaction"]),
                from_nothing=bool(fields["from_nothing"]),
                settled=State(fields["settled"]) if fields["settled"] else None,
                volumes=tuple(fields["volumes"]),
                source=str(fields["source"]),
                target_source=str(fields["target_source"]),
                changed_at=str(fields["changed_at"]),
            )
        except (ValueError, KeyError, TypeError, InvalidInput) as error:
            raise NeedsAttention(
                f"{source}: the node's state cannot be read ({error})", hint="restore the file from a backup, or ask for help"
            ) from None


def _pair(release: ReleaseId | None) -> list[str] | None:
    return [release.role, release.version] if release else None


def _release_id(pair: list[str] | None) -> ReleaseId | None:
    return ReleaseId.of(*pair) if pair else None
