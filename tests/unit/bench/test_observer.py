"""The observer: what it takes for a change, and how long it says that one took."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.observer import Watch, identity


@pytest.fixture
def root_fd(tmp_path: Path) -> Iterator[int]:
    for name in ("one", "two"):
        (tmp_path / name).write_text("old")
    fd = os.open(tmp_path, os.O_RDONLY)
    yield fd
    os.close(fd)


def test_a_tree_that_stays_has_no_window(tmp_path: Path, root_fd: int) -> None:
    watch = Watch(["one", "two"], root_fd)
    (tmp_path / "another-name").hardlink_to(tmp_path / "one")  # as staging does: no reader of `one` sees a difference
    watch.look()
    assert (watch.window().mixed_s, watch.window().changed, watch.is_busy) == (0.0, 0, False)


def test_the_window_reaches_from_the_last_old_look_to_the_end_of_the_change(tmp_path: Path, root_fd: int) -> None:
    watch = Watch(["one", "two", "three"], root_fd)
    watch.look()
    (tmp_path / "one").unlink()
    watch.look()
    assert watch.is_busy
    time.sleep(0.02)
    (tmp_path / "three").write_text("new")
    watch.look()
    seen = watch.window()
    time.sleep(0.02)
    watch.look()
    assert watch.window().mixed_s == seen.mixed_s >= 0.02
    assert 0.02 <= seen.resolution_s <= seen.mixed_s
    assert seen.changed == 2


def test_a_path_below_what_is_no_directory_is_nothing(root_fd: int) -> None:
    assert identity("one/below", root_fd) is None
