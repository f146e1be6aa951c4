"""Rollouts to six booted nodes, through real Ansible over real ssh: what happens on the nodes is what the rollout says of them."""

import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from itertools import groupby

import pytest

from reprov.adapters.rollout_directory import RolloutDirectory
from reprov.domain.rollout_events import NodeReached, StepBegan
from tests.system import fleet_lab
from tests.system.fleet_lab import CONFIRM_WITHIN_S, HOSTS, STEPS, Fleet, Node, await_true, open_fleet
from tests.system.live_lab import NEW, OLD, ROLE
from tests.system.rollout_lab import Control

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs(*fleet_lab.PROGRAMS)]

KILLS = 10
SEED = 7
CANARY, OTHERS = HOSTS[0], HOSTS[1:]
PHASES = ("release", "scan", "fetch", "stage", "verify", "commit", "scripts", "services", "checks", "health", "await")
HAS_NEW, BACK = (f"{ROLE} {NEW}", "confirmed"), (f"{ROLE} {OLD}", "rolled-back")


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with open_fleet(tmp_path_factory.mktemp("fleet")) as fleet:
        yield fleet


@pytest.fixture
def fleet(opened: Fleet) -> Iterator[Fleet]:
    """Six nodes with the old release and its services."""
    yield opened
    opened.each(Node.go_back)


def assert_has_it(node: Node) -> None:
    """The node has the new release, and its services run again."""
    assert node.state() == HAS_NEW
    assert node.serves()


def assert_untouched(node: Node) -> None:
    assert (node.ran(), node.state()[0], node.serves()) == ([], f"{ROLE} {OLD}", True)


def begun(rollout: Control, stage: str = "re-image-site") -> list[tuple[int, tuple[str, ...]]]:
    """Which step of a stage began on which hosts, in order."""
    events = RolloutDirectory(rollout.directory).events().events
    return [(event.tag, event.hosts) for event in events if isinstance(event, StepBegan) and event.stage == stage]


def told(rollout: Control) -> set[tuple[str, str]]:
    """The phases that nodes told the controller of, while they were re-imaged."""
    events = RolloutDirectory(rollout.directory).events().events
    return {(event.host, event.phase) for event in events if isinstance(event, NodeReached)}


def test_every_node_gets_the_release_the_canary_before_the_others(fleet: Fleet) -> None:
    rollout = fleet.plan("all", HOSTS, "--batch", "5")
    ran = rollout.reprov("run")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    steps = [int(step.removeprefix("step")) for step in STEPS]
    assert begun(rollout) == [(tag, hosts) for hosts in ((CANARY,), OTHERS) for tag in steps]
    assert told(rollout) >= {(host, phase) for host in HOSTS for phase in PHASES}
    for node in fleet.nodes.values():
        assert node.ran() == list(STEPS)
        assert_has_it(node)
    status = rollout.status()
    assert status["verdict"] == "finished: every host is done"
    assert [(stage["done"], stage["hosts"]) for stage in status["status"]["stages"]] == [(6, 6), (6, 6), (1, 1)]
    assert rollout.reprov("status").returncode == 0


def test_a_canary_that_goes_back_stops_the_rollout_before_anybody_else(fleet: Fleet) -> None:
    fleet.nodes[CANARY].booted.write("root/check", "echo it is broken; exit 1\n")
    rollout = fleet.plan("canary", HOSTS, "--batch", "5")
    ran = rollout.reprov("run")
    assert ran.returncode == 1
    given_up = rollout.status()["status"]["given_up"]
    assert given_up.keys() == {CANARY}
    assert "the node has been rolled back: reprov: answers failed: exit status 1: it is broken" in given_up[CANARY]["why"]
    assert (given_up[CANARY]["outcome"], given_up[CANARY]["tag"]) == ("failed", 5)
    assert fleet.nodes[CANARY].state() == BACK
    for name in OTHERS:
        assert_untouched(fleet.nodes[name])


