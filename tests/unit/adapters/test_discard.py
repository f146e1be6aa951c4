"""Removing reprov's own trees, and nothing that a link in them points to."""

import errno
import os
from pathlib import Path

import pytest

from reprov.adapters import kernel
from reprov.adapters.discard import discard
from reprov.adapters.files import opened_directory
from reprov.errors import NeedsAttention


def discard_in(folder: Path, name: str) -> None:
    with opened_directory(folder) as fd:
        discard(name, dir_fd=fd)


def test_a_tree_goes_with_everything_in_it(tmp_path: Path) -> None:
    deep = tmp_path / "staged/a/b"
    deep.mkdir(parents=True)
    (deep / "-rf\n").write_text("x")
    (deep / os.fsdecode(b"\xff")).touch()
    os.mkfifo(deep / "fifo")
    discard_in(tmp_path, "staged")
    assert list(tmp_path.iterdir()) == []


def test_a_file_goes_and_what_is_not_there_is_fine(tmp_path: Path) -> None:
    (tmp_path / "placeholder").touch()
    discard_in(tmp_path, "placeholder")
    discard_in(tmp_path, "placeholder")
    assert list(tmp_path.iterdir()) == []


def test_links_are_removed_and_never_followed(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/precious").write_text("x")
    (tmp_path / "own/staged").mkdir(parents=True)
    (tmp_path / "own/staged/link").symlink_to("../../data")
    (tmp_path / "own/previous").symlink_to("../data")
    discard_in(tmp_path / "own", "staged")
    discard_in(tmp_path / "own", "previous")
    assert list((tmp_path / "own").iterdir()) == []
    assert (tmp_path / "data/precious").read_text() == "x"


def test_something_mounted_inside_is_left_alone_with_all_that_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounted = tmp_path / "staged/mnt"
    mounted.mkdir(parents=True)
    (mounted / "precious").touch()
    inode, fstat = mounted.stat().st_ino, os.fstat

    def on_another_device(fd: int) -> os.stat_result:
        status = fstat(fd)
        fields = list(status)
        fields[2] += status.st_ino == inode
        return os.stat_result(fields)

    monkeypatch.setattr(os, "fstat", on_another_device)
    with pytest.raises(NeedsAttention) as raised:
        discard_in(tmp_path, "staged")
    assert raised.value.message == "something is mounted on mnt below /.reprov"
    monkeypatch.undo()
    assert (mounted / "precious").exists()


def test_a_file_that_something_is_mounted_on_is_said_to_be_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(path: str, *, dir_fd: int) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy", path)

    (tmp_path / "staged").touch()
    monkeypatch.setattr(os, "unlink", busy)
    with pytest.raises(NeedsAttention) as raised:
        discard_in(tmp_path, "staged")
    assert (raised.value.message, raised.value.hint) == (
        "something is mounted on staged below /.reprov",
        "unmount it, then run the command again",
    )


@pytest.mark.parametrize("flagged", ["the file", "its directory"])
def test_an_immutable_flag_is_taken_off_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flagged: str) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/f").touch()
    flags = {(tmp_path / ("d/f" if flagged == "the file" else "d")).stat().st_ino: kernel.IMMUTABLE | 0x80000}
    unlink = os.unlink

    def unlink_unless_flagged(path: str, *, dir_fd: int) -> None:
        held = {os.fstat(dir_fd).st_ino, os.stat(path, dir_fd=dir_fd).st_ino}
        if any(flags.get(inode, 0) & kernel.IMMUTABLE for inode in held):
            raise PermissionError(errno.EPERM, "not permitted", path)
        unlink(path, dir_fd=dir_fd)

    monkeypatch.setattr(kernel, "inode_flags", lambda fd: flags.get(os.fstat(fd).st_ino, 0))
    monkeypatch.setattr(kernel, "set_inode_flags", lambda fd, new: flags.update({os.fstat(fd).st_ino: new}))
    monkeypatch.setattr(os, "unlink", unlink_unless_flagged)
    discard_in(tmp_path, "d")
    assert list(tmp_path.iterdir()) == []
    assert list(flags.values()) == [0x80000], "the other flags stayed"
