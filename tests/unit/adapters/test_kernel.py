"""The system calls that Python lacks, on the filesystem at hand."""

import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from reprov.adapters import kernel
from reprov.adapters.files import opened_directory


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    """A descriptor of the test's directory."""
    with opened_directory(tmp_path) as opened:
        yield opened


def test_an_exchange_swaps_whatever_two_names_show(tmp_path: Path, fd: int) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/in").touch()
    (tmp_path / "b").symlink_to("nowhere")
    kernel.exchange("a", "b", first_dir_fd=fd, second_dir_fd=fd)
    assert (tmp_path / "a").is_symlink()
    assert (tmp_path / "b/in").exists()


def test_an_exchange_needs_both_names_and_says_which_it_was_asked_for(tmp_path: Path, fd: int) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(OSError, match="No such file") as raised:
        kernel.exchange("a", "b", first_dir_fd=fd, second_dir_fd=fd)
    assert (raised.value.errno, raised.value.filename) == (errno.ENOENT, "a")


def test_exchanging_two_names_of_one_file_changes_nothing(tmp_path: Path, fd: int) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    kernel.exchange("a", "b", first_dir_fd=fd, second_dir_fd=fd)
    assert (tmp_path / "a").samefile(tmp_path / "b")


@pytest.mark.parametrize("name", ["-x", "new\nline", "\udcff", "*"], ids=ascii)
def test_names_are_bytes(tmp_path: Path, fd: int, name: str) -> None:
    (tmp_path / name).write_text("1")
    (tmp_path / "b").write_text("2")
    kernel.exchange(name, "b", first_dir_fd=fd, second_dir_fd=fd)
    assert (tmp_path / name).read_text() == "2"
    os.close(kernel.open_beneath(name, os.O_RDONLY, dir_fd=fd))
    kernel.birth_time_ns(name, dir_fd=fd)


LEADS_AWAY = {
    "a symlink at the end": ("link", errno.ELOOP),
    "a symlink on the way": ("way/f", errno.ELOOP),
    "a symlink that stays inside": ("inside", errno.ELOOP),
    "a step up": ("../x", errno.EXDEV),
    "an absolute path": ("/etc/passwd", errno.EXDEV),
    "nothing": ("missing", errno.ENOENT),
}


@pytest.mark.parametrize(("path", "number"), LEADS_AWAY.values(), ids=LEADS_AWAY)
def test_opening_beneath_a_directory_leaves_it_by_no_way(tmp_path: Path, fd: int, path: str, number: int) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/f").touch()
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "way").symlink_to("d")
    (tmp_path / "inside").symlink_to("d/f")
    with pytest.raises(OSError, match=r".") as raised:
        kernel.open_beneath(path, os.O_RDONLY, dir_fd=fd)
    assert raised.value.errno == number


def test_a_mount_can_be_forbidden_on_the_way() -> None:
    with opened_directory("/") as root_fd:
        for path in ("proc", "proc/self/status"):  # there is no running Linux without that mount
            os.close(kernel.open_beneath(path.partition("/self")[0], os.O_RDONLY, dir_fd=root_fd))
            with pytest.raises(OSError, match=r".") as raised:
                kernel.open_beneath(path, os.O_RDONLY, dir_fd=root_fd, same_mount=True)
            assert raised.value.errno == errno.EXDEV


def test_the_empty_path_is_the_directory_itself_and_descriptors_are_not_inherited(tmp_path: Path, fd: int) -> None:
    opened = kernel.open_beneath("", os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
    try:
        assert os.path.sameopenfile(opened, fd)
        assert not os.get_inheritable(opened)
    finally:
        os.close(opened)


def test_a_birth_time_is_about_now_and_stays(tmp_path: Path, fd: int) -> None:
    before_ns = time.time_ns()
    (tmp_path / "f").touch()
    born_ns = kernel.birth_time_ns("f", dir_fd=fd)
    if born_ns == 0:
        return  # this filesystem does not tell, and says so
    assert abs(born_ns - before_ns) < 60_000_000_000
    os.utime(tmp_path / "f", ns=(1, 1))
    assert kernel.birth_time_ns("f", dir_fd=fd) == born_ns


def test_a_symlinks_birth_is_its_own(tmp_path: Path, fd: int) -> None:
    (tmp_path / "broken").symlink_to("nowhere")
    kernel.birth_time_ns("broken", dir_fd=fd)
    with pytest.raises(FileNotFoundError):
        kernel.birth_time_ns("nowhere", dir_fd=fd)


def test_a_file_has_no_flags_unless_somebody_set_them(tmp_path: Path) -> None:
    with (tmp_path / "f").open("w") as file:
        assert not kernel.inode_flags(file.fileno()) & (kernel.IMMUTABLE | kernel.APPEND_ONLY)


def test_syncing_is_about_a_filesystem_and_wants_a_descriptor(fd: int) -> None:
    kernel.syncfs(fd)
    with pytest.raises(OSError, match="Bad file descriptor"):
        kernel.syncfs(-1)


@pytest.mark.parametrize(
    ("release", "tells"),
    [
        ("4.18.0-553.el8.x86_64", False),
        ("5.7.19", False),
        ("5.8.0-rc1", True),
        ("6.1.0-50-amd64", True),
        ("10.0", True),
        ("strange", False),
    ],
)
def test_since_when_a_sync_tells_of_errors(monkeypatch: pytest.MonkeyPatch, release: str, tells: bool) -> None:
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(release=release))
    assert kernel.syncfs_tells_errors() is tells
