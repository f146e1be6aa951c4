"""Committed or rolled back -> services settled: what runs old code or lost its sandbox is renewed, and what cannot be is told."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reprov.adapters import systemctl
from reprov.adapters.audit_rules import audit_rules, load_audit_rules
from reprov.adapters.node_state import NodeState
from reprov.adapters.processes import boot_id, node_facts, running_kernel, running_old
from reprov.adapters.reboot_file import read_reboot, write_reboot
from reprov.adapters.run import CommandFailed
from reprov.domain.cgroups import HomeKind
from reprov.domain.entry import show
from reprov.domain.post_script import ServiceFact
from reprov.domain.reboot import Origin, RebootReason, kernels_in, name_of, not_taken_back, reasons_after
from reprov.domain.resolved_role import ROLE_NAME, ResolvedRole
from reprov.domain.restarts import UDEV, behind_sockets, candidates, decide
from reprov.domain.services import Act, Decision, LeftAlone, Running, UnitState, Verb
from reprov.events import Monitor, Note, phase
from reprov.workflows.node import Node

_STARTS_WITHIN_S = 30.0
_STAYS_UP_S = 2.0
"""How long a service has to stay up: one that dies at once is started again by systemd, and looks active in between."""
_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Failure:
    """A unit that is not as it must be."""

    unit: str
    problem: str


@dataclass(frozen=True, slots=True)
class Settled:
    """What was done to services after an exchange."""

    restarted: tuple[Act, ...] = ()
    """And started, and stopped: the verb says which."""
    reloaded: tuple[Act, ...] = ()
    left_alone: tuple[LeftAlone, ...] = ()
    failed: tuple[Failure, ...] = ()
    """What does not run as it must. The hop has failed: the caller goes back."""
    reboot_reasons: tuple[str, ...] = ()
    """Everything that a reboot is wanted for, earlier exchanges included."""


def settle_services(root: Path, facts: Sequence[ServiceFact], changed: Collection[str], monitor: Monitor) -> Settled:
    """Bring the services of a live node in line with the tree that an exchange has just put in place, forward or back.

    `facts` are what scripts wanted of services, in their order; `changed` the paths whose content the exchange has changed. In a
    root that is not running nothing is done. Raises nothing for a service that does not come up: `Settled.failed` says so.
    """
    state = NodeState(root)
    if root != Path("/") or not systemctl.is_running():
        if reasons := read_reboot(state):
            write_reboot(state, not_taken_back(reasons, _way(state)))
        return Settled()
    known = frozenset(changed)
    with phase(monitor, "services", "Settling services"):
        rules = audit_rules()
        systemctl.reload_units()
        runners = tuple(running_old(known))
        active = systemctl.active_units()
        states = systemctl.states_of(candidates(facts, known, runners, active))
        states |= systemctl.states_of(behind_sockets(states.values()) - states.keys())
        decision = decide(facts, known, _swapped(state), runners, states, node_facts())
        failed = [*_carry_out(decision), *_load_audit(rules, decision.audit, monitor)]
        failed += _not_up(decision, {found.name: found for found in states.values()})
        failed += _still_old(decision, known)
        _start_stopped(services_of(state))
        failed += _not_active(services_of(state))
        reasons = _remember(state, decision, known)
    for item in decision.left_alone:
        monitor.emit(Note(f"{item.name} {item.needed}, and is left alone: {item.reason}; {item.advice}"))
    return Settled(
        tuple(act for act in decision.acts if act.verb is not Verb.RELOAD),
        tuple(act for act in decision.acts if act.verb is Verb.RELOAD),
        decision.left_alone,
        tuple(failed),
        tuple(reason.text for reason in reasons),
    )


def services_of(state: NodeState) -> tuple[str, ...]:
    """The units that must be active by the definition of the installed role, in its order; none for a tree without one."""
    installed = state.deployment().installed
    if installed is None:
        return ()
    file = state.release_directory(installed) / ROLE_NAME
    try:
        return ResolvedRole.parse(file.read_text(encoding="utf-8"), str(file)).services
    except FileNotFoundError:
        return ()


def services_missing(node: Node) -> tuple[Failure, ...]:
    """The units of the installed role that do not run on a running system, although they must."""
    return tuple(_not_active(services_of(node.state))) if node.is_live and systemctl.is_running() else ()


def services_down(node: Node) -> tuple[str, ...]:
    """The units of a running system that have failed, and those of the installed role that do not run."""
    if not node.is_live or not systemctl.is_running():
        return ()
    wanted = services_of(node.state)
    return tuple(sorted({*systemctl.failed_units(), *wanted} - {*systemctl.active_units()}))


def reboot_reasons(node: Node) -> tuple[str, ...]:
    """Why a node wants to be rebooted: what has been written down and, as far as the running system is its, is not met yet."""
    if not node.state.exists:
        return ()
    reasons, boot, kernel = read_reboot(node.state), boot_id(), running_kernel()
    return tuple(reason.text for reason in reasons if not (node.is_live and reason.is_met(boot, kernel)))


def want_reboot(root: Path, texts: Sequence[str]) -> None:
    """Write down that scripts have asked for a reboot, and why."""
    state, boot, kernel = NodeState(root), boot_id(), running_kernel()
    new = [RebootReason(Origin.SCRIPT, text, boot, *_way(state)) for text in texts]
    earlier = [reason for reason in read_reboot(state) if not reason.is_met(boot, kernel)]
    write_reboot(state, tuple(dict.fromkeys((*earlier, *new))))


def _way(state: NodeState) -> tuple[str, str]:
    """From which tree to which the last exchange went."""
    deployment = state.deployment()
    return name_of(deployment.previous), name_of(deployment.installed)


def _swapped(state: NodeState) -> frozenset[str]:
    journal = state.journal() or state.previous_journal()
    return frozenset(entry.op.path for entry in journal.ops) if journal else frozenset()


def _carry_out(decision: Decision) -> list[Failure]:
    """Do it all, in order; what systemd complains of is judged by what runs afterwards, except where nothing would tell."""
    failed = []
    if decision.reexec:
        systemctl.execute_again()
    for verb in Verb:
        units = [act.unit for act in decision.acts if act.verb is verb]
        if verb is Verb.RELOAD and UDEV in units:
            systemctl.reload_udev()
            units.remove(UDEV)
        if units and (said := systemctl.act(verb.word, units)) and verb in (Verb.STOP, Verb.RELOAD):
            failed += [Failure(unit, f"cannot be asked to {verb.word}: {said.splitlines()[0]}") for unit in units if unit in said]
    return failed


def _load_audit(before: frozenset[str] | None, is_wanted: bool, monitor: Monitor) -> list[Failure]:
    """Load the audit rules again, and see that none is missing that the rules on disk bring back."""
    if before is None or not is_wanted:
        return []
    try:
        load_audit_rules()
    except CommandFailed as error:
        return [Failure("auditd.service", f"the audit rules cannot be loaded again: {error.message}")]
    gone = before - (audit_rules() or frozenset())
    if gone:
        monitor.emit(Note(f"audit rules that are not loaded any more: {'; '.join(sorted(gone))}"))
    return []


def _not_up(decision: Decision, before: Mapping[str, UnitState]) -> list[Failure]:
    """The units that were restarted or started, and do not run, or do not keep running; a job may be done by now, if it went well."""
    units = [act.unit for act in decision.acts if act.verb in (Verb.RESTART, Verb.START)]
    if not units:
        return []
    deadline = time.monotonic() + _STARTS_WITHIN_S
    states = systemctl.states_of(units)
    while any(state.active == "activating" for state in states.values()) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
        states = systemctl.states_of(units)
    time.sleep(_STAYS_UP_S)
    later = systemctl.states_of(units)
    return [
        Failure(unit, f"is {later[unit].active} after its restart{_said(unit)}")
        for unit in units
        if later[unit].active not in (("active", "inactive") if before[unit].kind == "oneshot" else ("active",))
        or later[unit].restarts > states[unit].restarts
    ]


def _still_old(decision: Decision, changed: Collection[str]) -> list[Failure]:
    """The units that were restarted and have processes that go on as before all the same."""
    renewed = {act.unit for act in decision.acts if act.verb in (Verb.RESTART, Verb.STOP)}
    found: dict[str, Running] = {}
    for runner in running_old(changed):
        if runner.home.unit in renewed or (runner.home.kind is HomeKind.INIT and decision.reexec):
            found.setdefault(runner.home.unit, runner)
    return [Failure(unit, f"{runner.name} ({runner.pid}) {_what(runner)} after the restart") for unit, runner in found.items()]


def _what(runner: Running) -> str:
    if runner.lost_mount:
        return f"still lacks {show(runner.lost_mount)} in its sandbox"
    return f"still runs the old {show(runner.old_files[0])}" if runner.old_files else f"still works in the old {show(runner.works_in)}"


def _start_stopped(services: Sequence[str]) -> None:
    """Start the role's units that somebody stopped before the upgrade, a rollout for one: what does not run says nothing of the release."""
    down = [failure.unit for failure in _not_active(services)]
    states = systemctl.states_of(down)
    if stopped := [unit for unit in down if unit in states and states[unit].load == "loaded" and states[unit].active == "inactive"]:
        systemctl.act("start", stopped)


