"""What a process that has committed, and the reprov of the tree that is now in place, say to each other.

They may be of different versions. What both know is what lies on the disk; whoever goes on must read and write it as the other does,
or a failure could not be undone.
"""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from reprov.domain.armed import ARMED_FORMAT
from reprov.domain.deployment import STATE_FORMAT
from reprov.domain.health import BASELINE_FORMAT
from reprov.domain.journal import LABELS_FORMAT
from reprov.domain.post_progress import PROGRESS_FORMAT
from reprov.errors import HopFailed, InvalidInput, NeedsAttention, ProofFailed, ReprovError
from reprov.events import Event, event_of

COMMAND: Final = "usr/sbin/reprov"
"""Of a tree that brings its own reprov."""
FORMATS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "hand-over": 1,
        "state.json": STATE_FORMAT,
        "journal": LABELS_FORMAT,  # the newest
        "armed": ARMED_FORMAT,
        "progress": PROGRESS_FORMAT,
        "baseline": BASELINE_FORMAT,
    }
)
"""By what in /.reprov is written so; the first is that of this module."""
_ERRORS: Final = (HopFailed, NeedsAttention, ProofFailed)


class Request(NamedTuple):
    """What the one that has committed asks the other to go on with."""

    transaction: str
    labels: bool
    """The node's files have SELinux labels."""
    formats: Mapping[str, int]
    """In which the node's state is written."""

    def to_json(self) -> str:
        """In a line."""
        return json.dumps({**self._asdict(), "formats": dict(self.formats)})

    @classmethod
    def parse(cls, text: str) -> "Request":
        """Read it. Raises `InvalidInput`."""
        try:
            fields = json.loads(text)
            formats = {str(name): int(number) for name, number in fields["formats"].items()}
            return cls(str(fields["transaction"]), bool(fields["labels"]), formats)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidInput(f"not what reprov asks of the reprov of another tree: {error!r}") from None

    @property
    def problem(self) -> str:
        """Why this reprov cannot go on: what is written in a format that is not its own; "" when it can."""
        for name in sorted({*self.formats, *FORMATS}):
            if self.formats.get(name) != FORMATS.get(name):
                return f"{name} is written in format {self.formats.get(name)}, and not in {FORMATS.get(name)}"
        return ""


class TookOver(NamedTuple):
    """The other has read and loaded everything, and goes on."""

    version: str


class WentOn(NamedTuple):
    """The node is confirmed, or waits for the trial of a kernel."""

    finished: object
    """What followed, as JSON (`domain.plain`)."""


class Failed(NamedTuple):
    """It did not; after `TookOver`, the node has been taken back as far as that is possible."""

    status: int
    message: str
    hint: str | None

    @classmethod
    def of(cls, error: ReprovError) -> "Failed":
        """The same as what was raised."""
        return cls(error.exit_code, error.message, error.hint)

    @property
    def error(self) -> ReprovError:
        """What to raise here for it."""
        kind = next((kind for kind in _ERRORS if kind.exit_code == self.status), NeedsAttention)
        return kind(self.message, hint=self.hint)


Said = TookOver | WentOn | Failed
_KINDS: Final[Mapping[str, Any]] = MappingProxyType({"took_over": TookOver, "went_on": WentOn, "failed": Failed})
_NAMES: Final = MappingProxyType({kind: name for name, kind in _KINDS.items()})


def line_of(said: Said) -> str:
    """A line of JSON, as those of events are."""
    return json.dumps({"event": _NAMES[type(said)], **said._asdict()})


def parse(line: bytes) -> Said | Event | None:
    """What a line says; None for what is not known here."""
    try:
        fields: Mapping[str, Any] = json.loads(line)
        kind = _KINDS.get(fields["event"])
        return kind(**{name: fields[name] for name in kind._fields}) if kind else event_of(fields)
    except (ValueError, KeyError, TypeError):
        return None
