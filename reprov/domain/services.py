"""What runs on a node as systemd has it, and what is done to it after an exchange."""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from reprov.domain.cgroups import Home

_RUNS = ("active", "activating", "reloading", "refreshing")


class Verb(IntEnum):
    """What is done to a unit, in the order in which it is done."""

    STOP = 0
    RELOAD = 1
    RESTART = 2
    START = 3

    @property
    def word(self) -> str:
        """As systemctl calls it."""
        return self.name.lower()


class Running(NamedTuple):
    """A process that goes on with what is no longer installed."""

    pid: int
    name: str
    home: Home
    old_files: tuple[str, ...] = ()
    """The code that it runs and that has been replaced, relative to the root."""
    works_in: str = ""
    """The directory that it works in and that is no longer there under that name; "" for one that is."""
    lost_mount: str = ""
    """What its sandbox had mounted on a path that has been exchanged; "" for nothing."""


class UnitState(NamedTuple):
    """What systemd says of a unit."""

    name: str
    """Its own name, whatever it was asked by."""
    load: str = "loaded"
    active: str = "active"
    kind: str = "simple"
    """Type= of a service."""
    enabled: str = "enabled"
    can_reload: bool = False
    refuses: bool = False
    """RefuseManualStop= or RefuseManualStart=."""
    main_pid: int = 0
    restarts: int = 0
    """How often systemd has restarted it by itself."""
    triggered_by: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()
    """What a socket starts."""
    accepts: bool = False
    """Accept= of a socket: every connection has a service of its own, which goes on without the socket."""

    @property
    def runs(self) -> bool:
        """True for one that is active or about to be."""
        return self.active in _RUNS


class Act(NamedTuple):
    """One thing to do to one unit."""

    unit: str
    verb: Verb
    reason: str


class LeftAlone(NamedTuple):
    """A unit or a process that should be renewed, and is not."""

    name: str
    """The unit, or "bash (4711)"."""
    needed: str
    """Why it should be."""
    reason: str
    """Why it is not."""
    advice: str
    needs_reboot: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done, in the order of the acts."""

    acts: tuple[Act, ...]
    left_alone: tuple[LeftAlone, ...]
    reexec: str = ""
    """Why PID 1 is to be executed again; "" for not."""
    audit: bool = False
    """Whether audit rules are to be loaded again."""
    needs_boot: tuple[tuple[str, str], ...] = ()
    """What of the running system has changed so that only a boot renews it, each with a path of it."""

    @property
    def stuck(self) -> tuple[str, ...]:
        """Who runs what is old until the node is rebooted, in words."""
        return tuple(f"{item.name} {item.needed}, and is not restarted: {item.reason}" for item in self.left_alone if item.needs_reboot)