def _not_active(services: Sequence[str]) -> list[Failure]:
    """The role's units that do not run, in its order; one that a socket or a timer starts when it is wanted may rest."""
    states = systemctl.states_of(services)
    triggers = systemctl.states_of({name for state in states.values() for name in state.triggered_by})
    failed = []
    for unit in services:
        state = states.get(unit)
        if state is None or state.load != "loaded":
            failed.append(Failure(unit, "must be active by the role's definition, and is not installed"))
        elif not state.runs and not any(name in triggers and triggers[name].runs for name in state.triggered_by):
            failed.append(Failure(unit, f"must be active by the role's definition, and is {state.active}{_said(unit)}"))
    return failed


def _said(unit: str) -> str:
    words = systemctl.last_words(unit)
    return f": {words}" if words else ""


def _remember(state: NodeState, decision: Decision, changed: Collection[str]) -> tuple[RebootReason, ...]:
    """Write down what a reboot is wanted for."""
    boot, kernel, way = boot_id(), running_kernel(), _way(state)
    installed = tuple(sorted(name for name in kernels_in(changed) if (Path("/usr/lib/modules") / name).is_dir()))
    new = [
        RebootReason(Origin.CHANGED, f"{what} has changed ({show(path)})", boot, *way, installed if what == "the kernel" else ())
        for what, path in decision.needs_boot
    ]
    new += [RebootReason(Origin.PROCESS, text, boot, *way) for text in decision.stuck]
    reasons = reasons_after(read_reboot(state), new, way=way, boot_id=boot, kernel=kernel)
    write_reboot(state, reasons)
    return reasons
