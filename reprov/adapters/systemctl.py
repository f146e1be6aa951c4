"""systemd of the running system, asked and told through systemctl."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from reprov.adapters.run import CommandFailed, is_installed, run
from reprov.domain.services import UnitState

_RUNS = Path("/run/systemd/system")
_TIMEOUT_S = 300
_PROPERTIES = {
    "Id": "name",
    "LoadState": "load",
    "ActiveState": "active",
    "Type": "kind",
    "UnitFileState": "enabled",
    "CanReload": "can_reload",
    "RefuseManualStop": "refuses",
    "RefuseManualStart": "refuses",
    "MainPID": "main_pid",
    "NRestarts": "restarts",
    "TriggeredBy": "triggered_by",
    "Triggers": "triggers",
    "Accept": "accepts",
}


def is_running() -> bool:
    """True where systemd is PID 1 (sd_booted(3))."""
    return _RUNS.is_dir() and is_installed("systemctl")


def active_units() -> frozenset[str]:
    """The names of every unit that runs, or is about to."""
    return _units_in("active,activating,reloading")


def failed_units() -> frozenset[str]:
    """The names of every unit that has failed."""
    return _units_in("failed")


def running_services() -> frozenset[str]:
    """The names of every service that has a process, but for those of a user's login."""
    return frozenset(unit for unit in _units_in("running") if unit.endswith(".service") and not unit.startswith("user@"))


def system_state() -> str:
    """What systemd says of the whole system (running, degraded, starting, ...); "" when it does not answer."""
    try:
        return run(("systemctl", "is-system-running"), fine=(0, 1), timeout_s=_TIMEOUT_S).stdout.decode(errors="replace").strip()
    except CommandFailed:
        return ""


def _units_in(states: str) -> frozenset[str]:
    argv = ("systemctl", "list-units", "--plain", "--no-legend", "--full", "--no-pager", f"--state={states}")
    said = run(argv, timeout_s=_TIMEOUT_S).stdout.decode(errors="replace")
    return frozenset(words[0] for line in said.splitlines() if (words := line.split()))


def states_of(units: Iterable[str]) -> dict[str, UnitState]:
    """What systemd says of these units, by the names that they are asked by; what is no name of a unit is left out."""
    asked = sorted(unit for unit in {*units} if "@." not in unit and "/" not in unit and "." in unit)
    if not asked:
        return {}
    argv = ("systemctl", "show", "--no-pager", f"--property={','.join(_PROPERTIES)}", "--", *asked)
    blocks = run(argv, timeout_s=_TIMEOUT_S).stdout.decode(errors="replace").split("\n\n")
    return {unit: _state(unit, block) for unit, block in zip(asked, blocks, strict=True)}


def _state(unit: str, block: str) -> UnitState:
    said = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
    return UnitState(
        name=said.get("Id") or unit,
        load=said.get("LoadState", ""),
        active=said.get("ActiveState", ""),
        kind=said.get("Type", ""),
        enabled=said.get("UnitFileState", ""),
        can_reload=said.get("CanReload") == "yes",
        refuses="yes" in (said.get("RefuseManualStop"), said.get("RefuseManualStart")),
        main_pid=int(said.get("MainPID") or 0),
        restarts=int(said.get("NRestarts") or 0),
        triggered_by=tuple(said.get("TriggeredBy", "").split()),
        triggers=tuple(said.get("Triggers", "").split()),
        accepts=said.get("Accept") == "yes",
    )


def reload_units() -> None:
    """Have PID 1 read the unit files again, and run the generators."""
    run(("systemctl", "daemon-reload"), timeout_s=_TIMEOUT_S)


def execute_again() -> None:
    """Have PID 1 execute itself again: it keeps every unit, and runs what is installed."""
    run(("systemctl", "daemon-reexec"), timeout_s=_TIMEOUT_S)


def act(verb: str, units: Sequence[str]) -> str:
    """Do one thing to some units at once, so that systemd can order them; what it complained of, "" for nothing."""
    try:
        run(("systemctl", "--no-ask-password", verb, "--", *units), timeout_s=_TIMEOUT_S)
    except CommandFailed as error:
        return error.stderr.decode(errors="replace").strip() or error.message
    return ""


def last_words(unit: str) -> str:
    """The last line that the processes of a unit have written to the journal; "" where there is none."""
    try:
        argv = ("journalctl", "--no-pager", "--quiet", "--output=cat", "--lines=1", "--boot", f"_SYSTEMD_UNIT={unit}")
        return run(argv, timeout_s=_TIMEOUT_S).stdout.decode(errors="replace").strip()
    except CommandFailed:
        return ""


def reload_udev() -> None:
    """Have udevd read its rules again, whatever it thinks of their times."""
    run(("udevadm", "control", "--reload"), timeout_s=_TIMEOUT_S)
