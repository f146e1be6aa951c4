"""/.reprov/post and the quarantine, on a plain directory."""

from dataclasses import replace
from pathlib import Path

import pytest

from reprov.adapters.post_state import PostState
from reprov.domain.post_progress import Done, Progress
from reprov.domain.post_script import PostScript, Step
from reprov.domain.quarantine import Quarantined
from reprov.errors import NeedsAttention
from tests.builders import ONE, TWO

PROGRESS = Progress("t", "boot", False, 1)
SCRIPT = PostScript(ONE, TWO, (Step("a.postinst", ("/bin/sh",), ("x",), "echo \udcff\n"),))
DONE = Done("a.postinst", 0.5, False, is_synced=True)


def test_what_follows_a_commit_step_by_step(tmp_path: Path) -> None:
    post = PostState(tmp_path)
    assert post.progress() is None
    post.begin(SCRIPT, PROGRESS)
    assert (post.script(), post.progress()) == (SCRIPT, PROGRESS)
    post.add_done(DONE)
    assert post.progress() == replace(PROGRESS, done=(DONE,))
    post.end("confirmed")
    assert post.progress() == replace(PROGRESS, done=(DONE,), end="confirmed")


def test_the_logs_of_one_earlier_hop_are_kept(tmp_path: Path) -> None:
    post = PostState(tmp_path)
    for number in range(3):
        post.begin(SCRIPT, PROGRESS)
        (post.directory / "001-a.log").write_text(str(number))
    assert ((tmp_path / "post.old/001-a.log").read_text(), (post.directory / "001-a.log").read_text()) == ("1", "2")


def test_a_post_script_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(NeedsAttention, match="post/script cannot be read: No such file or directory"):
        PostState(tmp_path).script()


def test_space_is_set_aside_and_given_back(tmp_path: Path) -> None:
    post = PostState(tmp_path)
    post.begin(SCRIPT, PROGRESS)
    post.hold_ballast()
    assert (post.directory / "ballast").stat().st_blocks * 512 >= 1 << 20
    post.release_ballast()
    post.release_ballast()
    assert not (post.directory / "ballast").exists()


def test_quarantine(tmp_path: Path) -> None:
    post = PostState(tmp_path)
    first, again, other = Quarantined(ONE, "then", "x failed"), Quarantined(ONE, "later", "y failed"), Quarantined(TWO, "later", "z")
    for item in (first, other, again):
        post.quarantine(item)
    assert post.quarantined() == (other, again)
    post.lift_quarantine(ONE)
    assert post.quarantined() == (other,)
    refusal = other.refusal()
    assert refusal.message == "base 1.1 is in quarantine on this node since later: z"
    assert refusal.exit_code == 4


def test_a_quarantine_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "quarantine").write_text("{")
    with pytest.raises(NeedsAttention) as raised:
        PostState(tmp_path).quarantined()
    assert raised.value.hint == "remove it: no release is refused then"


def test_a_boot_has_to_look_until_the_phase_is_over(tmp_path: Path) -> None:
    post = PostState(tmp_path)
    post.begin(SCRIPT, PROGRESS)
    assert (tmp_path / "post/unfinished").exists()
    post.end("confirmed")
    assert not (tmp_path / "post/unfinished").exists()
