"""What systemctl prints, as units."""

import pytest

from reprov.adapters import systemctl
from reprov.adapters.run import CommandFailed, Finished
from reprov.domain.services import UnitState

SHOWN = b"""\
Type=notify
MainPID=39
NRestarts=2
RefuseManualStart=no
RefuseManualStop=no
Id=ssh.service
TriggeredBy=ssh.socket
LoadState=loaded
ActiveState=active
UnitFileState=enabled
CanReload=yes

MainPID=0
NRestarts=0
RefuseManualStop=yes
Id=gone.service
LoadState=not-found
ActiveState=inactive
UnitFileState=
CanReload=no

Id=x.timer
LoadState=loaded
ActiveState=active
"""


def test_the_states_of_units(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[tuple[str, ...]] = []

    def run(argv: tuple[str, ...], **_options: object) -> Finished:
        ran.append(argv)
        return Finished(0, SHOWN, b"")

    monkeypatch.setattr(systemctl, "run", run)
    found = systemctl.states_of(["x.timer", "sshd.service", "gone.service", "t@.service", "noname"])
    assert ran[0][-4:] == ("--", "gone.service", "sshd.service", "x.timer")
    assert found == {
        "gone.service": UnitState("ssh.service", "loaded", "active", "notify", "enabled", True, False, 39, 2, ("ssh.socket",)),
        "sshd.service": UnitState("gone.service", "not-found", "inactive", "", "", False, True),
        "x.timer": UnitState("x.timer", "loaded", "active", "", "", False, False),
    }


def test_nothing_is_asked_about_nothing() -> None:
    assert systemctl.states_of(["t@.service"]) == {}


def test_what_systemd_complains_of_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(argv: tuple[str, ...], **_options: object) -> Finished:
        raise CommandFailed(argv, 1, b"Job for x.service failed.\n")

    monkeypatch.setattr(systemctl, "run", run)
    assert systemctl.act("restart", ["x.service"]) == "Job for x.service failed."
    assert systemctl.last_words("x.service") == ""


def test_the_services_that_run_but_for_those_of_logins(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = b"ssh.service loaded active running x\nuser@0.service loaded active running y\nssh.socket loaded active running z\n"
    monkeypatch.setattr(systemctl, "run", lambda *_arguments, **_options: Finished(0, lines, b""))
    assert systemctl.running_services() == {"ssh.service"}


def test_the_state_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systemctl, "run", lambda *_arguments, **_options: Finished(1, b"degraded\n", b""))
    assert systemctl.system_state() == "degraded"


def test_a_systemd_that_does_not_answer_has_no_state(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(argv: tuple[str, ...], **_options: object) -> Finished:
        raise CommandFailed(argv, 124, b"no answer")

    monkeypatch.setattr(systemctl, "run", run)
    assert systemctl.system_state() == ""
