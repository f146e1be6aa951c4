"""`/.reprov/client/at-boot`: what is done at a boot, before anything of the root runs.

at-boot            bring an interrupted change to rest, then do what is armed
at-boot --recover  bring an interrupted change to rest, no more
at-boot --overdue  take a running node back when nobody sees any more to what follows its last commit

Status 0: nothing to do, or only tidied up. 100: the root has other trees than before; a system that already runs from it must reboot.
1: what was armed could not be done, and the node is as it was. 3: it needs somebody's attention. The boot goes on after each of them.

Takes nothing but Python's own library: in the root of a node that was never reprov's there may be nothing else.
"""

import traceback
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path

from reprov.errors import HopFailed, ReprovError
from reprov.events import Event, Note, PhaseStarted


class Status(IntEnum):
    """The exit status."""

    DONE = 0
    GIVEN_UP = 1
    NEEDS_ATTENTION = 3
    EXCHANGED = 100


class _Lines:
    """Tells what happens on the console."""

    def emit(self, event: Event) -> None:
        if isinstance(event, Note):
            _say(event.text)
        elif isinstance(event, PhaseStarted):
            _say(event.title)  # one may take long: whoever looks at the console is to know which


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says, and return the exit status."""
    if list(arguments) not in ([], ["--recover"], ["--overdue"]):
        _say(f"{' '.join(arguments)} is none of at-boot's options")
        return Status.NEEDS_ATTENTION
    try:
        if arguments[:1] == ["--overdue"]:
            return _take_back_overdue()
        from reprov.workflows.boot_commit import Done, carry_out

        done = carry_out(Path("/"), _Lines(), recover_only=bool(arguments))
    except ReprovError as error:
        _say(error.message)
        if error.hint:
            _say(f"hint: {error.hint}")
        return Status.NEEDS_ATTENTION
    except Exception:
        traceback.print_exc()
        _say("this is a bug in reprov: report it")
        return Status.NEEDS_ATTENTION
    return {Done.NOTHING: Status.DONE, Done.EXCHANGED: Status.EXCHANGED, Done.GIVEN_UP: Status.GIVEN_UP}[done]


def _take_back_overdue() -> Status:
    from reprov.workflows.confirm import take_back_overdue

    try:
        take_back_overdue(Path("/"), _Lines())
    except HopFailed as failure:
        _say(failure.message)  # as it was to be: a unit that failed would leave the system degraded
    return Status.DONE


def _say(text: str) -> None:
    print(f"reprov: {text}", flush=True)
