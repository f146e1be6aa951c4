"""Settling services, with a systemd and processes that are told."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from reprov.adapters import systemctl
from reprov.adapters.node_state import NodeState
from reprov.adapters.run import CommandFailed
from reprov.domain.cgroups import Home, HomeKind
from reprov.domain.deployment import Deployment, State
from reprov.domain.never_restart import NodeFacts
from reprov.domain.post_script import ServiceFact
from reprov.domain.release import ReleaseId
from reprov.domain.resolved_role import ROLE_NAME, ResolvedRole
from reprov.domain.services import Running, UnitState
from reprov.events import NullMonitor
from reprov.workflows import services
from reprov.workflows.node import Node
from reprov.workflows.services import Failure, Settled, reboot_reasons, services_of, settle_services, want_reboot
from tests.heard import Heard

ONE, TWO = ReleaseId("base", "1.0"), ReleaseId("base", "1.1")
OLD = ("usr/bin/x",)


class Systemd:
    """Units as they are, and what was done to them."""

    def __init__(self) -> None:
        self.units: dict[str, UnitState] = {}
        self.becomes: dict[str, UnitState] = {}
        """What a unit is once something was done to it."""
        self.runners: list[Running] = []
        self.runners_later: list[Running] = []
        self.done: list[str] = []
        self.audit: list[frozenset[str] | None] = [None, None]

    def act(self, verb: str, units: Iterable[str]) -> str:
        self.done += [f"{verb} {unit}" for unit in units]
        self.units.update({unit: self.becomes[unit] for unit in units if unit in self.becomes})
        self.runners = self.runners_later
        return ""

    def states_of(self, units: Iterable[str]) -> dict[str, UnitState]:
        return {unit: self.units.get(unit, UnitState(unit, "not-found", "inactive")) for unit in units}

    def add(self, *states: UnitState) -> None:
        self.units.update({state.name: state for state in states})


@pytest.fixture
def systemd(monkeypatch: pytest.MonkeyPatch) -> Systemd:
    found = Systemd()
    given = {
        "is_running": lambda: True,
        "act": found.act,
        "states_of": found.states_of,
        "active_units": lambda: frozenset(name for name, state in found.units.items() if state.runs),
        "reload_units": lambda: found.done.append("daemon-reload"),
        "execute_again": lambda: found.done.append("daemon-reexec"),
        "reload_udev": lambda: found.done.append("reload udev"),
        "last_words": lambda unit: "oh no",
    }
    for name, function in given.items():
        monkeypatch.setattr(systemctl, name, function)
    monkeypatch.setattr(services, "running_old", lambda changed: iter(found.runners))
    monkeypatch.setattr(services, "node_facts", NodeFacts)
    monkeypatch.setattr(services, "audit_rules", lambda: found.audit.pop(0) if len(found.audit) > 1 else None)
    monkeypatch.setattr(services, "load_audit_rules", lambda: found.done.append("augenrules"))
    monkeypatch.setattr(services, "running_kernel", lambda: "6.1")
    monkeypatch.setattr(services, "boot_id", lambda: "boot-1")
    monkeypatch.setattr(services, "_STAYS_UP_S", 0)
    monkeypatch.setattr(services, "_STARTS_WITHIN_S", 0)
    return found


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NodeState:
    """The state directory of a node that takes itself for the running one."""
    found = NodeState(tmp_path)
    found.create()
    found.write_deployment(Deployment(State.COMMITTED, installed=TWO, previous=ONE, has_previous=True))
    monkeypatch.setattr(services, "NodeState", lambda root: found)
    return found


def settle(*facts: ServiceFact, changed: Iterable[str] = ()) -> Settled:
    return settle_services(Path("/"), facts, frozenset(changed), NullMonitor())


def role(state: NodeState, *units: str) -> None:
    file = state.release_directory(TWO) / ROLE_NAME
    file.parent.mkdir(parents=True)
    file.write_text(ResolvedRole(TWO, None, "debian", "bookworm", (), (), (), tuple(units), (), ()).to_json())


def test_a_root_that_does_not_run_has_no_services(tmp_path: Path) -> None:
    assert settle_services(tmp_path, [ServiceFact("x.service", "start", "p")], (), NullMonitor()) == Settled()


def test_what_was_done_is_told_and_units_are_read_again_first(systemd: Systemd, state: NodeState) -> None:
    systemd.add(UnitState("x.service", main_pid=7), UnitState("y.service", can_reload=True), UnitState("dbus.service"))
    systemd.runners = [
        Running(7, "x", Home(HomeKind.SERVICE, "x.service"), OLD),
        Running(1, "systemd", Home(HomeKind.INIT, "init.scope"), OLD),
        Running(9, "bash", Home(HomeKind.SESSION, "session-1.scope"), OLD),
    ]
    done = settle(ServiceFact("y.service", "reload", "p"), changed=OLD)
    assert systemd.done == ["daemon-reload", "daemon-reexec", "reload y.service", "restart x.service"]
    assert [act.unit for act in done.restarted] == ["x.service"]
    assert [act.unit for act in done.reloaded] == ["y.service"]
    assert [item.name for item in done.left_alone] == ["bash (9)"]
    assert (done.failed, done.reboot_reasons) == ((), ())


@pytest.mark.parametrize(
    ("becomes", "problem"),
    [
        pytest.param(UnitState("x.service", active="failed"), "is failed after its restart: oh no", id="it fails"),
        pytest.param(UnitState("x.service", active="activating"), "is activating after its restart: oh no", id="it does not get there"),
        pytest.param(UnitState("x.service", active="inactive"), "is inactive after its restart: oh no", id="it ends"),
        pytest.param(UnitState("x.service", active="inactive", kind="oneshot"), "", id="it is a job that is done"),
        pytest.param(UnitState("x.service", active="failed", kind="oneshot"), "is failed after its restart: oh no", id="a job that fails"),
        pytest.param(UnitState("x.service"), "", id="it runs"),
    ],
)
def test_a_restarted_unit_must_run(systemd: Systemd, state: NodeState, becomes: UnitState, problem: str) -> None:
    systemd.add(UnitState("x.service", kind=becomes.kind))
    systemd.becomes["x.service"] = becomes
    done = settle(ServiceFact("x.service", "restart", "p"))
    assert done.failed == ((Failure("x.service", problem),) if problem else ())


@pytest.mark.parametrize(
    ("later", "problem"),
    [
        (Running(8, "x", Home(HomeKind.SERVICE, "x.service"), OLD), "x (8) still runs the old /usr/bin/x after the restart"),
        (
            Running(8, "x", Home(HomeKind.SERVICE, "x.service"), (), "", "etc/rw"),
            "x (8) still lacks /etc/rw in its sandbox after the restart",
        ),
        (Running(8, "x", Home(HomeKind.SERVICE, "x.service"), (), "opt/x"), "x (8) still works in the old /opt/x after the restart"),
    ],
)
def test_a_restarted_unit_must_have_left_the_old_tree(systemd: Systemd, state: NodeState, later: Running, problem: str) -> None:
    systemd.add(UnitState("x.service"))
    systemd.runners_later = [later, Running(9, "y", Home(HomeKind.SERVICE, "y.service"), OLD)]
    assert settle(ServiceFact("x.service", "restart", "p")).failed == (Failure("x.service", problem),)


def test_what_the_role_names_must_be_active_in_its_order(systemd: Systemd, state: NodeState) -> None:
    role(state, "ssh.service", "b.service", "a.service", "up.service", "none.service")
    systemd.add(
        UnitState("ssh.service", active="inactive", triggered_by=("ssh.socket",)),
        UnitState("ssh.socket"),
        UnitState("b.service", active="failed"),
        UnitState("a.service", active="inactive"),
        UnitState("up.service"),
    )
    assert settle().failed == (
        Failure("b.service", "must be active by the role's definition, and is failed: oh no"),
        Failure("a.service", "must be active by the role's definition, and is inactive: oh no"),
        Failure("none.service", "must be active by the role's definition, and is not installed"),
    )


def test_a_unit_of_the_role_that_was_stopped_for_the_upgrade_is_started(systemd: Systemd, state: NodeState) -> None:
    role(state, "a.service", "b.service", "up.service")
    systemd.add(UnitState("a.service", active="inactive"), UnitState("b.service", active="failed"), UnitState("up.service"))
    systemd.becomes["a.service"] = UnitState("a.service")
    assert [failure.unit for failure in settle().failed] == ["b.service"]
    assert [done for done in systemd.done if done.startswith("start")] == ["start a.service"]


def test_a_tree_without_a_role_names_no_services(state: NodeState) -> None:
    assert services_of(state) == ()


def test_audit_rules_that_were_lost_are_loaded_again_or_named(systemd: Systemd, state: NodeState, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hazard 16."""
    heard = Heard()
    monkeypatch.setattr(services, "_swapped", lambda state: frozenset({"etc"}))
    systemd.audit = [frozenset({"-w /etc/passwd -p wa", "-w /etc/x -p wa"}), frozenset({"-w /etc/passwd -p wa"}), None]
    assert settle_services(Path("/"), (), frozenset(), heard).failed == ()
    assert "augenrules" in systemd.done
    assert heard.notes == ["audit rules that are not loaded any more: -w /etc/x -p wa"]


