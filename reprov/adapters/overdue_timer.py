"""A timer of the running system that looks every few seconds whether what follows a commit still has somebody who sees to it.

It belongs to PID 1 and not to reprov: it is there when reprov has been killed. What it starts has no sandbox, as it exchanges trees.
"""

from contextlib import suppress
from typing import Final

from reprov.adapters import systemctl
from reprov.adapters.run import CommandFailed, run
from reprov.errors import Refused

_UNIT: Final = "reprov-overdue"
_INTERVAL_S: Final = 10
_TIMEOUT_S: Final = 30


def arm(program: str) -> None:
    """Start it, unless it runs already; `program` is asked with --overdue. Raises `Refused` when systemd does not take it."""
    if not systemctl.is_running() or systemctl.states_of((f"{_UNIT}.timer",))[f"{_UNIT}.timer"].active == "active":
        return
    argv = (
        *("systemd-run", "--quiet", "--collect", "--slice=system.slice", f"--unit={_UNIT}"),
        *("--description=reprov: go back when nobody sees to a commit", "--timer-property=AccuracySec=1s"),
        *(f"--on-active={_INTERVAL_S}", f"--on-unit-inactive={_INTERVAL_S}"),
        *(program, "--overdue"),
    )
    try:
        run(argv, timeout_s=_TIMEOUT_S)
    except CommandFailed as error:
        raise Refused(f"nobody would notice if reprov were killed after the commit: {error.message}", hint=error.hint) from None


def disarm() -> None:
    """Stop it; what it has started goes on."""
    if systemctl.is_running():
        with suppress(CommandFailed):
            run(("systemctl", "stop", f"{_UNIT}.timer"), fine=(0, 5), timeout_s=_TIMEOUT_S)
