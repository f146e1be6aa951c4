"""What is done to services after an exchange."""

import pytest

from reprov.domain.cgroups import Home, HomeKind
from reprov.domain.never_restart import NodeFacts
from reprov.domain.post_script import ServiceFact
from reprov.domain.restarts import behind_sockets, candidates, changed_paths, decide
from reprov.domain.services import Act, LeftAlone, Running, UnitState, Verb
from tests.builders import a_dir, a_file

NOTHING = NodeFacts()
INIT = Home(HomeKind.INIT, "init.scope")


def service(name: str) -> Home:
    return Home(HomeKind.SERVICE, f"{name}.service")


def state(name: str, **fields: object) -> UnitState:
    return UnitState(f"{name}.service", **fields)  # type: ignore[arg-type]


def known(*states: UnitState) -> dict[str, UnitState]:
    return {found.name: found for found in states}


def said(*verbs: str, unit: str = "x.service") -> list[ServiceFact]:
    return [ServiceFact(unit, verb, "pkg") for verb in verbs]


@pytest.mark.parametrize(
    ("verbs", "found", "outcome"),
    [
        pytest.param(["restart"], state("x"), ("restart", "pkg says restart"), id="restart what runs"),
        pytest.param(["restart"], state("x", active="inactive"), ("start", "pkg says restart"), id="restart what does not run and may"),
        pytest.param(["restart"], state("x", active="inactive", enabled="disabled"), None, id="nor what is disabled"),
        pytest.param(["restart"], state("x", active="inactive", enabled="masked"), None, id="nor what is masked"),
        pytest.param(["restart"], state("x", active="failed"), ("start", "pkg says restart"), id="start what has failed"),
        pytest.param(["try-restart"], state("x", active="inactive"), None, id="try-restart starts nothing"),
        pytest.param(["start"], state("x"), None, id="start what runs"),
        pytest.param(["start"], state("x", active="inactive"), ("start", "pkg says start"), id="start what is new"),
        pytest.param(["stop", "start"], state("x"), ("restart", "pkg says start"), id="stop and start is a restart"),
        pytest.param(["stop"], state("x"), ("stop", "pkg says stop"), id="stop"),
        pytest.param(["stop"], state("x", load="not-found"), ("stop", "pkg says stop"), id="stop what is no longer installed"),
        pytest.param(["stop"], state("x", active="inactive"), None, id="stop what does not run"),
        pytest.param(["reload"], state("x", can_reload=True), ("reload", "pkg says reload"), id="reload"),
        pytest.param(["reload"], state("x"), ("restart", "pkg says reload"), id="reload what cannot be: restart"),
        pytest.param(["reload", "restart"], state("x", can_reload=True), ("restart", "pkg says restart"), id="the last word counts"),
        pytest.param(["restart", "restart"], state("x"), ("restart", "pkg says restart"), id="once"),
        pytest.param(["frobnicate"], state("x"), None, id="a verb that nobody knows"),
    ],
)
def test_what_scripts_have_said(verbs: list[str], found: UnitState, outcome: tuple[str, str] | None) -> None:
    decision = decide(said(*verbs), (), (), (), known(found), NOTHING)
    assert [(act.verb.word, act.reason) for act in decision.acts] == ([outcome] if outcome else [])
    assert decision.left_alone == ()


def test_a_unit_has_many_names_and_is_restarted_once() -> None:
    states = {"sshd.service": state("ssh"), "ssh.service": state("ssh")}
    facts = [*said("restart", unit="sshd.service"), *said("restart", unit="ssh.service")]
    assert decide(facts, (), (), (), states, NOTHING).acts == (Act("ssh.service", Verb.RESTART, "pkg says restart"),)


def test_nobody_knows_a_unit_that_systemd_was_not_asked_about() -> None:
    assert decide(said("restart"), (), (), (), {}, NOTHING).acts == ()


