"""What happens in a rollout, one line each: they are its state, because the state is what follows from them in their order."""

import json
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple

from reprov.errors import InvalidInput

_FORMAT: Final = 1


class Outcome(StrEnum):
    """How a step, or a host as a whole, ended."""

    DONE = "done"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    SKIPPED = "skipped"


class Trouble(NamedTuple):
    """A host that did not get through a step, and why."""

    host: str
    why: str


class StepBegan(NamedTuple):
    """A step is about to be run on these hosts. Written before it: whoever takes over must know who may have been touched."""

    at: float
    """Seconds since the epoch, as in all of them."""
    stage: str
    tag: int
    hosts: tuple[str, ...]


class StepEnded(NamedTuple):
    """How the step ended on each host that it began on."""

    at: float
    stage: str
    tag: int
    done: tuple[str, ...]
    failed: tuple[Trouble, ...] = ()
    unreachable: tuple[Trouble, ...] = ()


class NodeReached(NamedTuple):
    """A phase that a node said it has come to, while a step ran on it. Heard some seconds later, and not of every phase."""

    at: float
    host: str
    phase: str
    title: str


class HostsSkipped(NamedTuple):
    """Hosts of a stage that are given up without having been touched in it."""

    at: float
    stage: str
    hosts: tuple[str, ...]
    why: str


class HostsRetried(NamedTuple):
    """Hosts that had been given up are to go on where they stopped."""

    at: float
    hosts: tuple[str, ...]


class GatePassed(NamedTuple):
    """Somebody said that a stage goes on behind its canaries."""

    at: float
    stage: str
    who: str


class Turn(StrEnum):
    """What happens to the rollout as a whole."""

    STARTED = "started"
    PAUSED = "paused"
    STOPPED = "stopped"
    ABORTED = "aborted"
    FINISHED = "finished"


class Turned(NamedTuple):
    """A controller began or ended, and why; or somebody paused or gave up the rollout."""

    at: float
    turn: Turn
    who: str
    why: str = ""


RolloutEvent = StepBegan | StepEnded | NodeReached | HostsSkipped | HostsRetried | GatePassed | Turned

_NAMES: Final[Mapping[str, type[RolloutEvent]]] = {
    "step_began": StepBegan,
    "step_ended": StepEnded,
    "node_reached": NodeReached,
    "hosts_skipped": HostsSkipped,
    "hosts_retried": HostsRetried,
    "gate_passed": GatePassed,
    "turned": Turned,
}
_NAME_OF: Final = {kind: name for name, kind in _NAMES.items()}


def _troubles(items: Any) -> tuple[Trouble, ...]:
    return tuple(Trouble(str(host), str(why)) for host, why in items)


def _names(items: Any) -> tuple[str, ...]:
    return tuple(map(str, items))


_READERS: Final[Mapping[str, Callable[[Any], object]]] = {
    "at": float,
    "tag": int,
    "hosts": _names,
    "done": _names,
    "failed": _troubles,
    "unreachable": _troubles,
    "turn": Turn,
}


def to_line(event: RolloutEvent) -> str:
    """The event as a line of JSON, without its line break."""
    return json.dumps({"format": _FORMAT, "event": _NAME_OF[type(event)], **event._asdict()})


def parse_line(line: str, source: str) -> RolloutEvent:
    """Read what `to_line` wrote; `source` is file:line. Raises `InvalidInput`."""
    try:
        fields = json.loads(line)
        if fields.pop("format") != _FORMAT:
            raise ValueError
        kind = _NAMES[fields.pop("event")]
        values: dict[str, Any] = {name: _READERS.get(name, str)(value) for name, value in fields.items()}
        return kind(**values)
    except (ValueError, TypeError, KeyError, AttributeError):
        hint = "the file is written by reprov alone; was it edited, or written by a newer reprov?"
        raise InvalidInput(f"{source}: not an event of a rollout", hint=hint) from None
