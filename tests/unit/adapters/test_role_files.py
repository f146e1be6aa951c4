"""Reading a role with those that it extends."""

from pathlib import Path

import pytest

from reprov.adapters.library import Library
from reprov.adapters.role_files import load_role
from reprov.errors import InvalidInput


def library(top: Path, **roles: str) -> Library:
    for name, text in roles.items():
        folder = top / "roles" / name
        folder.mkdir(parents=True)
        (folder / "role.yaml").write_text(text)
    return Library((top,))


def test_layers_begin_with_the_role_that_extends_none(tmp_path: Path) -> None:
    role = load_role("c", library(tmp_path, a="suite: x1\n", b="extends: a\n", c="extends: b\n"))
    assert [layer.name for layer in role.layers] == ["a", "b", "c"]
    assert role.layers[1].folder == str(tmp_path / "roles/b")


BAD = {
    "a role that nobody wrote": ({"base": "suite: x1\n"}, "bse", "roles: there is no 'bse'"),
    "a parent that nobody wrote": (
        {"a": "extends: bse\n", "base": "suite: x1\n"},
        "a",
        "{top}/a/role.yaml: extends 'bse', which is no role",
    ),
    "a role that extends itself": ({"a": "extends: a\n"}, "a", "{top}/a/role.yaml: the role extends itself: a -> a"),
    "a circle": ({"a": "extends: b\n", "b": "extends: a\n"}, "a", "{top}/b/role.yaml: the role extends itself: a -> b -> a"),
    "a script that is not there": ({"a": "suite: x1\nscripts: [one]\n"}, "a", "{top}/a/role.yaml: the role's folder has no scripts/one"),
    "a key that is not there": (
        {"a": "suite: x1\nrepositories: [{name: n, suite: s, key: k.asc}]\n"},
        "a",
        "{top}/a/role.yaml: the role's folder has no keys/k.asc",
    ),
    "a mistake in the file": ({"a": "suite: x1\nx: 1\n"}, "a", "{top}/a/role.yaml:2: unknown key 'x'"),
}


@pytest.mark.parametrize(("roles", "name", "message"), BAD.values(), ids=BAD.keys())
def test_a_bad_role_is_refused(roles: dict[str, str], name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        load_role(name, library(tmp_path, **roles))
    assert caught.value.message == message.replace("{top}", str(tmp_path / "roles"))


def test_a_missing_parent_names_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        load_role("a", library(tmp_path, a="extends: bse\n", base="suite: x1\n"))
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("did you mean 'base'?")


def test_a_folder_without_role_yaml(tmp_path: Path) -> None:
    (tmp_path / "roles/empty").mkdir(parents=True)
    with pytest.raises(InvalidInput) as caught:
        load_role("empty", Library((tmp_path,)))
    assert caught.value.message == f"{tmp_path}/roles/empty/role.yaml: a role's folder must have this file"


@pytest.mark.parametrize("name", ["base", "compute", "ceph-osd", "controller"])
def test_the_roles_that_are_shipped_can_be_read(name: str) -> None:
    role = load_role(name, Library.default())
    assert role.layers[0].name == "base"
    assert "base" in role.concerns