@pytest.mark.parametrize(
    ("path", "found", "is_restarted"),
    [
        pytest.param("usr/lib/systemd/system/x.service", state("x"), True, id="its file"),
        pytest.param("etc/systemd/system/x.service.d/a.conf", state("x"), True, id="a drop-in"),
        pytest.param("etc/init.d/x", state("x"), True, id="an init script"),
        pytest.param("usr/lib/systemd/system/x@.service", state("x@1"), True, id="a template"),
        pytest.param("usr/lib/systemd/system/x.service", state("x", active="inactive"), False, id="it does not run"),
        pytest.param("usr/lib/systemd/system/x.service", state("x", kind="oneshot"), False, id="it is done"),
        pytest.param("usr/lib/systemd/system/x.socket", UnitState("x.socket"), True, id="a socket with nothing behind it"),
        pytest.param(
            "usr/lib/systemd/system/x.socket", UnitState("x.socket", active="inactive"), False, id="a socket that nobody listens on"
        ),
        pytest.param("usr/lib/systemd/system/srv.mount", UnitState("srv.mount"), False, id="a mount"),
        pytest.param("usr/lib/systemd/system/x.timer", UnitState("x.timer"), True, id="a timer"),
        pytest.param("usr/lib/systemd/system/xy.service", state("x"), False, id="another's"),
        pytest.param("usr/lib/x", state("x"), False, id="no unit file"),
    ],
)
def test_a_unit_whose_file_has_changed(path: str, found: UnitState, is_restarted: bool) -> None:
    acts = decide((), {path}, {"usr"}, (), known(found), NOTHING).acts
    assert acts == ((Act(found.name, Verb.RESTART, "its unit file has changed"),) if is_restarted else ())


EDITED = "its unit file has changed"
ALONE = [("x.socket", "restart", EDITED)]


@pytest.mark.parametrize(
    ("socket", "service", "acts", "reason"),
    [
        pytest.param({}, state("x"), [], "x.service runs behind it", id="a service that runs would have to be stopped with it"),
        pytest.param({}, state("x", active="inactive"), ALONE, "", id="a service that waits for it is not started"),
        pytest.param({"accepts": True}, state("x"), ALONE, "", id="connections that have a service each go on"),
        pytest.param({}, state("dbus"), [], "every service would lose its connection to the message bus", id="what must not be restarted"),
        pytest.param({}, state("dbus", active="inactive"), ALONE, "", id="and does not run"),
        pytest.param({"refuses": True}, state("x", active="inactive"), [], "its unit file forbids it", id="a socket that refuses"),
    ],
)
def test_a_socket_whose_file_has_changed(
    socket: dict[str, object], service: UnitState, acts: list[tuple[str, str, str]], reason: str
) -> None:
    found = UnitState("x.socket", triggers=(service.name,), **socket)  # type: ignore[arg-type]
    decision = decide((), {"usr/lib/systemd/system/x.socket"}, {"opt"}, (), known(found, service), NOTHING)
    assert [(act.unit, act.verb.word, act.reason) for act in decision.acts] == acts
    assert [(item.name, item.needed, item.reason, item.needs_reboot) for item in decision.left_alone] == (
        [("x.socket", EDITED, reason, False)] if reason else []
    )


def test_a_script_restarts_what_runs_behind_a_socket_and_not_that() -> None:
    states = known(UnitState("x.socket", triggers=("x.service",)), state("x"))
    facts = [*said("restart"), *said("restart", unit="x.socket")]
    decision = decide(facts, (), (), (), states, NOTHING)
    assert (decision.acts, decision.left_alone) == ((Act("x.service", Verb.RESTART, "pkg says restart"),), ())


def test_the_sockets_of_systemd_itself_wait() -> None:
    states = known(UnitState("systemd-journald.socket", triggers=("systemd-journald.service",)), state("systemd-journald"))
    decision = decide((), {"usr/lib/systemd/system/systemd-journald.socket"}, {"usr"}, (), states, NOTHING)
    assert (decision.acts, [item.name for item in decision.left_alone]) == ((), ["systemd-journald.socket"])


def test_the_services_behind_sockets() -> None:
    states = [UnitState("x.socket", triggers=("y.service",)), UnitState("z.socket", triggers=("z@1.service",), accepts=True)]
    assert behind_sockets([*states, UnitState("t.timer", triggers=("t.service",))]) == {"y.service"}


@pytest.mark.parametrize(
    ("runner", "reason"),
    [
        pytest.param(Running(7, "x", service("x"), ("usr/bin/x",)), "runs an old /usr/bin/x", id="its program"),
        pytest.param(Running(7, "x", service("x"), ("usr/bin/x", "usr/lib/y")), "runs an old /usr/bin/x and 1 more", id="its libraries"),
        pytest.param(Running(7, "x", service("x"), (), "opt/app"), "works in the old /opt/app", id="its directory"),
        pytest.param(Running(7, "x", service("x"), (), "", "etc/rw"), "has lost /etc/rw of its sandbox", id="its sandbox"),
    ],
)
def test_a_process_that_goes_on_with_the_old(runner: Running, reason: str) -> None:
    states = known(state("x"))
    assert decide((), (), {"usr"}, [runner], states, NOTHING).acts == (Act("x.service", Verb.RESTART, reason),)
    several = decide(said("restart"), (), {"usr"}, [runner, runner], states, NOTHING).acts
    assert several == (Act("x.service", Verb.RESTART, f"pkg says restart; {reason}"),)


