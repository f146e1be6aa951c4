"""Upgrades of a booted node from end to end: its scripts, services and checks, and the way back when one of them fails."""

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.system import nspawn_lab
from tests.system.live_lab import NEW, OLD, ROLE, LiveLab, go_back, state_of
from tests.system.nspawn_lab import Booted
from tests.system.service_lab import STORE, ServiceNode

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs(*nspawn_lab.PROGRAMS)]
LONG = "touch /root/begun; [ -e /root/let-go ] || sleep 98765"
UPGRADE = ("upgrade", ROLE, NEW, "--from", STORE, "--retry")


@pytest.fixture(scope="module")
def booted_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booted]:
    with LiveLab(tmp_path_factory.mktemp("live")).node() as node:
        yield node


@pytest.fixture
def node(booted_node: Booted) -> Iterator[Booted]:
    """The node with the old release, of which the test leaves the old or the new one."""
    yield booted_node
    booted_node.shell("rm -f /root/fragment /root/postinst /root/check /root/begun /root/let-go")
    go_back(booted_node)


def assert_sound(node: Booted, version: str) -> None:
    """It runs that release alone, every sandbox is whole, and nothing of reprov's runs or is mounted."""
    assert node.shell("cat /usr/lib/lab/version") == version
    assert node.boot_state() == "running"
    services = ServiceNode(node)
    assert services.displaced() == ""
    assert not services.can_write("sandboxed", "/etc/x")
    assert services.can_write("strict", "/etc/rw/x")
    assert services.inside("secret", "ls /etc/secret", fine=(0, 2)) == ""
    assert node.shell("rm -f /etc/rw/x; find /sys/fs/cgroup -name 'reprov-*'; grep -lz '[9]8765' /proc/[0-9]*/cmdline || true") == ""
    assert node.reprov("verify").stdout.endswith(f" paths are as {ROLE} {version} says\n")


@contextmanager
def upgrading(node: Booted) -> Iterator["subprocess.Popen[str]"]:
    """An upgrade that is in a script that does not end."""
    node.write("root/fragment", LONG)
    with node.running("/usr/bin/python3", "-m", "reprov", *UPGRADE) as process:
        until = time.monotonic() + 60
        while not (node.root / "root/begun").exists():
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
        yield process


def end(node: Booted, name: str) -> None:
    """Send a signal to the upgrade that runs, whose interpreter is by now the previous tree's."""
    node.shell(f'for p in /proc/[0-9]*; do case "$(readlink "$p/exe")" in */python3*) kill -{name} "${{p#/proc/}}" ;; esac; done')


def test_scripts_services_and_checks_of_a_running_node_and_the_way_back(node: Booted) -> None:
    ran = node.reprov(*UPGRADE)
    lines = ran.stdout.splitlines()
    assert lines[0].startswith(f"{ROLE} {NEW} is installed: ")
    assert lines[1].startswith("after it: 5 steps in ")
    assert lines[-1] == "1 check passed"
    assert re.search(r"(?m)^homely\.service +restart +site-tools says restart; works in the old /opt/app$", ran.stdout)
    assert state_of(node)["state"] == "confirmed"
    assert node.run("systemctl", "is-enabled", "extra.service").stdout == "enabled\n"
    assert node.shell(f"ls -d /var/lib/site-{NEW}; cat /var/lib/said") == f"/var/lib/site-{NEW}\npostinst configure {OLD}\n"
    assert_sound(node, NEW)
    assert node.reprov(*UPGRADE).stdout == f"{ROLE} {NEW}: nothing to do\n"
    node.reprov("rollback")
    assert_sound(node, OLD)
    assert "scripts" not in node.reprov("status").stdout


BAD = {
    "a maintainer script fails": (
        "postinst",
        "systemctl restart plain; echo no; false\n",
        "site-tools.postinst (site-tools 1.1) failed with status 1 at line 3: no",
    ),
    "a script reboots": ("fragment", "reboot -f\n", "50-site wanted to end the system by 'reboot -f'"),
    "a check fails": ("check", "echo no; exit 7\n", "answers failed: exit status 7: no"),
    "a service of the role does not come up": (
        "fragment",
        "chmod 644 /usr/lib/lab/daemon\n",
        "daemon.service is failed after its restart",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_fails_after_the_exchange_takes_the_running_node_back(node: Booted, name: str) -> None:
    file, script, reason = BAD[name]
    node.write(f"root/{file}", script)
    ran = node.reprov(*UPGRADE, fine=(5,))
    error, hint = ran.stderr.splitlines()[-2:]
    assert error.startswith(f"reprov: {reason}")
    assert error.endswith(f"; {ROLE} {OLD} is back")
    assert hint.endswith(f"; `reprov upgrade --retry` tries {ROLE} {NEW} again")
    assert state_of(node)["state"] == "rolled-back"
    assert_sound(node, OLD)
    assert node.reprov(*UPGRADE[:-1], fine=(4,)).stderr.splitlines()[0].startswith(f"reprov: {ROLE} {NEW} is in quarantine on this node")


def test_what_was_killed_in_a_script_goes_on_with_recover(node: Booted) -> None:
    with upgrading(node) as process:
        end(node, "KILL")
        process.wait(60)
    assert (state_of(node)["state"], state_of(node)["interrupted"]) == ("committed", True)
    node.write("root/let-go", "")
    assert "went on with what follows the commit: 5 steps in " in node.reprov("recover").stdout
    assert not (node.root / ".reprov/candidate").exists()
    assert state_of(node)["state"] == "confirmed"
    assert_sound(node, NEW)


def test_somebody_who_stops_it_during_a_script_gets_the_old_tree_back(node: Booted) -> None:
    with upgrading(node) as process:
        end(node, "TERM")
        assert process.wait(120) == 5
    assert state_of(node)["state"] == "rolled-back"
    assert_sound(node, OLD)
