"""Rollouts with real Ansible: canaries, hosts that fail or are not there, a controller that is killed."""

import random
import signal
import time
from itertools import groupby
from pathlib import Path

import pytest

from reprov.domain.course import Spread
from tests.rollouts import a_stage, names
from tests.system.rollout_lab import TAGS, Lab

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs("ssh", "setpriv", "flock")]

ALL = [f"step{tag}" for tag in TAGS]
KILLS = 10


def test_a_canary_that_fails_stops_the_rollout_and_a_second_try_finishes_it(tmp_path: Path) -> None:
    lab = Lab(tmp_path, a_stage(names(3)), policy={"batches": ("2",)})
    broken = lab.fail("n1", 5)
    ended = lab.reprov("run")
    assert ended.returncode == 1
    assert "canary n1 of stage compute failed: step 5: non-zero return code" in ended.stdout
    assert [lab.ran(host) for host in names(3)] == [["step1", "step5"], [], []]
    broken.unlink()
    assert lab.reprov("resume", "--retry-failed").returncode == 0
    assert [lab.ran(host) for host in names(3)] == [["step1", "step5", "step5", "step9"], ALL, ALL]
    assert lab.reprov("status").returncode == 0


def test_a_host_that_is_not_there_does_not_keep_the_others_from_the_end(tmp_path: Path) -> None:
    lab = Lab(tmp_path, a_stage(names(4)), policy={"batches": ("3",)}, gone=["n3"])
    ended = lab.reprov("run", "--skip-unreachable")
    assert ended.returncode == 1  # not everybody is done, and scripts are told so
    again = ["step1", *ALL]  # Ansible may have ended the play for all of a batch when one was not there
    assert [lab.ran(host) for host in names(4)] == [ALL, again, [], again]
    given_up = lab.status()["status"]["given_up"]
    assert given_up.keys() == {"n3"}
    assert (given_up["n3"]["outcome"], given_up["n3"]["tag"]) == ("unreachable", 1)


def test_what_ansible_cannot_run_is_told_and_not_taken_for_done(tmp_path: Path) -> None:
    lab = Lab(tmp_path, a_stage(names(1)), policy={})
    (lab.directory / "project/stages/compute.yml").write_text("- hosts: [\n")
    ended = lab.reprov("run")
    assert ended.returncode == 1
    assert "reprov: Ansible failed in stage compute, step1: " in ended.stderr
    assert lab.status()["status"]["in_flight"] == [{"host": "n1", "stage": "compute", "tag": 1, "reached": ""}]


def test_a_host_that_the_inventory_does_not_have_is_not_taken_for_done(tmp_path: Path) -> None:
    lab = Lab(tmp_path, a_stage(names(2), Spread.TOGETHER), policy={})
    inventory = lab.directory / "project/inventory.yaml"
    inventory.write_text(inventory.read_text().replace('"n2"', '"n9"'))
    assert lab.reprov("run").returncode == 1
    assert lab.status()["status"]["given_up"]["n2"]["why"].startswith("Ansible passed over it")


def test_a_play_that_one_host_ends_for_all_is_not_taken_for_done(tmp_path: Path) -> None:
    lab = Lab(tmp_path, a_stage(names(2), Spread.TOGETHER, tags=(1,)), policy={"max_failures": 1})
    lab.fail("n1", 1)
    playbook = lab.directory / "project/stages/compute.yml"
    later = f"    - ansible.builtin.raw: touch {lab.log}/later-{{{{ inventory_hostname }}}}\n      tags: [step1]\n"
    playbook.write_text(playbook.read_text().replace("gather_facts: false\n", "gather_facts: false\n  any_errors_fatal: true\n") + later)
    assert lab.reprov("run").returncode == 1
    assert [(lab.log / f"later-{host}").exists() for host in names(2)] == [False, True]


def test_a_controller_that_is_asked_to_stop_leaves_no_ansible_behind(tmp_path: Path) -> None:
    lab = Lab(tmp_path, a_stage(names(1)), policy={}, sleep_s=1)
    controller = lab.start("run")
    lab.await_event(1)
    while not lab.ran("n1"):
        assert controller.poll() is None
        time.sleep(0.05)
    controller.send_signal(signal.SIGTERM)
    assert controller.wait(30) == 128 + signal.SIGTERM
    assert not lab.is_ansible_left()
    assert (lab.directory / "lease").read_text() == ""
    assert lab.reprov("resume").returncode == 0
    assert [step for step, _ in groupby(lab.ran("n1"))] == ALL


def test_a_pause_ends_behind_the_host_in_flight(tmp_path: Path) -> None:
    lab = Lab(tmp_path, a_stage(names(2), tags=(1, 9)), policy={}, sleep_s=1)
    controller = lab.start("run")
    lab.await_event(1)
    assert lab.reprov("pause").returncode == 0
    assert controller.wait(60) == 3
    assert [lab.ran(host) for host in names(2)] == [["step1", "step9"], []]
    assert lab.reprov("status").returncode == 3


def test_an_abort_is_for_good(tmp_path: Path) -> None:
    lab = Lab(tmp_path, a_stage(names(2)), policy={}, sleep_s=1)
    controller = lab.start("run")
    lab.await_event(1)
    assert lab.reprov("abort", "--yes").returncode == 0
    assert controller.wait(60) == 1
    assert lab.ran("n2") == []
    again = lab.reprov("resume")
    assert (again.returncode, "was aborted" in again.stderr) == (4, True)


def test_what_a_killed_controller_has_begun_is_over_before_it_is_repeated(tmp_path: Path) -> None:
    lab = Lab(tmp_path, a_stage(names(1), tags=(1,)), policy={}, sleep_s=6)
    controller = lab.start("run")
    while not (lab.log / "busy-n1").exists():
        assert controller.poll() is None
        time.sleep(0.05)
    controller.kill()
    controller.wait()
    assert lab.reprov("resume").returncode == 0
    assert lab.ran("n1") in (["step1"], ["step1", "step1"])  # and not "two at a time"


def test_a_controller_that_is_killed_at_any_instant_skips_no_step_and_repeats_only_what_was_in_flight(tmp_path: Path) -> None:
    chance = random.Random(7)
    stages = a_stage(names(3)), a_stage(names(2, "c"), Spread.ONE_BY_ONE, name="control")
    lab = Lab(tmp_path, *stages, policy={"batches": ("2",)}, sleep_s=0.3)
    in_flight: set[tuple[str, str]] = set()
    for _ in range(KILLS):
        written, controller = lab.events(), lab.start("resume")
        lab.await_event(written)
        time.sleep(chance.uniform(0, 2.5))
        controller.kill()
        controller.wait()
        in_flight |= {(item["host"], f"step{item['tag']}") for item in lab.status()["status"]["in_flight"]}
    assert lab.reprov("resume").returncode == 0
    for stage in stages:
        for host in stage.hosts:
            runs = [(step, len(list(same))) for step, same in groupby(lab.ran(host))]
            assert [step for step, _ in runs] == ALL
            assert {(host, step) for step, count in runs if count > 1} <= in_flight
