"""The gate against a real cluster: the tasks that the snippet `ceph-osd` has for it, run by Ansible in the root in which Ceph runs.

One cluster for all tests, with three hosts in its CRUSH map; each test leaves it with every OSD up, no noout and no note.
"""

import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from reprov.adapters.library import Library
from reprov.adapters.snippet_files import load_shared_roles, load_snippets
from reprov.domain.ceph_gate import KEY
from tests.system.ceph_lab import HOSTS, CephRoot, cluster_in_memory
from tests.system.trees import ceph_trees

pytestmark = [pytest.mark.system, pytest.mark.commands, pytest.mark.needs("mmdebstrap", "unshare", "nsenter", "ip")]
BASELINE_WITHOUT_A_HOST = ["OSD_DOWN", "OSD_HOST_DOWN", "PG_DEGRADED", "PG_AVAILABILITY"]
_CLEAN = 'ceph status -f json | grep -q \'"pgs_by_state":\\[{"state_name":"active+clean","count":[0-9]*}\\]\''


class Played(NamedTuple):
    """A run of the tasks on one host."""

    changed: int
    failed: int
    attempts: int
    """How often the last task looked, 1 unless it waited."""
    said: str


class Gate:
    """The tasks of the snippet, and the cluster that they ask."""

    def __init__(self, root: CephRoot, folder: Path) -> None:
        self.root = root
        self._folder = folder
        for path, text in load_shared_roles(Library.default()).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        snippet = load_snippets(Library.default())["ceph-osd"]
        tasks = [textwrap.indent(task.text, "    ") for task in snippet.tasks if "reprov_ceph_gate:" in task.text]
        (folder / "gate.yml").write_text("- hosts: all\n  gather_facts: false\n  tasks:\n" + "\n".join(tasks))
        python = folder / "python-of-the-root"
        python.write_text(f'#!/bin/sh\nexec {" ".join(root.words("python3", "-B"))} "$@"\n')
        python.chmod(0o755)
        hosts = {
            host: {"ceph_osd_host": host, "reprov_running": {"stdout": f"ceph-osd@{number}.service loaded active running"}}
            for number, host in HOSTS.items()
        }
        variables = {
            **snippet.defaults,
            **{"ansible_connection": "local", "ansible_python_interpreter": str(python), "rollout_name": "may"},
            **{"reprov_pending": True, "reprov_everywhere": False, "reprov_retries": 1, "reprov_delay_s": 1},
        }
        (folder / "inventory.json").write_text(json.dumps({"all": {"hosts": hosts, "vars": variables}}))

    def play(self, step: int, host: str, *options: str, **variables: object) -> Played:
        """The tasks of a step on one host."""
        found = {"ANSIBLE_LIBRARY": "reprov/library", "ANSIBLE_MODULE_UTILS": "reprov/module_utils"}
        settings = {name: str(self._folder / folder) for name, folder in found.items()}
        settings |= {
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LOCAL_TEMP": str(self._folder / "tmp"),
            "LC_ALL": "C.UTF-8",
        }
        words = ["--inventory", "inventory.json", "--limit", host, "--tags", f"step{step}", "--extra-vars", json.dumps(variables)]
        ended = subprocess.run(
            [sys.executable, "-m", "ansible.cli.playbook", *words, *options, "gate.yml", "-v"],
            cwd=self._folder,
            env={**os.environ, **settings},
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=600,
        )
        said = ended.stdout + ended.stderr
        counts = {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", ended.stdout.partition("PLAY RECAP")[2])}
        assert counts, said
        attempts = [int(number) for number in re.findall(r'"attempts": (\d+)', said)]
        return Played(counts["changed"], counts["failed"], attempts[-1] if attempts else 0, said)

    def noout(self) -> set[str]:
        """For what it is set: hosts, and "cluster"."""
        said = json.loads(self.root.run("ceph osd dump -f json"))
        assert all(flags == ["noout"] for flags in said["crush_node_flags"].values())
        return {*said["crush_node_flags"], *({"cluster"} if "noout" in said["flags_set"] else ())}

    def note(self) -> dict[str, Any]:
        """What stands in the cluster; empty for nothing."""
        said = self.root.run(f"ceph config-key get {KEY} 2> /dev/null || echo {{}}")
        found: dict[str, Any] = json.loads(said)
        return found

    def keep(self, note: dict[str, Any]) -> None:
        """Put something there."""
        self.root.run('ceph config-key set "$KEY" "$NOTE"', KEY=KEY, NOTE=json.dumps(note))

    def stop(self, number: int) -> None:
        """Stop an OSD, and wait until the cluster and its manager know."""
        self.root.stop(f"osd{number}")
        self.root.wait(f"ceph osd tree down | grep -q 'osd.{number} '; ! {_CLEAN}")

    def come_back(self) -> None:
        """Let every OSD run, and nothing be set."""
        down = [number for number, (_, is_up) in self.root.osds().items() if not is_up]
        if down:
            self.root.start_osds(*down)
        self.root.run(f"ceph osd unset noout; ceph osd unset-group noout {' '.join(HOSTS.values())}; ceph config-key rm {KEY}")
        self.root.wait(f"{_CLEAN}; ceph health | grep -q HEALTH_OK")


@pytest.fixture(scope="module")
def made_gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    folder = tmp_path_factory.mktemp("gate")
    with cluster_in_memory(folder, ceph_trees()) as root:
        yield Gate(root, folder)


@pytest.fixture
def gate(made_gate: Gate) -> Gate:
    """The gate of a cluster that is well, in which nothing is set."""
    made_gate.come_back()
    return made_gate


def test_the_first_host_may_stop_with_noout_for_itself_alone_and_goes_on_after_a_crash(gate: Gate) -> None:
    looked = gate.play(4, "osd-1", "--check")
    assert (looked.changed, looked.failed, gate.noout(), gate.note()) == (1, 0, set(), {}), looked.said
    opened = gate.play(4, "osd-1")
    assert (opened.changed, opened.failed, opened.attempts) == (1, 0, 1), opened.said
    assert gate.noout() == {"osd-1"}
    note = gate.note()
    assert (note["owner"], note["scopes"], note["away"]) == ("may", ["osd-1"], {"osd-1": {"0": gate.root.osds()[0][0]}})
    again = gate.play(4, "osd-1")
    assert (again.changed, again.failed, gate.note()) == (0, 0, note), again.said
    gate.root.run("ceph osd unset-group noout osd-1")  # as if it had crashed between the note and the flag
    assert (gate.play(4, "osd-1").changed, gate.noout(), gate.note()) == (1, {"osd-1"}, note)
    assert gate.play(9, "osd-1", reprov_everywhere=True).failed == 0
    assert (gate.noout(), gate.note()) == (set(), {})


def test_the_second_host_may_not_while_the_first_is_away(gate: Gate) -> None:
    gate.play(4, "osd-1")
    before_it_has_stopped = gate.play(4, "osd-2", reprov_retries=2)
    assert (before_it_has_stopped.failed, before_it_has_stopped.attempts) == (1, 2), before_it_has_stopped.said
    assert "the cluster does not let osd.1 stop: Error EBUSY: unsafe to stop osd(s)" in before_it_has_stopped.said
    gate.stop(0)
    unwell = gate.play(4, "osd-2")
    assert unwell.failed == 1
    assert re.search(r"Ceph is not well: OSD_DOWN \(1 osds down\), .*; away for rollout may: osd.0 of osd-1", unwell.said), unwell.said
    declared = gate.play(4, "osd-2", ceph_osd_baseline=BASELINE_WITHOUT_A_HOST)
    assert declared.failed == 1
    assert "Error EBUSY: unsafe to stop osd(s)" in declared.said, declared.said
    assert "beside osd.0 of osd-1; if nobody goes on with osd-1: " in declared.said
    assert (gate.noout(), list(gate.note()["away"])) == ({"osd-1"}, ["osd-1"])


def test_a_host_is_back_when_its_osd_is_up_and_everything_clean_and_the_last_one_takes_noout_back(gate: Gate) -> None:
    gate.play(4, "osd-1")
    gate.stop(0)
    missing = gate.play(9, "osd-1", ceph_osd_recovery_s=10)
    assert (missing.failed, gate.noout()) == (1, {"osd-1"})
    assert "osd.0 of osd-1 is not up: `journalctl -u ceph-osd@0` there" in missing.said
    gate.root.start_osds(0)
    back = gate.play(9, "osd-1")
    assert (back.changed, back.failed) == (1, 0), back.said
    assert (gate.noout(), gate.note()["away"]) == ({"osd-1"}, {})  # the rollout has other hosts
    assert gate.play(4, "osd-2").failed == 0
    last = gate.play(9, "osd-2", reprov_everywhere=True)
    assert (last.changed, last.failed) == (2, 0), last.said
    assert (gate.noout(), gate.note()) == (set(), {})
    again = gate.play(9, "osd-2", reprov_everywhere=True)
    assert (again.changed, again.failed) == (0, 0), again.said


def test_what_a_crashed_controller_has_left_is_known_waited_for_and_taken_over(gate: Gate) -> None:
    gate.play(4, "osd-1")
    gate.stop(0)
    # Here the controller crashes.
    held = gate.play(4, "osd-2", rollout_name="june")
    assert held.failed == 1, held.said
    assert "rollout may has osd.0 of osd-1, with a lease until 20" in held.said
    gate.keep({**gate.note(), "until": "2026-01-01T00:00:00Z"})
    gate.root.start_osds(0)
    taken = gate.play(4, "osd-2", rollout_name="june", reprov_retries=60)
    assert taken.failed == 0, taken.said
    note = gate.note()
    assert (note["owner"], note["scopes"], list(note["away"])) == ("june", ["osd-1", "osd-2"], ["osd-2"])
    assert gate.play(9, "osd-2", rollout_name="june", reprov_everywhere=True).failed == 0
    assert (gate.noout(), gate.note()) == (set(), {})


def test_noout_of_somebody_else_stays(gate: Gate) -> None:
    gate.root.run("ceph osd set noout; ceph osd set-group noout osd-1")
    assert gate.play(4, "osd-1").failed == 0
    note = gate.note()
    assert (note["scopes"], list(note["away"])) == ([], ["osd-1"])
    assert gate.play(9, "osd-1", reprov_everywhere=True).failed == 0
    assert (gate.noout(), gate.note()) == ({"cluster", "osd-1"}, {})


def test_osds_of_another_cluster_and_of_another_host_are_refused_at_once(gate: Gate) -> None:
    elsewhere = gate.play(4, "osd-1", ceph_osd_host="osd-2", reprov_retries=9)
    assert (elsewhere.failed, elsewhere.attempts) == (1, 1)
    assert "osd.0 runs on osd-2, and the CRUSH map has it on osd-1" in elsewhere.said, elsewhere.said
    file = gate.root.view("var/lib/ceph/osd/ceph-0/ceph_fsid")
    ours = file.read_text()
    file.write_text("ffffffff-9d6a-4f26-8a4b-2b1a0a9f8e7d\n")
    try:
        foreign = gate.play(4, "osd-1", reprov_retries=9)
    finally:
        file.write_text(ours)
    assert (foreign.failed, foreign.attempts) == (1, 1)
    assert f"the cluster that answers is {ours.strip()}, and osd.0 of osd-1 is of cluster ffffffff" in foreign.said, foreign.said
    assert (gate.noout(), gate.note()) == (set(), {})


def test_a_cluster_that_does_not_answer_is_waited_for(gate: Gate) -> None:
    silent = gate.play(4, "osd-1", ceph_osd_command=["ceph", "--conf", "/etc/ceph/none.conf"], reprov_retries=2)
    assert (silent.failed, silent.attempts) == (1, 2)
    assert "`ceph status` ended with 1: " in silent.said, silent.said
