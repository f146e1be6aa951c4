"""Progress as events: workflows emit, a monitor shows them as bars, lines, JSON lines or not at all.

An event is talk, never an answer: answers are return values, which `cli` prints on stdout.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from dataclasses import fields as dataclass_fields
from types import MappingProxyType
from typing import Any, Final, Protocol

EVENTS_FORMAT = 1
_ADVANCE_INTERVAL_S = 0.2  # five times a second is as often as a person or a log can use


@dataclass(frozen=True, slots=True)
class PhaseStarted:
    """A phase begins; `files` and `size_bytes` are its totals, 0 where they are not known beforehand."""

    phase: str
    title: str
    files: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class PhaseAdvanced:
    """So much of the phase is done (sums since its start, not increments)."""

    phase: str
    files: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class PhaseEnded:
    """The phase is over; `ok` is False when an error ended it."""

    phase: str
    elapsed_s: float
    files: int
    size_bytes: int
    ok: bool = True


@dataclass(frozen=True, slots=True)
class Note:
    """Something the operator should know although nothing failed."""

    text: str


Event = PhaseStarted | PhaseAdvanced | PhaseEnded | Note
_KINDS: Final = MappingProxyType({"phase_started": PhaseStarted, "phase_advanced": PhaseAdvanced, "phase_ended": PhaseEnded, "note": Note})
_NAMES: Final = MappingProxyType({kind: name for name, kind in _KINDS.items()})


def event_fields(event: Event) -> dict[str, Any]:
    """An event as JSON, "event" being its name; the contract of `--events`."""
    return {"event": _NAMES[type(event)], **asdict(event)}


def event_of(fields: Mapping[str, Any]) -> Event | None:
    """The event that `event_fields` made this of; None for what is none, or not one that is known here."""
    kind = _KINDS.get(fields.get("event", ""))
    try:
        return kind(**{field.name: fields[field.name] for field in dataclass_fields(kind)}) if kind else None
    except KeyError:
        return None


class Monitor(Protocol):
    """Whoever wants to hear events."""

    def emit(self, event: Event) -> None:
        """Take one event; must not raise."""


class NullMonitor:
    """Hears nothing; the default of library callers and tests."""

    def emit(self, event: Event) -> None:
        pass


class Progress:
    """The running sums of one phase, handed out by `phase()`."""

    def __init__(self, monitor: Monitor, name: str) -> None:
        self._monitor = monitor
        self._name = name
        self._told_at = time.monotonic()
        self.files = 0
        self.size_bytes = 0

    def advance(self, *, files: int = 0, size_bytes: int = 0) -> None:
        """Add to the sums; tells the monitor at most five times a second."""
        self.files += files
        self.size_bytes += size_bytes
        now = time.monotonic()
        if now - self._told_at >= _ADVANCE_INTERVAL_S:
            self._told_at = now
            self._monitor.emit(PhaseAdvanced(self._name, self.files, self.size_bytes))


@contextmanager
def phase(monitor: Monitor, name: str, title: str, *, files: int = 0, size_bytes: int = 0) -> Iterator[Progress]:
    """Frame a step of a workflow in started/ended events and hand out its `Progress`."""
    started_at = time.monotonic()
    monitor.emit(PhaseStarted(name, title, files, size_bytes))
    progress = Progress(monitor, name)
    ok = False
    try:
        yield progress
        ok = True
    finally:
        elapsed_s = time.monotonic() - started_at
        monitor.emit(PhaseEnded(name, elapsed_s, progress.files, progress.size_bytes, ok))
