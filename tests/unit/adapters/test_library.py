"""Finding lists and roles by name."""

from pathlib import Path

import pytest

from reprov.adapters.library import Library
from reprov.errors import InvalidInput


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """Two folders; `base.exclude` is in both."""
    for folder, names in (("first", ["base.exclude"]), ("second", ["base.exclude", "ceph.exclude", ".hidden"])):
        (tmp_path / folder / "excludes").mkdir(parents=True)
        for name in names:
            (tmp_path / folder / "excludes" / name).write_text(folder)
    return Library((tmp_path / "first", tmp_path / "second", tmp_path / "missing"))


def test_an_earlier_folder_shadows_by_name(library: Library) -> None:
    assert library.find("excludes", "base.exclude").read_text() == "first"
    assert library.find("excludes", "ceph.exclude").read_text() == "second"


def test_names_are_those_of_all_folders(library: Library) -> None:
    assert library.names("excludes") == ("base.exclude", "ceph.exclude")
    assert library.names("roles") == ()


@pytest.mark.parametrize(
    ("kind", "name", "message", "hint"),
    [
        pytest.param(
            "excludes",
            "cehp.exclude",
            "excludes: there is no 'cehp.exclude'",
            "did you mean 'ceph.exclude'? there is base.exclude, ",
            id="typo",
        ),
        pytest.param(
            "excludes", "zzz", "excludes: there is no 'zzz'", "there is base.exclude, ceph.exclude (searched ", id="nothing like it"
        ),
        pytest.param("roles", "base", "roles: there is no 'base'", "there is nothing (searched ", id="nothing at all"),
        pytest.param(
            "excludes", "../excludes", "excludes: there is no '../excludes'", "did you mean 'ceph.exclude'? ", id="a way out of the folder"
        ),
        pytest.param("excludes", "..", "excludes: there is no '..'", "there is base.exclude", id="the folder above"),
    ],
)
def test_a_missing_name_is_answered_with_what_there_is(library: Library, kind: str, name: str, message: str, hint: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        library.find(kind, name)
    assert raised.value.message == message
    assert raised.value.hint is not None
    assert raised.value.hint.startswith(hint)


def test_the_operators_folder_goes_first(tmp_path: Path) -> None:
    assert Library.default(tmp_path).folders[:2] == (tmp_path, Path("/etc/reprov"))
