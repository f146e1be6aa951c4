"""What is heard of progress: a line per phase, bars on a terminal, JSON lines for machines, or nothing."""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TextIO

from reprov.cli.tables import human_files, human_size, human_steps, human_time
from reprov.errors import InvalidInput
from reprov.events import EVENTS_FORMAT, Event, Monitor, Note, PhaseEnded, event_fields

_OF_STEPS = ("scripts", "native")
"""Phases whose `files` are steps."""


class LineMonitor:
    """One line on stderr for each phase when it ends, and one for each note."""

    def emit(self, event: Event) -> None:
        """Write the line, if this event has one."""
        if isinstance(event, PhaseEnded):
            say(phase_line(event))
        elif isinstance(event, Note):
            say(f"note: {event.text}")


class JsonMonitor:
    """Every event as one line of JSON with the format's version and the time (UTC); the contract of `--events`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def emit(self, event: Event) -> None:
        """Write the line and flush it: whoever follows the file wants it now."""
        fields = {"format": EVENTS_FORMAT, "time": _utc_now(), **event_fields(event)}
        self._stream.write(json.dumps(fields) + "\n")
        self._stream.flush()


class Tee:
    """Tells several monitors, and stops telling one whose reader has gone: progress must not stop an upgrade."""

    def __init__(self, *monitors: Monitor) -> None:
        self._monitors = list(monitors)

    def emit(self, event: Event) -> None:
        """Pass the event on; never raises for a closed pipe, a full disk or a terminal that hung up."""
        for monitor in tuple(self._monitors):
            try:
                monitor.emit(event)
            except (OSError, ValueError):  # ValueError: write to a closed file
                self._monitors.remove(monitor)


@contextmanager
def open_monitor(events: str | None, *, quiet: bool) -> Iterator[Monitor]:
    """The monitor that the options ask for, closed at the end of the block.

    `events` is the argument of `--events`: a file, "-" for stdout, or None. Raises `InvalidInput` when the file
    cannot be written.
    """
    with ExitStack() as stack:
        monitors: list[Monitor] = []
        if not quiet:
            monitors.append(_monitor_for_people(stack))
        if events == "-":
            monitors.append(JsonMonitor(sys.stdout))
        elif events is not None:
            monitors.append(JsonMonitor(stack.enter_context(_open_for_events(events))))
        yield Tee(*monitors)


def phase_line(ended: PhaseEnded) -> str:
    """What happened in a phase, in one line: "stage: 1,234 files, 56.7 MB in 3.2 s"."""
    amounts = []
    if ended.files:
        amounts.append(human_steps(ended.files) if ended.phase in _OF_STEPS else human_files(ended.files))
    if ended.size_bytes:
        amounts.append(human_size(ended.size_bytes))
    took = human_time(ended.elapsed_s)
    if not ended.ok:
        return f"{ended.phase}: failed after {took}" + (f" ({', '.join(amounts)})" if amounts else "")
    return f"{ended.phase}: {', '.join(amounts) or 'done'} in {took}"


def say(line: str) -> None:
    """One line of talk, on whatever stderr is now: rich replaces it while bars are on the screen."""
    print(line, file=sys.stderr, flush=True)


def _monitor_for_people(stack: ExitStack) -> Monitor:
    if not sys.stderr.isatty() or os.environ.get("TERM", "") in ("", "dumb"):
        return LineMonitor()
    # Imported here, because rich costs 100 ms that a cron job need not pay.
    from reprov.cli.bars import BarMonitor

    monitor = BarMonitor()
    stack.callback(monitor.close)
    return monitor


def _open_for_events(name: str) -> TextIO:
    try:
        return open(name, "w", encoding="ascii")  # noqa: PTH123 - the name is the user's, the caller's stack closes it
    except OSError as error:
        raise InvalidInput(f"--events {name}: {error.strerror}", hint='name a file that can be written, or "-" for stdout') from None


def _utc_now() -> str:
    now = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"
