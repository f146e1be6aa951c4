"""A booted node that an upgrade leaves less well than it was, or that nobody can reach any more, goes back by itself.

It has a network of its own: a gateway, and an install server behind it, which are a network namespace of the same container.
"""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.conftest import Ran
from tests.system import nspawn_lab
from tests.system.live_lab import NEW, OLD, ROLE, LiveLab, go_back, state_of
from tests.system.nspawn_lab import Booted
from tests.system.service_lab import STORE

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs(*nspawn_lab.PROGRAMS)]
SOURCE = "rsync://10.7.0.1:8730"
UPGRADE = ("upgrade", ROLE, NEW, "--from", SOURCE, "--retry")
TIMER = "reprov-overdue.timer"
_RSYNCD = f"uid = root\ngid = root\nuse chroot = no\n[trees]\npath = {STORE}/trees\n[releases]\npath = {STORE}/releases\n"
_NETWORK = """\
ip netns add gateway
ip link add eth0 type veth peer name up0
ip link set up0 netns gateway
ip -n gateway address add 10.7.0.1/24 dev up0
ip -n gateway link set up0 up
ip -n gateway link set lo up
ip address add 10.7.0.2/24 dev eth0
ip link set eth0 up
ip route add default via 10.7.0.1 proto static metric 50
ip route add 10.8.0.0/16 via 10.7.0.1 proto static
systemd-run --quiet --unit=install-server nsenter --net=/run/netns/gateway \
    rsync --daemon --no-detach --port=8730 --config=/root/rsyncd.conf
until timeout 5 rsync rsync://10.7.0.1:8730/ >/dev/null 2>&1; do sleep 0.1; done
"""


_WATCH_IMPORTS = """\
import sys
import reprov.workflows.hop_commit as hop_commit
from reprov.cli.main import main
real, known = hop_commit.commit, []
def commit(*arguments, **options):
    known.append(set(sys.modules))
    return real(*arguments, **options)
hop_commit.commit = commit
status = main()
print("loaded since:", sorted(set(sys.modules) - known[0]))
sys.exit(status)
"""


@pytest.fixture(scope="module")
def booted_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booted]:
    with LiveLab(tmp_path_factory.mktemp("health")).node() as node:
        node.write("root/rsyncd.conf", _RSYNCD)
        node.shell(_NETWORK)
        yield node


@pytest.fixture
def node(booted_node: Booted) -> Iterator[Booted]:
    """The node with the old release, of which the test leaves the old or the new one."""
    yield booted_node
    booted_node.shell("rm -f /root/fragment; systemctl reset-failed")
    go_back(booted_node)


def harm(node: Booted, script: str) -> None:
    """Have the scripts of the new release do that."""
    node.write("root/fragment", f"case $(cat /usr/lib/lab/version) in {NEW}) {script} ;; esac\n")


def network_of(node: Booted) -> str:
    return node.shell("ip -br address; ip route; ip -6 route | grep -v fe80 || true")


def upgraded(node: Booted, *options: str, status: int = 0) -> Ran:
    """Upgrade, and see that nothing is loaded after the commit: it could come from the tree that has just been exchanged."""
    ran = node.run("/usr/bin/python3", "-c", _WATCH_IMPORTS, *UPGRADE, *options, fine=(status,))
    assert ran.stdout.splitlines()[-1] == "loaded since: []"
    return ran


def assert_as_before(node: Booted, network: str, reason: str) -> None:
    """It has the old release and its network, runs everything, refuses the new release, and nobody looks after it any more."""
    state = state_of(node)
    assert (state["state"], state["installed"], state["interrupted"]) == ("rolled-back", f"{ROLE} {OLD}", False)
    assert [item["reason"] for item in state["quarantined"]] == [reason]  # type: ignore[attr-defined]
    assert node.shell("cat /usr/lib/lab/version") == OLD
    assert network_of(node) == network
    assert node.boot_state() == "running"
    assert node.run("systemctl", "is-active", "ssh.service", "plain.service").stdout == "active\nactive\n"
    assert_nobody_watches(node)


def assert_nobody_watches(node: Booted) -> None:
    wait_until(lambda: node.run("systemctl", "is-active", TIMER, fine=(0, 3, 4)).stdout == "inactive\n", within_s=30)


def wait_until(is_so: Callable[[], bool], *, within_s: float) -> None:
    until = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.1)


