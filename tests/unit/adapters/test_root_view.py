"""A root is read as the system in it would read it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from reprov.adapters.files import opened_directory
from reprov.adapters.root_view import RootView


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "etc/sub").mkdir(parents=True)
    (root / "run").mkdir()
    (root / "etc/file").write_text("inside\n")
    (tmp_path / "file").write_text("outside\n")
    return root


@pytest.fixture
def view(root: Path) -> Iterator[RootView]:
    with opened_directory(root) as fd:
        yield RootView(fd)


@pytest.mark.parametrize(
    ("target", "content"),
    [
        pytest.param("file", b"inside\n", id="a link to a neighbour"),
        pytest.param("/etc/file", b"inside\n", id="an absolute link starts at the root"),
        pytest.param("../../../../etc/file", b"inside\n", id="no link goes above the root"),
        pytest.param("../../file", None, id="what lies beside the root is not in it"),
        pytest.param("nowhere", None, id="a broken link"),
        pytest.param("link", None, id="a link to itself"),
        pytest.param("sub", None, id="a link to a directory"),
        pytest.param("file/below", None, id="a link through a file"),
        pytest.param("/proc/self/exe", None, id="a link to what only this machine has"),
    ],
)
def test_links_lead_where_they_lead_inside(root: Path, view: RootView, target: str, content: bytes | None) -> None:
    (root / "etc/link").symlink_to(target)
    assert view.read("etc/link") == content
    (root / "etc/dir").symlink_to("/etc")
    assert view.read("etc/dir/link") == content


def test_a_fifo_is_not_waited_for(root: Path, view: RootView) -> None:
    os.mkfifo(root / "etc/fifo")
    assert view.read("etc/fifo") is None
    assert view.status("etc/fifo") is not None


def test_names_of_a_directory_and_of_what_is_none(root: Path, view: RootView) -> None:
    (root / "run/etc").symlink_to("/etc")
    assert view.names("run/etc") == ["file", "sub"]
    assert (view.names("etc/file"), view.names("nowhere")) == ([], [])
    assert [view.is_directory(path) for path in ("run/etc", "etc/file", "nowhere")] == [True, False, False]


def test_a_program_is_a_file_that_can_be_executed(root: Path, view: RootView) -> None:
    (root / "run/tool").touch(mode=0o755)
    assert [view.is_program(path) for path in ("run/tool", "etc/file", "etc", "nowhere")] == [True, False, False, False]


def test_text_of_any_bytes(root: Path, view: RootView) -> None:
    (root / "etc/bytes").write_bytes(b"a\xff")
    assert view.text("etc/bytes") == "a\udcff"
    assert view.text("nowhere") is None
