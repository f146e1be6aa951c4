"""A node of the role that reprov ships, with an OSD and a volume group beside its system, is upgraded, rebooted and taken back.

Each story starts from a node that has just been booted: it costs the boots that it tells of.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.vm import machine
from tests.vm.machine import Machine
from tests.vm.node_lab import CORE, DEAF, LIVE, OLD, OTHER, PATIENCE_S, ROLE, NodeLab, kept_of
from tests.vm.power_cuts import BEGINS, come_to_rest, facts_of, release_in_use, state_of

pytestmark = [
    pytest.mark.system,
    pytest.mark.commands,
    pytest.mark.needs("mmdebstrap", "rsync", "sfdisk", "partx", "losetup", "mkfs.ext4", "lz4", "zstd", "ssh-keygen", *machine.PROGRAMS),
]
EXCHANGED = "reprov: done: the system starts from the tree that is now in place"


@pytest.fixture
def node(node_lab: NodeLab, tmp_path: Path) -> Iterator[Machine]:
    """The node, and a proof after the test that nothing of others on its disk has changed, and that its own files are as before."""
    with node_lab.node(tmp_path) as running:
        running.shell("sync")
        before, facts = kept_of(running.disk, tmp_path / "kept"), facts_of(running)
        yield running
        assert facts_of(running) == facts
        running.shell("sync")
        assert kept_of(running.disk, tmp_path / "kept") == before


def upgrade(
    node: Machine, lab: NodeLab, version: str, *, role: str = ROLE, commit: str = "auto", patience_s: int = PATIENCE_S, status: int = 0
) -> str:
    """Upgrade, and give what was said."""
    words = f"upgrade {role} {version} --from {lab.source} --commit {commit} --confirm-timeout {patience_s}"
    ran = node.reprov(words, fine=(status,))
    return ran.stdout + ran.stderr


def assert_is(node: Machine, version: str, *, role: str = ROLE, state: str = "confirmed") -> None:
    """It runs that release, and is at rest."""
    assert release_in_use(node) == version
    found = state_of(node)
    assert (found["installed"], found["state"], found["interrupted"]) == (f"{role} {version}", state, False)


def assert_runs(node: Machine, version: str, *, role: str = ROLE, state: str = "confirmed") -> None:
    """It runs that release, every path of it, is at rest, and well."""
    assert_is(node, version, role=role, state=state)
    assert node.reprov("verify").stdout.endswith(f" paths are as {role} {version} says\n")
    assert node.shell("systemctl is-active lab ssh cron systemd-networkd").split() == ["active"] * 4
    assert node.shell("systemctl --failed --no-legend --plain") == ""


@pytest.mark.long
def test_an_upgrade_of_the_running_node_outlives_a_reboot_and_so_does_the_way_back(node: Machine, node_lab: NodeLab) -> None:
    said = upgrade(node, node_lab, LIVE)
    assert f"{ROLE} {LIVE} is installed: " in said
    assert f"3 data devices and 2 OSDs proved untouched by the upgrade to {ROLE} {LIVE}" in said
    assert node.shell("cat /var/lib/lab-said") == f"configure {OLD}\n"
    assert_is(node, LIVE)
    assert node.reboot() == "running"
    assert BEGINS not in node.serial
    assert node.shell("systemctl show -p ConditionResult --value reprov-recover reprov-confirm").split() == ["no", "no"]
    assert_runs(node, LIVE)
    node.reprov("rollback")
    assert_is(node, OLD, state="rolled-back")
    assert node.reboot() == "running"
    assert_runs(node, OLD, state="rolled-back")


@pytest.mark.long
def test_a_node_changes_its_role(node: Machine, node_lab: NodeLab) -> None:
    upgrade(node, node_lab, OLD, role=OTHER)
    assert_is(node, OLD, role=OTHER)
    node.shell("systemctl start storage && systemctl is-active storage")
    assert node.reboot() == "running"
    assert_runs(node, OLD, role=OTHER)
    assert node.shell("systemctl is-active storage") == "active\n"


def test_a_release_with_another_libc_is_exchanged_at_boot_and_confirmed(node: Machine, node_lab: NodeLab) -> None:
    upgrade(node, node_lab, CORE, status=100)
    assert (release_in_use(node), state_of(node)["state"]) == (OLD, "armed")
    node.reboot()
    assert EXCHANGED in node.serial
    come_to_rest(node)
    assert node.boots == 2  # the snapshot's, and the one reboot
    assert_runs(node, CORE)
    proof = json.loads(node.shell("cat /.reprov/storage-proof.json"))
    assert len(proof["after"]["devices"]) == 3


@pytest.mark.long
def test_a_release_whose_network_does_not_come_up_is_taken_back_by_the_node_itself(node: Machine, node_lab: NodeLab) -> None:
    upgrade(node, node_lab, DEAF, commit="boot", patience_s=20, status=100)
    node.go_off("reboot")
    state = come_to_rest(node)
    assert (state["state"], state["installed"]) == ("rolled-back", f"{ROLE} {OLD}")
    assert node.boots == 3  # the snapshot's, with the release, and without it
    assert_runs(node, OLD, state="rolled-back")
    assert "10.0.2.15/24" in node.shell("ip -brief address show scope global")
    assert f"{ROLE} {DEAF} is in quarantine on this node" in upgrade(node, node_lab, DEAF, commit="boot", status=4)