BAD = {
    "an address and all that hangs on it is gone": (
        "ip address flush dev eth0",
        "10.7.0.2/24 on eth0 is gone; the default route through 10.7.0.1 on eth0 is gone;"
        " the route to 10.8.0.0/16 through 10.7.0.1 on eth0 is gone; and 1 more",
    ),
    "the link is down": (
        "ip link set eth0 down",
        "the default route through 10.7.0.1 on eth0 is gone; the route to 10.8.0.0/16 through 10.7.0.1 on eth0 is gone;"
        " the install server cannot be reached any more (10.7.0.1 port 8730)",
    ),
    "nobody hears the gateway for a while": (
        "ip -n gateway link set up0 down; systemd-run --quiet --on-active=20 ip -n gateway link set up0 up",
        "the gateway 10.7.0.1 on eth0 does not answer any more; the install server cannot be reached any more (10.7.0.1 port 8730)",
    ),
    "sshd is gone, and something has failed": (
        "pkill -x sshd; systemd-run --quiet --unit=late false",
        "sshd does not answer on 127.0.0.1 port 22 any more; sshd does not answer on ::1 port 22 any more; late.service has failed",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_node_that_is_less_well_than_before_goes_back(node: Booted, name: str) -> None:
    script, problem = BAD[name]
    network = network_of(node)
    harm(node, script)
    ran = upgraded(node, "--confirm-timeout", "2", status=5)
    reason = f"after 2 s the node is not as well as before: {problem}"
    assert ran.stderr.splitlines()[-2] == f"reprov: {reason}; {ROLE} {OLD} is back"
    assert_as_before(node, network, reason)


def test_a_node_that_is_as_well_as_before_is_confirmed_by_itself(node: Booted) -> None:
    ran = upgraded(node)
    assert "health: done in " in ran.stderr
    assert state_of(node)["state"] == "confirmed"
    assert_nobody_watches(node)
    assert node.reprov("confirm").stdout == "nothing to do: no release waits to be confirmed\n"


@contextmanager
def waiting(node: Booted, *, timeout_s: int) -> Iterator["subprocess.Popen[str]"]:
    """An upgrade that waits for somebody to confirm it."""
    words = (*UPGRADE, "--await-confirm", "--confirm-timeout", timeout_s)
    with node.running("/usr/bin/python3", "-m", "reprov", *words) as process:
        wait_until(lambda: deadline_of(node) > 0, within_s=90)
        assert process.poll() is None
        yield process


def deadline_of(node: Booted) -> float:
    file = node.root / ".reprov/post/patience"
    is_of_this = state_of(node)["installed"] == f"{ROLE} {NEW}"
    return float(json.loads(file.read_text())["deadline_s"]) if is_of_this else 0


def test_a_node_that_is_to_be_confirmed_waits_for_it(node: Booted) -> None:
    with waiting(node, timeout_s=60) as process:
        assert state_of(node)["state"] == "committed"
        assert node.reprov("confirm").stdout == f"{ROLE} {NEW} is confirmed\n"
        assert process.wait(20) == 0
    assert state_of(node)["state"] == "confirmed"
    assert_nobody_watches(node)


UNCONFIRMED = {
    "nobody comes": (None, "nobody has confirmed the node within 3 s", 5),
    "the session dies": ("HUP", "somebody asked reprov to stop while scripts ran", 5),
    "it is killed": ("KILL", "reprov was ended after the commit, and nobody went on within 3 s", -9),
}


@pytest.mark.parametrize("name", UNCONFIRMED)
def test_a_node_that_nobody_confirms_goes_back(node: Booted, name: str) -> None:
    number, reason, status = UNCONFIRMED[name]
    network = network_of(node)
    with waiting(node, timeout_s=3) as process:
        if number:
            end(node, number)
        assert process.wait(60) in (status, 128 - status)
    wait_until(lambda: state_of(node)["state"] == "rolled-back", within_s=60)
    assert_as_before(node, network, reason)
    assert node.reprov("confirm").stdout == "nothing to do: no release waits to be confirmed\n"


def end(node: Booted, name: str) -> None:
    """Send a signal to the upgrade that runs."""
    node.shell(f'for p in /proc/[0-9]*; do case "$(readlink "$p/exe")" in */python3*) kill -{name} "${{p#/proc/}}" ;; esac; done')


def test_the_first_release_of_a_node_can_be_taken_back_as_well(node: Booted) -> None:
    network = network_of(node)
    node.shell("rm -rf /.reprov")
    harm(node, "ip route del default")
    node.reprov(*UPGRADE, "--confirm-timeout", "2", fine=(5,))
    assert state_of(node)["installed"] is None
    assert node.shell("cat /usr/lib/lab/version") == OLD
    assert network_of(node) == network
    node.shell("rm /root/fragment")
    node.reprov("upgrade", ROLE, OLD, "--from", SOURCE)
