"""The timer of systemd's that looks after a commit."""

import pytest

from reprov.adapters import overdue_timer, systemctl
from reprov.adapters.run import CommandFailed, Finished
from reprov.domain.services import UnitState
from reprov.errors import Refused

TIMER = "reprov-overdue.timer"


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What has been run, on a node whose systemd has no such timer."""
    argvs: list[tuple[str, ...]] = []

    def run(argv: tuple[str, ...], **_options: object) -> Finished:
        argvs.append(argv)
        return Finished(0, b"", b"")

    monkeypatch.setattr(overdue_timer, "run", run)
    has(monkeypatch, "inactive")
    return argvs


def has(monkeypatch: pytest.MonkeyPatch, active: str, *, runs: bool = True) -> None:
    state = UnitState(TIMER, active=active)
    monkeypatch.setattr(systemctl, "is_running", lambda: runs)
    monkeypatch.setattr(systemctl, "states_of", lambda units: dict.fromkeys(units, state))


def test_it_asks_the_program_from_outside_of_any_session(ran: list[tuple[str, ...]]) -> None:
    overdue_timer.arm("/.reprov/client/at-boot")
    (argv,) = ran
    assert argv[0] == "systemd-run"
    assert {"--slice=system.slice", "--unit=reprov-overdue", "--on-active=10", "--on-unit-inactive=10"} <= {*argv}
    assert argv[-2:] == ("/.reprov/client/at-boot", "--overdue")


def test_one_is_enough(ran: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    has(monkeypatch, "active")
    overdue_timer.arm("/.reprov/client/at-boot")
    assert ran == []


def test_nothing_is_asked_of_another_init(ran: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    has(monkeypatch, "inactive", runs=False)
    overdue_timer.arm("/.reprov/client/at-boot")
    overdue_timer.disarm()
    assert ran == []


def test_without_it_nothing_is_committed(ran: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    def run(argv: tuple[str, ...], **_options: object) -> Finished:
        raise CommandFailed(argv, 1, b"Failed to find executable\n")

    monkeypatch.setattr(overdue_timer, "run", run)
    with pytest.raises(Refused) as caught:
        overdue_timer.arm("/x")
    message = "nobody would notice if reprov were killed after the commit: systemd-run failed with status 1: Failed to find executable"
    assert caught.value.message == message


def test_what_it_has_started_goes_on_without_it(ran: list[tuple[str, ...]]) -> None:
    overdue_timer.disarm()
    assert ran == [("systemctl", "stop", TIMER)]
