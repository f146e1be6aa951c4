"""What is said where Ansible, or the project that it is to run, is not there."""

import sys
from pathlib import Path

import pytest

from reprov.adapters.ansible_runner import Ansible
from reprov.errors import InvalidInput

HINT = "pip install 'reprov[fleet]', or the packages ansible-core and python3-ansible-runner of the distribution"


def test_without_ansible_runner_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ansible_runner", None)
    with pytest.raises(InvalidInput) as error:
        Ansible(tmp_path, tmp_path)
    assert error.value.message.startswith("a rollout needs ansible-runner: ")
    assert error.value.hint == HINT


def test_without_ansible_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ansible_runner", sys)
    monkeypatch.setattr("reprov.adapters.ansible_runner.sys.executable", "/nowhere/python3")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(InvalidInput) as error:
        Ansible(tmp_path, tmp_path)
    assert (error.value.message, error.value.hint) == ("a rollout needs ansible-playbook, which is not installed here", HINT)


def test_a_project_has_an_inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ansible_runner", sys)
    (tmp_path / "ansible-playbook").touch()
    monkeypatch.setattr("reprov.adapters.ansible_runner.sys.executable", str(tmp_path / "python3"))
    with pytest.raises(InvalidInput) as error:
        Ansible(tmp_path, tmp_path)
    assert error.value.message == f"{tmp_path}/inventory.yaml: there is no such file"
