"""A node whose new kernel is to be tried: what it says until its reboot, and what becomes of it afterwards.

Boot loader and reboot are stand-ins; tests/vm/test_trial.py has real ones.
"""

import json
from pathlib import Path

import pytest

from reprov.domain.armed import ArmedKind
from reprov.domain.trial import Verdict, reboot_reason
from reprov.workflows import taken_into_use, trial, trial_boot
from reprov.workflows.kernels import Booted
from tests.system.node import Node, Store
from tests.system.script_lab import NEW, OLD, Scripted, step

pytestmark = [
    pytest.mark.system,
    pytest.mark.commands,
    pytest.mark.needs("mkfs.ext4", "mount", "rsync", "setpriv", "setsid", "bash", "dash"),
]
WAITS = "the node waits for a reboot to try kernel 6.2; the node goes back to 6.1 by itself if it does not come up"


class Waiting:
    """A node at 1.1 that waits for its reboot, and what it was before."""

    def __init__(self, scripted: Scripted, patched: pytest.MonkeyPatch) -> None:
        self.node = scripted.node
        self._patched = patched
        self.before = self.node.snapshot()
        scripted.give(step("one", "echo ran >> /var/lib/order\n"))
        booted = Booted(("GRUB",), ("6.2",), "6.1", "6.2", reboot_reason=reboot_reason("6.2", "6.1"))
        patched.setattr(taken_into_use, "_make_bootable", lambda *given, **options: booted)
        self.upgraded = self.node.upgrade(NEW)

    def reboot(self, verdict: Verdict) -> None:
        """From now on it is as after a reboot with this end."""
        self._patched.setattr(trial, "judge", lambda node: verdict if trial.awaited(node) else None)

    def status(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.node.run("status", "--json").stdout)
        return found

    @property
    def is_armed(self) -> bool:
        return (self.node.root / ".reprov/armed").exists()


@pytest.fixture
def waiting(tmp_path: Path, store: Store, node: Node, monkeypatch: pytest.MonkeyPatch) -> Waiting:
    return Waiting(Scripted(tmp_path, store, node, monkeypatch), monkeypatch)


def test_it_says_what_it_waits_for_and_takes_no_other_change(waiting: Waiting) -> None:
    assert waiting.upgraded.status == 100, waiting.upgraded
    reason = "to try kernel 6.2; the node goes back to 6.1 by itself if it does not come up"
    assert f"reboot wanted: {reason}\n" in waiting.upgraded.stdout
    found = waiting.status()
    assert (found["state"], found["interrupted"], found["reboot"]) == ("committed", False, [reason])
    armed = json.loads((waiting.node.root / ".reprov/armed").read_text())
    assert (armed["kind"], armed["kernel"]) == (ArmedKind.TRIAL, "6.2")
    for ran in (waiting.node.upgrade(OLD), waiting.node.run("conflicts", "--take", "ours", "etc/hostname"), waiting.node.run("confirm")):
        assert ran.status == 4
        assert ran.stderr.splitlines()[-2:] == [
            f"reprov: {WAITS}",
            "hint: reboot it; or `reprov rollback` goes back to the release before",
        ]
    ran = waiting.node.run("recover")
    assert (ran.status, ran.stdout) == (0, f"{WAITS}\n")
    assert waiting.status() == found


def test_a_kernel_that_came_up_is_confirmed_and_no_script_runs_again(waiting: Waiting, monkeypatch: pytest.MonkeyPatch) -> None:
    confirmed = []

    def confirm_kernel(node: object, monitor: object) -> Booted:
        confirmed.append(waiting.status()["state"])
        return Booted(("GRUB",), default="6.2")

    monkeypatch.setattr("reprov.workflows.after_commit.confirm_kernel", confirm_kernel)
    waiting.reboot(Verdict.CAME_UP)
    assert waiting.status()["interrupted"]  # until somebody goes on
    ran = waiting.node.run("recover")
    assert (ran.status, ran.stdout) == (0, "went on with what follows the commit: kernel 6.2 came up\n")
    assert confirmed == ["committed"]
    assert waiting.status()["state"] == "confirmed"
    assert not waiting.is_armed
    assert (waiting.node.root / "var/lib/order").read_text() == "ran\n"
    assert waiting.node.upgrade(OLD).status in (0, 100)


def test_a_kernel_that_did_not_come_up_is_taken_back(waiting: Waiting) -> None:
    waiting.reboot(Verdict.FAILED)
    ran = waiting.node.run("recover")
    assert ran.status == 5, ran
    assert ran.stderr.splitlines()[-2] == "reprov: kernel 6.2 did not come up; base 1.0 is back"
    found = waiting.status()
    assert (found["state"], found["installed"]) == ("rolled-back", "base 1.0")
    assert [item["reason"] for item in found["quarantined"]] == ["kernel 6.2 did not come up"]  # type: ignore[attr-defined]
    assert not waiting.is_armed
    (waiting.node.root / "var/lib/order").unlink()  # what scripts leave in /var stays
    assert waiting.node.changed_since(waiting.before, directory_times=False) == []


def test_a_rollback_before_the_reboot_takes_the_trial_away_first(waiting: Waiting, monkeypatch: pytest.MonkeyPatch) -> None:
    states = []
    monkeypatch.setattr(trial_boot, "forget_trial", lambda root: states.append(waiting.status()["state"]))
    waiting.node.rollback()
    assert states == ["committed"]
    assert waiting.status()["state"] == "rolled-back"
    assert not waiting.is_armed
