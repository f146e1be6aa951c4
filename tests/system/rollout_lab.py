"""A rollout of hosts that are this machine: each has a file in which every step that ran on it has left a line."""

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reprov.adapters.lease import RUNNING
from reprov.adapters.rollout_directory import RolloutDirectory
from reprov.domain.course import Stage
from reprov.domain.rollout_file import Rollout
from reprov.domain.rollout_policy import Policy
from tests.rollouts import a_course

TAGS = (1, 5, 9)
_TASK = """\
    - name: step {tag}
      ansible.builtin.raw: >-
        flock --nonblock {log}/busy-{{{{ inventory_hostname }}}}
        -c 'sleep {sleep_s}; echo step{tag} >> {log}/{{{{ inventory_hostname }}}}'
        || echo two at a time >> {log}/{{{{ inventory_hostname }}}};
        test ! -e {log}/fail-{{{{ inventory_hostname }}}}-{tag}
      changed_when: true
      tags: [step{tag}]
"""


class Control:
    """The directory of a rollout, and the command line on it."""

    def __init__(self, directory: Path, machine: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> None:
        """`machine` are the words that have a command run where the controller is to be: in no other network, for one."""
        self.directory = directory
        self._machine = machine
        self._environment = environment

    def reprov(self, command: str, *options: str) -> subprocess.CompletedProcess[str]:
        """`reprov rollout COMMAND DIR`, to its end."""
        return subprocess.run(
            self._argv(command, *options),
            capture_output=True,
            text=True,
            check=False,
            timeout=1200,
            stdin=subprocess.DEVNULL,
            env=self._environment,
        )

    def start(self, command: str, *options: str) -> subprocess.Popen[bytes]:
        """The same, left running."""
        return subprocess.Popen(
            self._argv(command, *options),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            close_fds=True,
            env=self._environment,
        )

    @contextmanager
    def running(self, command: str, *options: str) -> Iterator[subprocess.Popen[bytes]]:
        """The same while the block lasts: one that has not ended by then is killed."""
        controller = self.start(command, *options)
        try:
            yield controller
        finally:
            controller.kill()
            controller.wait()

    def events(self) -> int:
        """How many events were written."""
        return RolloutDirectory(self.directory).events().lines

    def await_event(self, written: int) -> None:
        """Return when there are more events than were written then."""
        deadline = time.monotonic() + 300
        while self.events() <= written:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def is_ansible_left(self) -> bool:
        """True while an Ansible of any controller runs."""
        with (self.directory / RUNNING).open() as running:
            try:
                fcntl.flock(running, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def status(self) -> dict[str, Any]:
        """`reprov rollout status --json`."""
        found: dict[str, Any] = json.loads(self.reprov("status", "--json").stdout)
        return found

    def _argv(self, command: str, *options: str) -> tuple[str, ...]:
        return (*self._machine, sys.executable, "-m", "reprov", "rollout", command, os.fspath(self.directory), *options)


class Lab(Control):
    """A directory with a rollout in it, and the hosts' files beside."""

    def __init__(self, path: Path, *stages: Stage, policy: Mapping[str, object], sleep_s: float = 0, gone: Sequence[str] = ()) -> None:
        super().__init__(path / "rollout")
        self.log = path / "log"
        self.log.mkdir()
        target = RolloutDirectory(self.directory)
        (target.project / "stages").mkdir(parents=True)
        hosts = {host: self._variables(host in gone) for stage in stages for host in stage.hosts}
        (target.project / "inventory.yaml").write_text(json.dumps({"all": {"hosts": hosts}}))
        for stage in stages:
            tasks = "".join(_TASK.format(tag=tag, log=self.log, sleep_s=sleep_s) for tag in stage.tags)
            text = f"- name: {stage.title}\n  hosts: all\n  gather_facts: false\n  tasks:\n{tasks}"
            (target.project / "stages" / f"{stage.name}.yml").write_text(text)
        target.create(Rollout("re-image", "site", {"compute": "2.0"}, Policy.of(policy, "test"), a_course(*stages)))

    def ran(self, host: str) -> list[str]:
        """The steps that ran on a host, in order."""
        file = self.log / host
        return file.read_text().split() if file.exists() else []

    def fail(self, host: str, tag: int) -> Path:
        """Let a step fail on a host until the file is removed that this gives."""
        file = self.log / f"fail-{host}-{tag}"
        file.touch()
        return file

    @staticmethod
    def _variables(is_gone: bool) -> dict[str, object]:
        if is_gone:
            return {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_ssh_common_args": "-F none -o ConnectTimeout=2"}
        return {"ansible_connection": "local"}