OLD = ("usr/bin/x",)


@pytest.mark.parametrize(
    ("unit", "facts", "needs_reboot"),
    [
        pytest.param("dbus", NOTHING, True, id="the message bus"),
        pytest.param("ceph-osd@3", NOTHING, False, id="an OSD outside of its gate"),
        pytest.param("ceph-01234567-89ab-cdef-0123-456789abcdef@osd.3", NOTHING, False, id="an OSD of cephadm"),
        pytest.param("docker", NOTHING, True, id="what has containers"),
        pytest.param("libvirtd", NodeFacts(has_guests=True), False, id="what has guests"),
        pytest.param("systemd-logind", NodeFacts(has_graphical_session=True), True, id="logind, with a graphical session"),
        pytest.param("gdm", NOTHING, True, id="a display manager"),
        pytest.param("networking", NOTHING, True, id="the network"),
        pytest.param("agent", NodeFacts("agent.service"), False, id="where reprov runs"),
    ],
)
def test_what_is_never_restarted(unit: str, facts: NodeFacts, needs_reboot: bool) -> None:
    """Told, with what to do; a reboot is wanted where nothing less helps; a configuration is read again where that is possible."""
    runner = Running(7, "x", service(unit), OLD)
    decision = decide((), (), {"var"}, [runner], known(state(unit, can_reload=True)), facts)
    (left,) = decision.left_alone
    assert (left.name, left.needed, left.needs_reboot) == (f"{unit}.service", "runs an old /usr/bin/x", needs_reboot)
    assert left.advice
    assert decision.acts == ()
    assert len(decision.stuck) == needs_reboot
    asked = said("restart", unit=f"{unit}.service")
    for can_reload, acts in ((True, (Act(f"{unit}.service", Verb.RELOAD, "pkg says restart"),)), (False, ())):
        decision = decide(asked, (), {"var"}, (), known(state(unit, can_reload=can_reload)), facts)
        assert decision.acts == acts
        assert decision.stuck == ()


@pytest.mark.parametrize(
    "unit", ["libvirtd", "systemd-logind", "ssh", "systemd-journald", "systemd-udevd", "ceph-mon@a", "NetworkManager", "kubelet"]
)
def test_what_may_be_restarted(unit: str) -> None:
    runner = Running(7, "x", service(unit), OLD)
    assert decide((), (), {"var"}, [runner], known(state(unit)), NOTHING).acts[0].verb is Verb.RESTART


@pytest.mark.parametrize(
    ("home", "left"),
    [
        pytest.param(Home(HomeKind.SESSION, "session-1.scope"), ("somebody is logged in", False), id="a session"),
        pytest.param(Home(HomeKind.CONTAINER, "docker-1.scope"), ("it is a container or a guest", False), id="a container"),
        pytest.param(Home(HomeKind.OTHER), ("it is no service of systemd's", False), id="what nobody started"),
    ],
)
def test_what_systemd_cannot_restart(home: Home, left: tuple[str, bool]) -> None:
    (found,) = decide((), (), {"usr"}, [Running(7, "bash", home, OLD)], {}, NOTHING).left_alone
    assert found == LeftAlone("bash (7)", "runs an old /usr/bin/x", left[0], found.advice, left[1])


@pytest.mark.parametrize(
    ("found", "has_process", "reason"),
    [
        pytest.param(state("x", refuses=True), True, "its unit file forbids it", id="auditd and the like"),
        pytest.param(state("x", active="activating", kind="oneshot"), True, "it is a job under way", id="a job under way"),
        pytest.param(state("getty@tty1"), False, "somebody may be logged in there", id="a terminal where somebody may be logged in"),
        pytest.param(state("getty@tty1"), True, "", id="a terminal that waits for somebody"),
    ],
)
def test_what_is_left_alone_for_what_it_is_at_the_moment(found: UnitState, has_process: bool, reason: str) -> None:
    runners = [Running(7, "x", Home(HomeKind.SERVICE, found.name), OLD)] if has_process else []
    decision = decide(said("restart", unit=found.name), (), {"usr"}, runners, known(found), NOTHING)
    assert [item.reason for item in decision.left_alone] == ([reason] if reason else [])
    assert bool(decision.acts) != bool(reason)


