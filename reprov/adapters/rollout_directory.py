"""The directory of one rollout.

<directory>/
    rollout.json      what is to be done (domain.rollout_file)
    project/          the Ansible project; people may run it by hand, too
    events.jsonl      everything that happened, in order: the state is what follows from it (domain.rollout_events)
    lease  running    who controls it, and whether an Ansible of theirs is left (adapters.lease)
    wanted            what somebody asks of the controller: to pause, or to abort
    ansible/          what each run of Ansible printed, a file each (adapters.ansible_runner)
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

from reprov.adapters.durable import sync_directory, write_durably
from reprov.adapters.lease import leased
from reprov.domain.rollout_events import RolloutEvent, parse_line, to_line
from reprov.domain.rollout_file import ROLLOUT_FILE, Rollout
from reprov.errors import InvalidInput
from reprov.events import Monitor

EVENTS_FILE: Final = "events.jsonl"
PROJECT: Final = "project"
_WANTED: Final = "wanted"


class Wanted(StrEnum):
    """What somebody asks of the controller."""

    PAUSE = "pause"
    ABORT = "abort"


class Read(NamedTuple):
    """Events, and where those begin that are still to come."""

    events: tuple[RolloutEvent, ...]
    offset: int
    lines: int


NOTHING_READ: Final = Read((), 0, 0)


class RolloutDirectory:
    """A rollout on disk; everybody may look, the one who holds the lease writes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.project = path / PROJECT

    def rollout(self) -> Rollout:
        """What it is for. Raises `InvalidInput` when the directory is not one of a rollout."""
        file = self.path / ROLLOUT_FILE
        try:
            return Rollout.parse(file.read_text("utf-8"), str(file))
        except FileNotFoundError:
            raise InvalidInput(f"{self.path}: not a rollout: it has no {ROLLOUT_FILE}", hint="`reprov rollout plan` makes one") from None
        except UnicodeDecodeError:
            raise InvalidInput(f"{file}: not UTF-8") from None

    def create(self, rollout: Rollout) -> None:
        """Write down what it is for. The directory exists, with its project."""
        write_durably(self.path / ROLLOUT_FILE, rollout.to_json().encode())

    def events(self, after: Read = NOTHING_READ) -> Read:
        """What happened, behind what was read before. A last line that is still being written, or that a power cut tore, is left out."""
        file = self.path / EVENTS_FILE
        try:
            with file.open("rb") as lines:
                lines.seek(after.offset)
                text = lines.read()
        except FileNotFoundError:
            return after._replace(events=())
        whole = text[: text.rfind(b"\n") + 1]
        found = [
            parse_line(line.decode("ascii", "backslashreplace"), f"{file}:{number}")
            for number, line in enumerate(whole.splitlines(), start=after.lines + 1)
        ]
        return Read(tuple(found), after.offset + len(whole), after.lines + len(found))

    @contextmanager
    def controlled(self, monitor: Monitor) -> Iterator["EventLog"]:
        """Hold the lease and write events. Raises `Refused` when somebody else does."""
        with leased(self.path, monitor):
            file = self.path / EVENTS_FILE
            end = self.events().offset
            with file.open("ab", buffering=0) as log:
                log.truncate(end)  # of a line that was torn
                sync_directory(self.path)
                yield EventLog(log.fileno())

    def want(self, wanted: Wanted) -> None:
        """Ask the controller for something; the last word counts."""
        write_durably(self.path / _WANTED, wanted.value.encode())

    def wanted(self) -> Wanted | None:
        """What somebody asks of the controller."""
        with suppress(FileNotFoundError, ValueError):
            return Wanted((self.path / _WANTED).read_text("ascii", "replace").strip())
        return None

    def forget_wanted(self) -> None:
        """It was heard."""
        (self.path / _WANTED).unlink(missing_ok=True)


class EventLog:
    """Where the controller writes."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def append(self, event: RolloutEvent) -> None:
        """Write an event; it is on the disk afterwards. Raises `OSError` when it is not, and then nothing of it is."""
        line = (to_line(event) + "\n").encode()
        end = os.fstat(self._fd).st_size
        try:
            while line:
                line = line[os.write(self._fd, line) :]
            os.fsync(self._fd)
        except OSError:
            os.ftruncate(self._fd, end)  # half a line would spoil the next one, too
            raise