@pytest.mark.long
def test_a_node_that_dies_on_the_way_does_not_keep_the_others_from_the_end(fleet: Fleet) -> None:
    hosts, dead = HOSTS[:4], fleet.nodes[HOSTS[2]]
    rollout = fleet.plan("dead", hosts, "--batch", "3")
    try:
        with rollout.running("run", "--skip-unreachable") as controller:
            await_true(lambda: "step1" in dead.ran() or controller.poll() is not None)
            dead.die()
            assert controller.wait(600) == 1  # not everybody is done, and scripts are told so
    finally:
        dead.switch_on()
    for name in hosts:
        if name != dead.name:
            assert_has_it(fleet.nodes[name])
    given_up = rollout.status()["status"]["given_up"]
    assert {host: out["outcome"] for host, out in given_up.items()} == {dead.name: "unreachable"}


@pytest.mark.long
def test_a_controller_that_is_killed_skips_no_step_and_repeats_only_what_was_in_flight(fleet: Fleet) -> None:
    chance = random.Random(SEED)
    hosts = HOSTS[:3]
    rollout = fleet.plan("killed", hosts, "--batch", "2")
    interrupted: Counter[tuple[str, str]] = Counter()
    instants = []
    for number in range(KILLS):
        written = rollout.events()
        with rollout.running("resume" if number else "run") as controller:
            further, seconds = chance.randrange(4), chance.uniform(0, 2)  # by events alone it would be at the edge of a step, every time
            rollout.await_event(written + further)
            time.sleep(seconds)
            instants.append(f"{further} events and {seconds:.2f} s")
        assert controller.returncode == -signal.SIGKILL, "the rollout was over before: what is tried here is another one"
        interrupted.update((item["host"], f"step{item['tag']}") for item in rollout.status()["status"]["in_flight"])
    print(f"seed {SEED}: killed after {', '.join(instants)}; in flight: {dict(interrupted)}")
    ended = rollout.reprov("resume")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for name in hosts:
        node = fleet.nodes[name]
        runs = [(step, len(list(same))) for step, same in groupby(node.ran())]
        assert [step for step, _ in runs] == list(STEPS), name
        assert all(count <= 1 + interrupted[name, step] for step, count in runs), (name, runs)
        assert dict(runs)["step5"] == 1  # the upgrade outlives its controller, who finds it again
        assert_has_it(node)


@pytest.mark.long
def test_a_node_that_loses_its_network_in_the_re_image_goes_back_and_the_rollout_says_so(fleet: Fleet) -> None:
    node = fleet.nodes[CANARY]
    rollout = fleet.plan("cut", HOSTS[:2])
    with rollout.running("run") as controller:
        await_true(lambda: node.has_begun("commit") or controller.poll() is not None)
        node.cut()
        await_true(lambda: node.upgrade_ended())
        assert node.state() == BACK
        node.mend()
        assert controller.wait(600) == 1
    given_up = rollout.status()["status"]["given_up"]
    assert given_up.keys() == {CANARY}
    why = f"the node has been rolled back: reprov: after {CONFIRM_WITHIN_S} s the node is not as well as before: "
    assert why in given_up[CANARY]["why"]
    assert_untouched(fleet.nodes[HOSTS[1]])


@pytest.mark.long
def test_a_node_that_wants_a_reboot_is_rebooted_before_it_serves_again(fleet: Fleet) -> None:
    node = fleet.nodes[CANARY]
    node.furnish("exit 100\n")  # so does a script ask for it
    rollout = fleet.plan("boot", HOSTS[:1])
    with rollout.running("run") as controller:
        await_true(lambda: node.is_off() or controller.poll() is not None)
        assert node.ran() == ["step1", "step4", "step5"]
        node.switch_off()
        node.switch_on()
        assert controller.wait(600) == 0
    assert node.ran() == list(STEPS)
    assert node.booted.reprov("status").stdout.count("reboot") == 0
    assert_has_it(node)
