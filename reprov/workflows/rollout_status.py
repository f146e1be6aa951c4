"""Looking at a rollout, without holding it: its status, again and again at little cost, and its report."""

from dataclasses import dataclass
from pathlib import Path

from reprov.adapters.lease import holder_of
from reprov.adapters.rollout_directory import NOTHING_READ, RolloutDirectory
from reprov.domain.lease import Holder
from reprov.domain.rollout_events import RolloutEvent, Turned
from reprov.domain.rollout_file import Rollout
from reprov.domain.rollout_state import RolloutState
from reprov.domain.rollout_status import RolloutStatus, status_of


@dataclass(frozen=True, slots=True)
class Seen:
    """A rollout as it is now, and who controls it."""

    rollout: Rollout
    status: RolloutStatus
    holder: Holder | None
    events: tuple[RolloutEvent, ...]

    @property
    def was_cut_off(self) -> bool:
        """True when it should be controlled and is not: its controller ended without a word."""
        turn = self.status.turn
        return self.holder is None and turn is not None and turn.turn in ("started", "paused")


class Look:
    """Follows one rollout; each look reads only what is new."""

    def __init__(self, directory: Path) -> None:
        """Raises `InvalidInput` when the directory is not one of a rollout."""
        self._directory = RolloutDirectory(directory)
        self._rollout = self._directory.rollout()
        self._state = RolloutState(self._rollout.course)
        self._read = NOTHING_READ
        self._events: list[RolloutEvent] = []
        self._turn: Turned | None = None

    def look(self) -> Seen:
        """How it is now. Raises `InvalidInput` for events that cannot be read, `NeedsAttention` for those that do not fit."""
        holder = holder_of(self._directory.path)
        self._read = self._directory.events(self._read)
        for event in self._read.events:
            self._state.apply(event)
            self._events.append(event)
            if isinstance(event, Turned):
                self._turn = event
        first, last = (self._events[0], self._events[-1]) if self._events else (None, None)
        return Seen(self._rollout, status_of(self._state, first, last, self._turn), holder, tuple(self._events))
