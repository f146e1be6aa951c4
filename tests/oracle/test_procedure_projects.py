"""The projects of the shipped procedures, judged by Ansible itself."""

import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clouds import UPGRADE, a_cloud
from tests.conftest import Ran

pytestmark = pytest.mark.commands
PROGRAMS = Path(sysconfig.get_path("scripts"))
"""Of the environment which runs the tests: `make setup` puts Ansible's there."""


def judged(folder: Path, reprov: Callable[..., Ran], procedure: str, program: str, *words: str) -> tuple[int, list[str]]:
    """The status of a program in the project of a procedure, and everything that it says; warnings are about this machine."""
    infra, store = a_cloud(folder)
    assert reprov("rollout", "plan", folder / "may", "--infra", infra, "--store", store, "--procedure", procedure, *UPGRADE).status == 3
    ran = subprocess.run([PROGRAMS / program, *words], cwd=folder / "may/project", capture_output=True, text=True, check=False)
    return ran.returncode, [line for line in (ran.stdout + ran.stderr).splitlines() if line and "WARNING" not in line]


@pytest.mark.parametrize("procedure", ["calico-openstack", "openstack-basic", "re-image", "side-by-side"])
def test_ansible_reads_every_stage_and_every_way_back(procedure: str, reprov: Callable[..., Ran], tmp_path: Path) -> None:
    status, said = judged(tmp_path, reprov, procedure, "ansible-playbook", "--syntax-check", "site.yml", "undo.yml")
    assert (status, [line for line in said if not line.startswith("playbook: ")]) == (0, [])


def test_ansible_lint_has_nothing_to_say_of_the_procedure_with_most_of_the_library(reprov: Callable[..., Ran], tmp_path: Path) -> None:
    assert judged(tmp_path, reprov, "openstack-basic", "ansible-lint", "--offline", "-q", "--nocolor", "site.yml") == (0, [])
