"""A project appears as a whole, replaces one of its kind, and nothing else."""

import os
from pathlib import Path

import pytest

from reprov.adapters.playbook_project import MARKER, write_project
from reprov.errors import Refused


def content(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file() and path.name != MARKER}


def test_it_replaces_the_project_that_was_there(tmp_path: Path) -> None:
    target = tmp_path / "rollout/project"
    write_project(target, {"site.yml": "old", "roles/a/tasks/main.yml": "a"})
    write_project(target, {"site.yml": "new"})
    assert content(target) == {"site.yml": "new"}
    assert os.listdir(target.parent) == ["project"]


@pytest.mark.parametrize("prepare", ["a file", "a link", "a directory with something in it"])
def test_what_is_not_one_stays(tmp_path: Path, prepare: str) -> None:
    target = tmp_path / "project"
    if prepare == "a file":
        target.write_text("x")
    elif prepare == "a link":
        (tmp_path / "real").mkdir()
        target.symlink_to("real")
    else:
        target.mkdir()
        (target / "precious").write_text("x")
    before = sorted(path.name for path in tmp_path.rglob("*"))
    with pytest.raises(Refused, match=r"project is not a "):
        write_project(target, {"site.yml": "new"})
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_an_empty_directory_is_taken(tmp_path: Path) -> None:
    write_project(tmp_path, {"site.yml": "new"})
    assert content(tmp_path) == {"site.yml": "new"}


def test_what_fails_leaves_the_project_that_was_there(tmp_path: Path) -> None:
    target = tmp_path / "project"
    write_project(target, {"site.yml": "old"})
    with pytest.raises(OSError, match="File exists"):
        write_project(target, {"a": "1", "a/b": "2"})
    assert content(target) == {"site.yml": "old"}
    assert os.listdir(tmp_path) == ["project"]
