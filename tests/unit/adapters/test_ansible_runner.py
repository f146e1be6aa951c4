"""How Ansible is asked to run a step, and what is said where it, or the project that it is to run, is not there."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reprov.adapters.ansible_runner import Ansible
from reprov.domain.ansible_events import HostOutcomes
from reprov.domain.node_talk import Said
from reprov.domain.rollout import Step
from reprov.errors import InvalidInput
from reprov.events import Note

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


NOTE = '1:{"event": "note", "text": "slow"}\nactive'
SAID = {"event": "runner_retry", "event_data": {"host": "n1", "res": {"stdout": NOTE}}}
STATS = {"event": "playbook_on_stats", "event_data": {"processed": {"n1": 1, "n2": 1}}}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Step], tuple[dict[str, Any], HostOutcomes, list[Said]]]:
    """Runs a step with an ansible-runner that only notes what is asked of it; gives that, the outcomes, and what nodes said."""
    asked: dict[str, Any] = {}
    said: list[Said] = []

    def noted(**settings: Any) -> None:
        asked.update(settings)
        for event in (SAID, STATS):
            settings["event_handler"](event)

    monkeypatch.setitem(sys.modules, "ansible_runner", SimpleNamespace(run=noted))
    (tmp_path / "ansible-playbook").touch()
    (tmp_path / "inventory.yaml").touch()
    monkeypatch.setattr("reprov.adapters.ansible_runner.sys.executable", str(tmp_path / "python3"))
    return lambda step: (asked, Ansible(tmp_path, tmp_path).run(step, said.append), said)


def test_what_nodes_say_is_passed_on(run: Callable[[Step], tuple[dict[str, Any], HostOutcomes, list[Said]]]) -> None:
    _, outcomes, said = run(Step("compute", 4, ("n1", "n2")))
    assert outcomes == HostOutcomes(("n1", "n2"), (), ())
    assert said == [Said("n1", Note("slow"))]


@pytest.mark.parametrize(
    ("tag", "strategy", "forks"),
    [
        pytest.param(4, None, None, id="hosts go through the tasks of a step side by side"),
        pytest.param(5, "free", 30, id="but not of the re-image, after which none may wait for another to be confirmed"),
    ],
)
def test_how_hosts_follow_each_other(
    run: Callable[[Step], tuple[dict[str, Any], HostOutcomes, list[Said]]], tag: int, strategy: str | None, forks: int | None
) -> None:
    asked, _, _ = run(Step("compute", tag, tuple(f"n{number}" for number in range(30))))
    assert (asked["envvars"].get("ANSIBLE_STRATEGY"), asked.get("forks")) == (strategy, forks)
