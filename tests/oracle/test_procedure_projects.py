"""The projects of the shipped procedures, judged by Ansible itself."""

import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clouds import UPGRADE, a_cloud
from tests.conftest import Ran

pytestmark = pytest.mark.commands
ANSIBLE_PLAYBOOK = Path(sysconfig.get_path("scripts")) / "ansible-playbook"
"""That of the environment which runs the tests: `make setup` puts it there."""


@pytest.mark.parametrize("procedure", ["calico-openstack", "openstack-basic", "re-image", "side-by-side"])
def test_ansible_reads_every_stage_and_every_way_back(procedure: str, reprov: Callable[..., Ran], tmp_path: Path) -> None:
    infra, store = a_cloud(tmp_path)
    assert reprov("rollout", "plan", tmp_path / "may", "--infra", infra, "--store", store, "--procedure", procedure, *UPGRADE).status == 3
    ran = subprocess.run(
        [ANSIBLE_PLAYBOOK, "--syntax-check", "site.yml", "undo.yml"],
        cwd=tmp_path / "may/project",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, [line for line in ran.stderr.splitlines() if "WARNING" not in line]) == (0, [])
