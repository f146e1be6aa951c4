"""The reboot of the running system: what it asks for, and where it is refused."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from reprov.adapters import systemctl
from reprov.adapters.run import CommandFailed
from reprov.errors import Refused
from reprov.workflows import reboot


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What programs are called with, on a system with systemd whose log cannot be written."""
    found: list[tuple[str, ...]] = []

    def run(argv: Sequence[str], **options: object) -> None:
        found.append(tuple(argv))
        if argv[0] == "journalctl":
            raise CommandFailed(argv, 1, b"no space left")

    monkeypatch.setattr(reboot, "run", run)
    monkeypatch.setattr(reboot, "is_installed", lambda name: True)
    monkeypatch.setattr(systemctl, "is_running", lambda: True)
    return found


def test_the_log_is_written_out_first_if_it_can_be(asked: list[tuple[str, ...]]) -> None:
    reboot.reboot_now(Path("/"), "to try kernel 6.2")
    assert asked == [("journalctl", "--sync"), ("systemctl", "reboot", "--message=reprov: to try kernel 6.2")]


@pytest.mark.parametrize(
    ("root", "has_systemd", "message"),
    [
        ("/mnt", True, "/mnt is not the running system: it cannot be rebooted"),
        ("/", False, "systemd does not run here: only it can reboot the node"),
    ],
)
def test_where_it_cannot_be_done_nothing_is_asked(
    asked: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch, root: str, has_systemd: bool, message: str
) -> None:
    monkeypatch.setattr(systemctl, "is_running", lambda: has_systemd)
    with pytest.raises(Refused) as raised:
        reboot.reboot_now(Path(root), "x")
    assert raised.value.message == message
    assert asked == []