def test_audit_rules_that_cannot_be_loaded_fail_the_hop(systemd: Systemd, state: NodeState, monkeypatch: pytest.MonkeyPatch) -> None:
    def load() -> None:
        raise CommandFailed(["augenrules", "--load"], 2, b"syntax error\n")

    monkeypatch.setattr(services, "_swapped", lambda state: frozenset({"etc"}))
    monkeypatch.setattr(services, "load_audit_rules", load)
    systemd.audit = [frozenset(), frozenset(), None]
    (failure,) = settle().failed
    assert failure.problem == "the audit rules cannot be loaded again: augenrules failed with status 2: syntax error"


def test_a_reboot_is_wanted_until_it_has_been(systemd: Systemd, state: NodeState, monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node(Path("/"), state)
    systemd.add(UnitState("dbus.service"))
    systemd.runners = [Running(7, "dbus-daemon", Home(HomeKind.SERVICE, "dbus.service"), OLD)]
    changed = {"usr/lib/libc.so.6", "usr/bin/x"}
    reasons = (
        "the C library has changed (/usr/lib/libc.so.6)",
        "dbus.service runs an old /usr/bin/x, and is not restarted: every service would lose its connection to the message bus",
    )
    assert settle(changed=changed).reboot_reasons == reasons
    assert reboot_reasons(node) == reasons
    want_reboot(Path("/"), ["x.postinst asks"])
    assert reboot_reasons(node) == (*reasons, "x.postinst asks")

    state.write_deployment(Deployment(State.ROLLED_BACK, installed=ONE, previous=TWO, has_previous=True))
    systemd.runners = []
    assert settle(changed=changed).reboot_reasons == reboot_reasons(node) == ()
    want_reboot(Path("/"), ["y.postinst asks"])
    assert settle().reboot_reasons == reboot_reasons(node) == ("y.postinst asks",)
    monkeypatch.setattr(services, "boot_id", lambda: "boot-2")
    assert reboot_reasons(node) == ()
    assert settle().reboot_reasons == ()


def test_a_node_that_was_never_changed_wants_no_reboot(tmp_path: Path) -> None:
    assert reboot_reasons(Node(tmp_path, NodeState(tmp_path))) == ()
