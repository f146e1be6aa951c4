"""Finding the rpm database of a tree, and saying that nobody can read it."""

from pathlib import Path

import pytest

from reprov.adapters import rpm_database
from reprov.adapters.rpm_database import find_database, read_rpm_packages
from reprov.errors import ReprovError


def make(tree: Path, folder: str, name: str = "rpmdb.sqlite") -> None:
    (tree / folder).mkdir(parents=True)
    (tree / folder / name).touch()


@pytest.mark.parametrize("folder", ["usr/lib/sysimage/rpm", "var/lib/rpm"])
def test_the_database_is_found(tmp_path: Path, folder: str) -> None:
    make(tmp_path, folder)
    assert find_database(tmp_path) == folder


def test_a_link_to_the_database_is_not_the_database(tmp_path: Path) -> None:
    make(tmp_path, "usr/lib/sysimage/rpm")
    (tmp_path / "var/lib").mkdir(parents=True)
    (tmp_path / "var/lib/rpm").symlink_to("../../usr/lib/sysimage/rpm")
    assert find_database(tmp_path) == "usr/lib/sysimage/rpm"


def test_a_link_that_leads_out_of_the_tree_is_not_followed(tmp_path: Path) -> None:
    make(tmp_path, "elsewhere")
    (tmp_path / "tree/var/lib").mkdir(parents=True)
    (tmp_path / "tree/var/lib/rpm").symlink_to(tmp_path / "elsewhere")
    assert find_database(tmp_path / "tree") is None


def test_a_database_of_an_older_rpm_is_none(tmp_path: Path) -> None:
    make(tmp_path, "var/lib/rpm", "Packages")
    assert find_database(tmp_path) is None
    assert read_rpm_packages(tmp_path) == ()


def test_without_rpm_a_database_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "var/lib/rpm")
    monkeypatch.setattr(rpm_database, "is_installed", lambda program: False)
    with pytest.raises(ReprovError) as caught:
        read_rpm_packages(tmp_path)
    assert caught.value.message == f"{tmp_path} has an rpm database, and this machine has no rpm to read it"
