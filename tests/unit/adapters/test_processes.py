"""Who runs what is no longer installed, from recorded /proc texts."""

import os
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from reprov.adapters import processes
from reprov.adapters.processes import _old_code, live_path, node_facts

MAPS = b"""\
55d0c0000000-55d0c0002000 r--p 00000000 07:00 1001                       /.reprov/previous/usr/sbin/cron
55d0c0002000-55d0c0008000 r-xp 00002000 07:00 1001                       /.reprov/previous/usr/sbin/cron
7f0000000000-7f0000100000 r-xp 00000000 07:00 1002                       /.reprov/previous/usr/lib/libc.so.6
7f0000200000-7f0000300000 r--p 00000000 07:00 1003                       /.reprov/previous/usr/lib/locale/C.utf8
7f0000400000-7f0000500000 r-xp 00000000 07:00 1004                       /usr/lib/libnew.so (deleted)
7f0000600000-7f0000700000 r-xp 00000000 07:00 1005                       /.reprov/previous/opt/a b/lib.so (deleted)
7f0000800000-7f0000900000 rw-s 00000000 00:01 1006                       /dev/zero (deleted)
7f0000a00000-7f0000b00000 r-xp 00000000 00:01 1007                       /memfd:jit (deleted)
7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                          [stack]
7ffc00030000-7ffc00032000 r-xp 00000000 00:00 0                          [vdso]
"""


@pytest.mark.parametrize(
    ("changed", "old"),
    [
        pytest.param(set(), {"opt/a b/lib.so", "usr/lib/libnew.so"}, id="mapped from the old tree is not yet old"),
        pytest.param({"usr/sbin/cron"}, {"opt/a b/lib.so", "usr/lib/libnew.so", "usr/sbin/cron"}, id="the program has changed"),
        pytest.param({"usr/lib/locale/C.utf8"}, {"opt/a b/lib.so", "usr/lib/libnew.so"}, id="what is no code does not count"),
        pytest.param({"usr/lib/libnew.so"}, {"opt/a b/lib.so", "usr/lib/libnew.so"}, id="changed and gone"),
    ],
)
def test_the_old_code_of_a_process(monkeypatch: pytest.MonkeyPatch, changed: set[str], old: set[str]) -> None:
    monkeypatch.setattr(processes, "_is_inode", lambda path, inode: False)
    assert {*_old_code(MAPS, changed)} == old


def test_a_name_that_is_gone_is_not_old_while_the_file_has_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """The previous tree of the last exchange but one has been removed: its files are those of the live tree still."""
    monkeypatch.setattr(processes, "_is_inode", lambda path, inode: inode == 1005)
    assert {*_old_code(MAPS, set())} == {"usr/lib/libnew.so"}


def test_what_is_at_a_path_is_told_by_its_inode(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert processes._is_inode(str(file), file.stat().st_ino)
    assert not processes._is_inode(str(file), file.stat().st_ino + 1)
    assert not processes._is_inode(str(tmp_path / "none"), 1)


@pytest.mark.parametrize(
    ("path", "live"),
    [
        ("/.reprov/previous/usr/bin/x", "usr/bin/x"),
        ("/.reprov/staged/etc", "etc"),
        ("/boot/.reprov/previous/grub/x", "boot/grub/x"),
        ("/.reprov/previous", ""),
        ("/.reprov/previous/usr/bin/x (deleted)", "usr/bin/x"),
        ("/usr/bin/x (deleted)", "usr/bin/x"),
        ("/tmp/x (deleted)", ""),
        ("/memfd:x (deleted)", ""),
        ("/", ""),
    ],
)
def test_where_something_of_a_tree_is_in_the_live_one(path: str, live: str) -> None:
    assert live_path(path) == live


class Old:
    """A process that runs what has been replaced."""

    name, home = "python3", None

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def link(self, _name: str) -> str:
        return ""

    def read(self, _name: str) -> bytes:
        return MAPS

    def view(self) -> SimpleNamespace:
        return SimpleNamespace(mounts=())


@pytest.mark.parametrize(
    ("has_handed_over", "found"), [(True, [1]), (False, [1, os.getppid()])], ids=["it has handed the node over", "it is a shell"]
)
def test_who_ends_soon_does_not_count(monkeypatch: pytest.MonkeyPatch, has_handed_over: bool, found: list[int]) -> None:
    monkeypatch.setattr(processes, "processes", lambda: map(Old, (1, os.getppid(), os.getpid())))
    monkeypatch.setattr(processes, "holds", lambda pid, lock: has_handed_over and (pid, lock) == (os.getppid(), Path("/.reprov/lock")))
    monkeypatch.setattr(processes, "_old_script", lambda process, changed: ())
    assert [runner.pid for runner in processes.running_old({"usr/sbin/cron"})] == found


@pytest.fixture
def sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where logind tells of sessions."""
    monkeypatch.setattr(processes, "_SESSIONS", tmp_path / "sessions")
    return tmp_path / "sessions"


def test_the_pipe_of_a_session_is_not_read_because_its_end_may_be_hours_away(sessions: Path) -> None:
    sessions.mkdir()
    pipe = sessions / "5.ref"
    os.mkfifo(pipe)
    talk = threading.Thread(target=lambda: pipe.write_text("TYPE=x11\n"), daemon=True)  # begins when somebody reads
    talk.start()
    (sessions / "5").write_text("UID=0\nTYPE=tty\n")
    assert not node_facts().has_graphical_session
    assert pipe.read_text() == "TYPE=x11\n"
    talk.join()


def test_a_session_that_has_just_ended_hides_no_other(sessions: Path) -> None:
    sessions.mkdir()
    (sessions / "1").symlink_to("gone")
    (sessions / "2").write_text("UID=0\nTYPE=wayland\n")
    assert node_facts().has_graphical_session


def test_without_logind_there_is_no_session(sessions: Path) -> None:
    assert not node_facts().has_graphical_session
