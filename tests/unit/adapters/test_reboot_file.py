"""The file that says why a node wants to be rebooted."""

from pathlib import Path

from reprov.adapters.node_state import NodeState
from reprov.adapters.reboot_file import read_reboot, write_reboot
from reprov.domain.reboot import Origin, RebootReason

REASON = RebootReason(Origin.SCRIPT, "x.postinst asks", "boot-1")


def test_reasons_are_kept_and_go(tmp_path: Path) -> None:
    state = NodeState(tmp_path)
    state.directory.mkdir()
    assert read_reboot(state) == ()
    write_reboot(state, ())
    write_reboot(state, (REASON,))
    assert read_reboot(state) == (REASON,)
    write_reboot(state, ())
    assert read_reboot(state) == ()
    assert [*state.directory.iterdir()] == []


def test_a_file_that_is_broken_has_no_reasons(tmp_path: Path) -> None:
    state = NodeState(tmp_path)
    state.directory.mkdir()
    (state.directory / "reboot.json").write_text("{")
    assert read_reboot(state) == ()
