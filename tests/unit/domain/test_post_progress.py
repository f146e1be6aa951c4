"""The lines that say how far the phase after a commit got."""

from dataclasses import replace

import pytest

from reprov.domain.collected import Collected
from reprov.domain.post_progress import Done, Progress
from reprov.domain.post_script import ServiceFact, Work, WorkKind
from reprov.domain.trial import Awaited

FIRST = Done(
    "a.postinst",
    0.25,
    False,
    Collected((ServiceFact("a.service", "restart", "a"),), (Work(WorkKind.CACHES, "a"),), ("mandb",), ("t",)),
    is_synced=True,
)
SECOND = Done("b.postinst", 1.5, True, Collected((ServiceFact("a.service", "restart", "a"), ServiceFact("b.service", "stop", "b"))))
PROGRESS = Progress("0123", "boot-1", True, 5, 1234, (FIRST, SECOND))
REBOOTING = Progress("t", "b", False, 0, reboots=True)
WAITING = PROGRESS.waiting(Awaited("6.2", "6.1", "boot-1"))


@pytest.mark.parametrize(
    "progress", [Progress("t", "b", False, 0, reboots=True), PROGRESS, WAITING, replace(WAITING, end="it failed\nbadly")]
)
def test_what_is_written_is_read_again(progress: Progress) -> None:
    assert Progress.parse(progress.to_text()) == progress


@pytest.mark.parametrize("cut", [2, 20, 60])
def test_a_torn_line_is_not_there(cut: int) -> None:
    text = PROGRESS.to_text()
    assert Progress.parse(text[:-cut]) == replace(PROGRESS, done=(FIRST,))


@pytest.mark.parametrize("text", ["", "\0\0\0", "{}\n", '{"format": 99}\n', "[]\n"])
def test_a_file_that_tells_nothing(text: str) -> None:
    assert Progress.parse(text) is None


def test_what_was_killed_goes_on_after_the_last_step_that_is_done() -> None:
    assert PROGRESS.taken_up("boot-1") == PROGRESS


def test_after_a_power_cut_what_was_not_on_the_disks_runs_again() -> None:
    assert PROGRESS.taken_up("boot-2") == replace(PROGRESS, boot="boot-2", done=(FIRST,))
    assert replace(PROGRESS, done=(SECOND,)).taken_up("boot-2").done == ()


def test_what_waits_for_a_kernel_is_on_the_disks() -> None:
    assert WAITING.taken_up("boot-2") == replace(WAITING, boot="boot-2")
    assert Progress("t", "b", True, 0).waiting(Awaited("6.2", "6.1", "b")).done == ()


def test_what_all_steps_have_asked_for() -> None:
    assert PROGRESS.collected.services == (ServiceFact("a.service", "restart", "a"), ServiceFact("b.service", "stop", "b"))
    assert PROGRESS.reboot_wanted_by == ("b.postinst",)
