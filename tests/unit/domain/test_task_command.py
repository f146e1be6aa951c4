"""What a runbook has people type for a task."""

import pytest

from reprov.domain.procedure import OwnTask
from reprov.domain.task_command import commands_of

VARIABLES = {"folder": "/b/{{ name }}", "name": "may", "words": ["a", "b"], "wait_s": 5}

CASES: dict[str, tuple[str, object, tuple[str, ...]]] = {
    "a command": ("command", "reprov status", ("reprov status",)),
    "a script, with a variable that names another": ("shell", "cd {{ folder }}\nls\n", ("cd /b/may", "ls")),
    "a variable that only Ansible knows": ("command", "ls {{ unknown }}", ("ls {{ unknown }}",)),
    "a list that is joined": ("command", "x {{ words | join('+') }}", ("x a+b",)),
    "a number": ("command", "sleep {{ wait_s }}", ("sleep 5",)),
    "words": ("command", {"argv": ["a b", "{{ name }}", "c"]}, ("'a b' may c",)),
    "a unit": ("systemd_service", {"name": "x", "state": "restarted"}, ("systemctl restart x",)),
    "a unit that is to be gone": (
        "systemd_service",
        {"name": "x", "state": "stopped", "enabled": False, "masked": True},
        ("systemctl disable x", "systemctl mask x", "systemctl stop x"),
    ),
    "a unit that comes back": (
        "systemd_service",
        {"name": "x", "state": "started", "enabled": True, "masked": False},
        ("systemctl unmask x", "systemctl enable x", "systemctl start x"),
    ),
    "packages": ("apt", {"name": "{{ words }}"}, ("apt-get install a b",)),
    "packages of the other family": ("dnf", {"name": ["a-1", "b-2"]}, ("dnf install a-1 b-2",)),
    "a directory": ("file", {"path": "{{ folder }}", "state": "directory"}, ("mkdir -p -- /b/may",)),
    "what goes": ("file", {"path": "/x", "state": "absent"}, ("rm -rf -- /x",)),
    "conditions": ("assert", {"that": ["a", "b"]}, ("# must be so: a", "# must be so: b")),
    "a condition": ("assert", {"that": "a"}, ("# must be so: a",)),
    "any other module": ("uri", {"url": "http://{{ name }}"}, ('ansible node1 -m uri -a \'{"url": "http://may"}\'',)),
}


def test_a_task_for_the_machine_that_runs_ansible_is_run_there_with_the_variables_of_the_host() -> None:
    task = OwnTask(
        "x", None, "reprov_probes", {"probes": "{{ probes }}"}, "- name: X\n  reprov_probes:\n    x: y\n  delegate_to: localhost\n"
    )
    line = 'ansible node1 --connection local -m reprov_probes -a \'{"probes": "{{ probes }}"}\''
    assert commands_of(task, {"probes": [{"name": "a"}]}, "node1") == (line,)


@pytest.mark.parametrize(("module", "arguments", "lines"), CASES.values(), ids=CASES.keys())
def test_a_task_as_it_is_typed(module: str, arguments: object, lines: tuple[str, ...]) -> None:
    task = OwnTask("x", None, f"ansible.builtin.{module}", arguments, "")
    assert commands_of(task, VARIABLES, "node1") == lines
