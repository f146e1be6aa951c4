"""What is done to services after an exchange: which are restarted, reloaded or left alone, each with its reason."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from reprov.domain.cgroups import HomeKind
from reprov.domain.entry import Entry, is_below, show
from reprov.domain.guards import needing_boot
from reprov.domain.hop import unit_of
from reprov.domain.never_restart import NodeFacts, Stay, stay_of_home, stay_of_unit
from reprov.domain.post_script import ServiceFact
from reprov.domain.services import Act, Decision, LeftAlone, Running, UnitState, Verb

_ENABLED = ("enabled", "enabled-runtime", "alias", "linked", "linked-runtime", "generated", "static")
_SOCKET = ".socket"
_WATCHED_RESTARTS = (".service", ".timer", ".path", _SOCKET)
"""Units that may be restarted because their file has changed; a mount would take files away."""

# Who watches directories, and so is blind once they have been exchanged (reference: transaction-hazards, row 15).
_WATCHERS: Final = (
    ("dbus.service", ("etc/dbus-1", "usr/share/dbus-1")),
    ("dbus-broker.service", ("etc/dbus-1", "usr/share/dbus-1")),
    ("polkit.service", ("etc/polkit-1", "usr/share/polkit-1")),
    ("NetworkManager.service", ("etc/NetworkManager", "usr/lib/NetworkManager")),
    ("systemd-udevd.service", ("etc/udev", "usr/lib/udev")),
)
AUDIT_RULES = ("etc/audit",)
UDEV = "systemd-udevd.service"


_VERBS = {
    "start": Verb.START,
    "stop": Verb.STOP,
    "restart": Verb.RESTART,
    "try-restart": Verb.RESTART,
    "condrestart": Verb.RESTART,
    "force-reload": Verb.RELOAD,
    "reload": Verb.RELOAD,
    "try-reload": Verb.RELOAD,
    "reload-or-restart": Verb.RELOAD,
    "reload-or-try-restart": Verb.RELOAD,
    "try-reload-or-restart": Verb.RELOAD,
}
_STARTS = ("start", "restart", "reload-or-restart")
"""What also starts a unit that does not run."""


@dataclass(slots=True)
class _Wanted:
    """Everything that speaks for doing something to a unit."""

    reasons: dict[Verb, list[str]] = field(default_factory=dict)
    starts: bool = False
    has_process: bool = False

    def add(self, verb: Verb, reason: str) -> None:
        found = self.reasons.setdefault(verb, [])
        if reason not in found:
            found.append(reason)


def changed_paths(here: Mapping[str, Entry], there: Mapping[str, Entry]) -> frozenset[str]:
    """The paths that mean something else in two trees: what goes from the one to the other has changed for whoever runs it."""

    def content(entry: Entry | None) -> object:
        return entry and (entry.kind, entry.digest, entry.target)

    paths = here.keys() | there.keys()
    return frozenset(
        path for path in paths if here.get(path) is not there.get(path) and content(here.get(path)) != content(there.get(path))
    )


def candidates(facts: Iterable[ServiceFact], changed: Collection[str], runners: Iterable[Running], active: Collection[str]) -> set[str]:
    """The units that systemd has to be asked about: instances of templates among those that are active."""
    found = {fact.unit for fact in facts} | {runner.home.unit for runner in runners if runner.home.kind is HomeKind.SERVICE}
    found |= {unit for path in changed for unit in _instances(unit_of(path), active)}
    return found | {unit for unit, _ in _WATCHERS if unit in active}


def behind_sockets(states: Iterable[UnitState]) -> set[str]:
    """The services of these sockets that systemd has to be asked about, too."""
    return {name for state in states if state.name.endswith(_SOCKET) and not state.accepts for name in state.triggers}


def _instances(unit: str | None, active: Collection[str]) -> set[str]:
    if unit is None:
        return set()
    stem, at, suffix = unit.partition("@.")
    return {name for name in active if name.startswith(f"{stem}@") and name.endswith(f".{suffix}")} if at else {unit} & {*active}


def decide(
    facts: Sequence[ServiceFact],
    changed: Collection[str],
    swapped: Collection[str],
    runners: Sequence[Running],
    states: Mapping[str, UnitState],
    node: NodeFacts,
) -> Decision:
    """Decide for every unit that scripts have named, whose files have changed, or of which a process goes on with old things.

    `changed` are the paths whose content has changed, `swapped` those that were exchanged (the watchers of what is in them are
    blind), `states` what systemd says of the `candidates` by the names that they were asked by.
    """
    wanted: dict[str, _Wanted] = {}
    _add_facts(wanted, facts, states)
    for unit in sorted({name for path in changed for name in _instances(unit_of(path), states)}):
        state = states[unit]
        # A job that is done, or that is under way, does not profit from being done again.
        if state.runs and state.kind != "oneshot" and state.name.endswith(_WATCHED_RESTARTS):
            wanted.setdefault(state.name, _Wanted()).add(Verb.RESTART, _EDITED)
    left: list[LeftAlone] = []
    reexec = ""
    boot = dict(needing_boot(sorted(changed)))
    for runner in runners:
        reason = _why(runner)
        if runner.home.kind is HomeKind.INIT and runner.pid == 1 and "PID 1" not in boot:
            reexec = reason
        elif runner.home.kind is HomeKind.SERVICE:
            name = states[runner.home.unit].name if runner.home.unit in states else runner.home.unit
            entry = wanted.setdefault(name, _Wanted())
            entry.has_process = True
            entry.add(Verb.RESTART, reason)
        elif stay := stay_of_home(runner.home, node):
            left.append(_left(f"{runner.name} ({runner.pid})", reason, stay))
    by_name = {state.name: state for state in states.values()}
    _add_reloads(wanted, swapped, by_name)
    acts: list[Act] = []
    for unit, entry in sorted(wanted.items()):
        state = by_name.get(unit, UnitState(unit, load="not-found", active="inactive"))
        stay = _stay_of_socket(state, states, node) if unit.endswith(_SOCKET) and state.runs and Verb.RESTART in entry.reasons else None
        if stay:
            if _EDITED in entry.reasons[Verb.RESTART]:  # a script alone need not be told: what runs behind the socket is renewed
                left.append(_left(unit, _EDITED, stay))
            continue
        outcome = _decide_one(unit, entry, state, node)
        if isinstance(outcome, Act):
            acts.append(outcome)
        elif outcome:
            left.append(outcome)
    acts.sort(key=lambda act: (act.verb, act.unit))
    return Decision(
        tuple(acts), tuple(left), reexec, _touches(swapped, AUDIT_RULES), tuple(item for item in boot.items() if item[0] in _REBOOTS)
    )


_EDITED: Final = "its unit file has changed"
_REBOOTS = ("the kernel", "the C library", "PID 1", "the message bus")


def _add_facts(wanted: dict[str, _Wanted], facts: Sequence[ServiceFact], states: Mapping[str, UnitState]) -> None:
    """What scripts have said, the last word of each unit; a start after a stop is a restart."""
    said: dict[str, list[ServiceFact]] = {}
    for fact in facts:
        name = states[fact.unit].name if fact.unit in states else fact.unit
        said.setdefault(name, []).append(fact)
    for unit, all_said in said.items():
        known = [fact for fact in all_said if fact.verb in _VERBS]
        if not known:
            continue
        last = known[-1]
        verb = _VERBS[last.verb]
        if verb is Verb.START and any(_VERBS[fact.verb] is Verb.STOP for fact in known):
            verb = Verb.RESTART
        entry = wanted.setdefault(unit, _Wanted())
        entry.starts |= last.verb in _STARTS
        entry.add(verb, f"{last.package} says {last.verb}")


def _add_reloads(wanted: dict[str, _Wanted], swapped: Collection[str], states: Mapping[str, UnitState]) -> None:
    for unit, directories in _WATCHERS:
        if unit in states and states[unit].runs and _touches(swapped, directories):
            wanted.setdefault(unit, _Wanted()).add(Verb.RELOAD, f"it watches {show(directories[0])}, which was exchanged")


def _stay_of_socket(socket: UnitState, states: Mapping[str, UnitState], node: NodeFacts) -> Stay | None:
    """Why a socket that has changed waits for the next start of what runs behind it; None for one that waits for somebody to connect.

    systemd refuses to start a socket whose service runs; and to stop both would stop whatever requires them, and start none of that.
    """
    services = [states[name] for name in sorted(behind_sockets([socket])) if name in states and states[name].runs]
    for state in (socket, *services):
        if stay := stay_of_unit(state.name, node):
            return stay._replace(needs_reboot=False)  # nothing that runs is old
    if socket.refuses:
        return Stay("its unit file forbids it", "reboot", needs_reboot=False)
    if services:
        name = services[0].name
        return Stay(f"{name} runs behind it", f"systemctl stop {socket.name} {name}, then start them", needs_reboot=False)
    return None


def _touches(swapped: Collection[str], directories: Sequence[str]) -> bool:
    return any(is_below(path, directory) or (path and is_below(directory, path)) for path in swapped for directory in directories)


def _decide_one(unit: str, entry: _Wanted, state: UnitState, node: NodeFacts) -> Act | LeftAlone | None:
    """One outcome for a unit: what renews more wins; a unit that should not run at all is stopped, and nothing else."""
    reasons = "; ".join(reason for verb in (Verb.RESTART, Verb.RELOAD, Verb.START, Verb.STOP) for reason in entry.reasons.get(verb, ()))
    if Verb.STOP in entry.reasons:
        return Act(unit, Verb.STOP, reasons) if state.runs else None
    if not state.runs:
        may_start = state.load == "loaded" and state.enabled in _ENABLED and state.kind != "oneshot"
        return Act(unit, Verb.START, reasons) if entry.starts and may_start else None
    if Verb.RESTART not in entry.reasons:
        return _reload(unit, reasons, state) if Verb.RELOAD in entry.reasons else None
    stay = stay_of_unit(unit, node)
    if stay is None and state.refuses:
        stay = Stay("its unit file forbids it", "reboot", needs_reboot=True)
    if stay is None and state.active == "activating" and state.kind == "oneshot":
        stay = Stay("it is a job under way", "nothing: it ends by itself", needs_reboot=False)
    if stay is None and _is_terminal(unit) and not entry.has_process:
        stay = Stay("somebody may be logged in there", "log in again", needs_reboot=False)
    if stay is None:
        return Act(unit, Verb.RESTART, reasons)
    if not entry.has_process:
        # Nothing of it is old: what has changed is for its next start, and its configuration can be read again.
        return _reload(unit, reasons, state) if state.can_reload else LeftAlone(unit, reasons, stay.reason, stay.advice)
    return _left(unit, reasons, stay)


def _reload(unit: str, reasons: str, state: UnitState) -> Act:
    return Act(unit, Verb.RELOAD if state.can_reload or unit == UDEV else Verb.RESTART, reasons)


def _left(name: str, needed: str, stay: Stay) -> LeftAlone:
    return LeftAlone(name, needed, stay.reason, stay.advice, stay.needs_reboot)


def _is_terminal(unit: str) -> bool:
    return unit.partition("@")[0].endswith("getty") or unit.removesuffix(".service").endswith("getty")


def _why(runner: Running) -> str:
    if runner.old_files:
        more = len(runner.old_files) - 1
        return f"runs an old {show(runner.old_files[0])}" + (f" and {more} more" if more else "")
    if runner.lost_mount:
        return f"has lost {show(runner.lost_mount)} of its sandbox"
    return f"works in the old {show(runner.works_in)}"
