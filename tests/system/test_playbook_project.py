"""A generated project, run by hand with real Ansible on a booted node: the services of a hop are stopped, the node is re-imaged and
confirmed, and they run again; a second run changes nothing, and a node that goes back serves again.
"""

import re
import shutil
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from reprov.adapters.playbook_project import write_project
from reprov.domain.arity import Arity
from reprov.domain.infra import Host, Infra, JsonValue, Profile
from reprov.domain.playbook import project
from reprov.workflows.derive import derive_hops
from tests.fleet_samples import stage
from tests.system import nspawn_lab
from tests.system.live_lab import NEW, OLD, ROLE, LiveLab, go_back, state_of
from tests.system.nspawn_lab import LAB, Booted
from tests.system.service_lab import STORE

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs(*nspawn_lab.PROGRAMS)]
_LIBRARIES = ("ansible", "yaml", "_yaml", "jinja2", "markupsafe", "cryptography", "cffi", "packaging", "resolvelib")
_VARIABLES: dict[str, JsonValue] = {
    "ansible_connection": "local",
    "ansible_python_interpreter": "/usr/bin/python3",
    "ansible_become": False,
    "reprov_command": ["env", f"PYTHONPATH={LAB}", "/usr/bin/python3", "-m", "reprov"],
    "reprov_confirm_timeout_s": 60,
    # As a site does it that knows why it takes a release again.
    "reprov_upgrade_options": ["--retry"],
}
_SNIPPET = """\
title: the lab
packages: {debian: [site-tools]}
units: {debian: ["pla*.service", daemon.service, edited.service]}
tasks:
  - name: Stop the lab
    ansible.builtin.import_role: {name: reprov, tasks_from: stop}
    vars: {reprov_service: lab, reprov_units: "{{ lab_units }}"}
    tags: step4

  - name: Start the lab
    ansible.builtin.import_role: {name: reprov, tasks_from: start}
    vars: {reprov_service: lab, reprov_units: "{{ lab_units }}"}
    tags: step6

  - name: Wait until the lab runs
    ansible.builtin.command: {argv: [systemctl, is-active, plain.service]}  # noqa: command-instead-of-module
    changed_when: false
    register: lab_active
    until: lab_active.rc == 0
    retries: 3
    delay: 1
    when: reprov_running.stdout != ''
    tags: step6

  - name: See whether all have the release
    ansible.builtin.import_role: {name: reprov, tasks_from: everywhere}
    vars: {reprov_group: service_lab}
    tags: step9

  - name: Say that all have it
    ansible.builtin.debug: {msg: everybody is there}
    when: reprov_everywhere | bool
    tags: step9
"""


@pytest.fixture(scope="module")
def booted_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booted]:
    folder = tmp_path_factory.mktemp("project")
    lab = LiveLab(folder)
    with lab.node() as node:
        libraries = Path(sysconfig.get_path("purelib"))
        for name in (*_LIBRARIES, *(path.name for path in libraries.glob("_cffi_backend*"))):
            if (libraries / name).is_dir():
                shutil.copytree(libraries / name, node.root / "root/ansible" / name, ignore=shutil.ignore_patterns("__pycache__"))
            elif (libraries / name).exists():
                shutil.copy(libraries / name, node.root / "root/ansible" / name)
        _write_project(folder, lab.store.folder, node.root / "root/project")
        yield node


@pytest.fixture
def node(booted_node: Booted) -> Iterator[Booted]:
    """The node with the old release and its services."""
    yield booted_node
    booted_node.shell("rm -f /root/check; systemctl reset-failed")
    go_back(booted_node)
    booted_node.shell("rm -rf /etc/reprov; systemctl start plain.service daemon.service edited.service")


def _write_project(folder: Path, store: Path, target: Path) -> None:
    snippets = folder / "site/playbooks/snippets"
    snippets.mkdir(parents=True)
    (snippets / "lab.yaml").write_text(_SNIPPET)
    infra = Infra("lab", {ROLE: Profile(ROLE, ROLE, Arity(1), {})}, (ROLE,), (Host("node", ROLE, "node", "node", _VARIABLES),), {}, (), "-")
    hops = derive_hops(infra, store, STORE, {ROLE: OLD}, {ROLE: NEW}, folder / "site")
    derived = hops.derived[ROLE]
    assert [touched.service for touched in derived.services] == ["lab"]
    write_project(target, project(infra, [stage(ROLE, ["node"], [derived])], hops.gets, hops.running, hops.library))


def words(*more: str) -> tuple[str, ...]:
    environment = ("env", "-C", "/root/project", "PYTHONPATH=/root/ansible", "ANSIBLE_NOCOLOR=1")
    return (*environment, "/usr/bin/python3", "-m", "ansible.cli.playbook", *more)


def play(node: Booted, *more: str, fine: tuple[int, ...] = (0,)) -> str:
    return node.run(*words("site.yml", *more), fine=fine).stdout


def recap(said: str) -> dict[str, int]:
    return {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", said.partition("PLAY RECAP")[2])}


def active(node: Booted) -> str:
    return node.shell("systemctl is-active plain.service daemon.service edited.service || true").replace("\n", " ").strip()


def test_the_whole_by_hand_and_a_second_run_changes_nothing(node: Booted) -> None:
    before = active(node)
    said = play(node)
    assert recap(said)["changed"] > 3, said
    assert "everybody is there" in said
    assert state_of(node)["installed"] == f"{ROLE} {NEW}"
    assert state_of(node)["state"] == "confirmed"
    assert active(node) == before
    assert node.shell("ls /etc/reprov/fleet") == ""
    again = play(node)
    assert recap(again)["changed"] == 0, again


def test_steps_one_by_one_each_twice(node: Booted) -> None:
    play(node, "--tags", "step4")
    assert active(node) == "inactive inactive inactive"
    assert recap(play(node, "--tags", "step4"))["changed"] == 0
    play(node, "--tags", "step5")
    assert active(node) == "active active inactive"  # the role says that two of them must run
    assert recap(play(node, "--tags", "step5"))["changed"] == 0
    play(node, "--tags", "step6")
    assert active(node) == "active active active"
    assert recap(play(node, "--tags", "step6"))["changed"] == 0


def test_what_did_not_run_before_is_not_started(node: Booted) -> None:
    node.shell("systemctl stop edited.service")
    play(node)
    assert active(node) == "active active inactive"


def test_a_node_that_goes_back_is_a_failure_with_the_reason_and_serves_again(node: Booted) -> None:
    node.write("root/check", "echo it is broken; exit 1\n")
    said = play(node, fine=(2,))
    assert "the node has been rolled back: " in said
    assert state_of(node)["installed"] == f"{ROLE} {OLD}"
    back = play(node, "--tags", "step6,step7,step8,step9")
    assert active(node) == "active active active"
    assert "everybody is there" not in back
