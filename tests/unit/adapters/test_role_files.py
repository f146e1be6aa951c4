"""Reading a role with those that it extends."""

from pathlib import Path

import pytest

from reprov.adapters.library import Library
from reprov.adapters.release_files import read_checks as read_built
from reprov.adapters.role_files import load_role, write_checks
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
    "a check that is not there": ({"a": "suite: x1\nchecks: [one]\n"}, "a", "{top}/a/role.yaml: the role's folder has no checks/one"),
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


def test_checks_go_beside_the_build_the_roles_own_before_others_of_their_name(tmp_path: Path) -> None:
    checks = {
        "a/checks/net": "#!/bin/sh\n",
        "a/checks/test_a.py": "",
        "b/checks/net/test_net.py": "",
        "b/checks/net/conftest.py": "c",
        "b/checks/net/__pycache__/x.pyc": "",
    }
    shelf = library(tmp_path, a="suite: x1\nchecks: [net, test_a.py]\n", b="extends: a\nchecks: [net]\n")
    for name, text in checks.items():
        (tmp_path / "roles" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "roles" / name).write_text(text)
    write_checks(load_role("b", shelf), tmp_path / "build")
    assert read_built(tmp_path / "build", ["net", "test_a.py"]) == {
        "checks/net/conftest.py": b"c",
        "checks/net/test_net.py": b"",
        "checks/test_a.py": b"",
    }
    with pytest.raises(InvalidInput) as caught:
        read_built(tmp_path / "build", ["ne"])
    assert caught.value.message == f"{tmp_path}/build: the build has no checks/ne"


def test_what_is_no_check_is_refused_with_its_path(tmp_path: Path) -> None:
    shelf = library(tmp_path, a="suite: x1\nchecks: [notes]\n")
    (tmp_path / "roles/a/checks").mkdir()
    (tmp_path / "roles/a/checks/notes").write_text("remember\n")
    with pytest.raises(InvalidInput) as caught:
        load_role("a", shelf)
    assert caught.value.message == f"{tmp_path}/roles/a/checks/notes: notes is no check: neither test_*.py, nor *_spec.rb, nor a script"