def test_pid_1_is_executed_again_for_its_libraries_but_not_for_itself() -> None:
    runner = Running(1, "systemd", INIT, ("usr/lib/x86_64-linux-gnu/libseccomp.so.2",))
    decision = decide((), {"usr/lib/x86_64-linux-gnu/libseccomp.so.2"}, {"usr"}, [runner], {}, NOTHING)
    assert (decision.reexec, decision.needs_boot) == ("runs an old /usr/lib/x86_64-linux-gnu/libseccomp.so.2", ())
    decision = decide((), {"usr/lib/systemd/systemd"}, {"usr"}, [runner], {}, NOTHING)
    assert (decision.reexec, decision.needs_boot) == ("", (("PID 1", "usr/lib/systemd/systemd"),))


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("boot/vmlinuz-6.1", "the kernel"),
        ("usr/lib/x86_64-linux-gnu/libc.so.6", "the C library"),
        ("usr/bin/dbus-daemon", "the message bus"),
    ],
)
def test_what_a_boot_alone_renews(path: str, what: str) -> None:
    assert decide((), {path, "usr/bin/x"}, {"usr"}, (), {}, NOTHING).needs_boot == ((what, path),)


def test_an_interpreter_is_renewed_by_restarts() -> None:
    assert decide((), {"usr/bin/python3.11"}, {"usr"}, (), {}, NOTHING).needs_boot == ()


@pytest.mark.parametrize(
    ("swapped", "units"),
    [
        pytest.param({"usr"}, ["dbus", "polkit", "systemd-udevd"], id="all of usr"),
        pytest.param({"etc/dbus-1/system.d"}, ["dbus"], id="a part of what is watched"),
        pytest.param({"usr/share/dbus-1"}, ["dbus"], id="what is watched"),
        pytest.param({"opt", "usr/bin", "etc/dbus"}, [], id="neither"),
    ],
)
def test_who_watches_directories_is_told_when_they_are_exchanged(swapped: set[str], units: list[str]) -> None:
    """Hazard 15; polkit of Debian 12 cannot reload, and is restarted."""
    states = known(state("dbus", can_reload=True), state("polkit"), state("systemd-udevd"), state("NetworkManager", active="inactive"))
    verbs = {"dbus": Verb.RELOAD, "polkit": Verb.RESTART, "systemd-udevd": Verb.RELOAD}
    acts = decide((), (), swapped, (), states, NOTHING).acts
    assert {act.unit: act.verb for act in acts} == {f"{unit}.service": verbs[unit] for unit in units}


@pytest.mark.parametrize(("swapped", "wanted"), [("etc", True), ("etc/audit", True), ("usr", False)])
def test_audit_rules_are_loaded_again_when_what_they_watch_was_exchanged(swapped: str, wanted: bool) -> None:
    """Hazard 16."""
    assert decide((), (), {swapped}, (), {}, NOTHING).audit is wanted


def test_the_order_is_stop_reload_restart_start() -> None:
    states = known(state("a", active="inactive"), state("b"), state("c", can_reload=True), state("d"))
    facts = [ServiceFact(f"{unit}.service", verb, "p") for unit, verb in (("a", "start"), ("b", "restart"), ("c", "reload"), ("d", "stop"))]
    acts = decide(facts, (), (), (), states, NOTHING).acts
    assert [(act.unit[0], act.verb.word) for act in acts] == [("d", "stop"), ("c", "reload"), ("b", "restart"), ("a", "start")]


def test_systemd_is_asked_about_no_more_than_is_needed() -> None:
    active = {"x@1.service", "x@2.service", "y@1.service", "dbus.service", "z.service"}
    runners = [Running(7, "r", service("r"), OLD), Running(8, "bash", Home(HomeKind.SESSION, "session-1.scope"), OLD)]
    changed = {"usr/lib/systemd/system/x@.service", "usr/lib/systemd/system/idle.service", "usr/lib/systemd/system/z.service"}
    asked = candidates(said("restart", unit="f.service"), changed, runners, active)
    assert asked == {"f.service", "r.service", "x@1.service", "x@2.service", "z.service", "dbus.service"}


def test_what_has_changed_between_two_trees_is_what_means_something_else() -> None:
    here = {"a": a_file("a", "1"), "b": a_file("b", "1"), "d": a_dir("d", mtime_ns=1), "gone": a_file("gone", "1")}
    there = {"a": a_file("a", "2"), "b": a_file("b", "1", mode=0o600), "d": a_dir("d", mtime_ns=2), "new": a_file("new", "1")}
    assert changed_paths(here, there) == {"a", "gone", "new"}
