"""Six booted nodes of a role, the install server that they fetch from, and the machine that rolls a release out to them over ssh.

    with open_fleet(folder) as fleet:
        rollout = fleet.plan("may", ["n1", "n2"], "--batch", "1")
        assert rollout.reprov("run").returncode == 0

Each node has a disk, a network card and a systemd of its own; the inventory, the project and the course are those of `reprov rollout plan`.
Every step of a rollout leaves a line on the node (`Fleet.ran`): those of the snippet when Ansible runs them, step 5 when the release does.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from tests.system import network_lab, nspawn_lab
from tests.system.live_lab import NEW, OLD, ROLE, LiveLab, go_back, hide_machine
from tests.system.network_lab import Switch, switched
from tests.system.nspawn_lab import Booted, booted
from tests.system.rollout_lab import Control
from tests.system.service_lab import mounted

HOSTS: Final = ("n1", "n2", "n3", "n4", "n5", "n6")
STEPS: Final = ("step1", "step4", "step5", "step6", "step9")
"""What a host goes through, in the words that each leaves on it."""
CONFIRM_WITHIN_S: Final = 60
PROGRAMS: Final = (*nspawn_lab.PROGRAMS, *network_lab.PROGRAMS, "ssh", "ssh-keygen", "flock")

_CONTROLLER: Final = "192.0.2.1"
_PORT: Final = 8730
_SERVICES: Final = ("plain.service", "daemon.service")
_STEPS_FILE: Final = "root/steps"
_UNIT: Final = "reprov-fleet.service"
_EVENTS: Final = "run/reprov-fleet.jsonl"
_FRAGMENT: Final = f"echo step5 >> /{_STEPS_FILE}\n"
_SNIPPET_HEAD: Final = f"""\
title: the lab
packages: {{debian: [site-tools]}}
units: {{debian: [{", ".join(_SERVICES)}]}}
tasks:
"""
_LOGGED: Final = """\
  - name: Leave a line of step {step}
    ansible.builtin.shell: flock --nonblock /run/busy -c 'sleep 0.3; echo step{step} >> /{file}' || echo two at a time >> /{file}
    changed_when: false
    tags: step{step}

"""
_MOVED: Final = """\
  - name: Have it {verb}
    ansible.builtin.import_role: {{name: reprov, tasks_from: {verb}}}
    vars: {{reprov_service: lab, reprov_units: "{{{{ lab_units }}}}"}}
    tags: step{step}

"""


class Node:
    """A machine that can be switched on and off, on its own cable."""

    def __init__(self, name: str, address: str, image: Path, switch: Switch) -> None:
        self.name = name
        self.address = address
        self._image = image
        self._switch = switch
        self._power = ExitStack()
        self.booted: Booted

    def switch_on(self) -> None:
        """Boot it, and give it its network when everything runs."""
        root = self._image.with_suffix("")
        self._power.callback(root.rmdir)
        self._power.enter_context(mounted(self._image, root))
        self.booted = self._power.enter_context(booted(root))
        hide_machine(self.booted, "reprov")
        self._switch.plug(self.name, self.booted.leader, f"{self.address}/24")

    def die(self) -> None:
        """Lose its power."""
        os.kill(self.booted.leader, signal.SIGKILL)
        self.switch_off()

    def switch_off(self) -> None:
        self._power.close()

    def is_off(self) -> bool:
        """Whether its last process has ended: because it died, or because it reboots, which is for `switch_on`."""
        return not Path(f"/proc/{self.booted.leader}").exists()

    def furnish(self, script: str = "") -> None:
        """Have the release's script do this here, behind the line that it leaves."""
        self.booted.write("root/fragment", _FRAGMENT + script)

    def cut(self) -> None:
        """Lose its network."""
        self._switch.cut(self.name)

    def mend(self) -> None:
        """Have its network again."""
        self._switch.mend(self.name)

    def go_back(self) -> None:
        """Be as it was before the first test."""
        if self.is_off():
            self.switch_off()
            self.switch_on()
        self.mend()
        self.booted.shell(f"systemctl stop {_UNIT} 2>&- || true; systemctl reset-failed; rm -f /root/check /{_EVENTS}")
        go_back(self.booted)
        self.booted.shell(f"rm -rf /{_STEPS_FILE} /etc/reprov; systemctl start {' '.join(_SERVICES)}")
        self.furnish()

    def state(self) -> tuple[str, str]:
        """The release that it has, and the state it is in."""
        found = json.loads(self.booted.reprov("status", "--json").stdout)
        return found["installed"], found["state"]

    def has_begun(self, phase: str) -> bool:
        """Whether the upgrade that the controller has started has come to that phase."""
        return f'"phase_started", "phase": "{phase}"' in self.booted.run("cat", f"/{_EVENTS}", fine=(0, 1)).stdout

    def upgrade_ended(self) -> bool:
        """Whether it has ended, well or not."""
        return self.booted.run("systemctl", "is-active", _UNIT, fine=(0, 3, 4)).status != 0

    def ran(self) -> list[str]:
        """The steps that ran on it, in order."""
        file = self.booted.root / _STEPS_FILE
        return file.read_text().split("\n")[:-1] if file.exists() else []

    def serves(self) -> bool:
        """Whether the services that a rollout stops run."""
        return self.booted.run("systemctl", "is-active", *_SERVICES, fine=(0, 3)).stdout == "active\n" * len(_SERVICES)


class Fleet:
    """The nodes, by name, and where they are controlled from."""

    def __init__(self, folder: Path, lab: LiveLab, switch: Switch, nodes: Iterable[Node]) -> None:
        self.nodes = {node.name: node for node in nodes}
        self._folder = folder
        self._lab = lab
        self._switch = switch
        self._sockets = Path(tempfile.mkdtemp(prefix="reprov-lab-"))  # the path of a socket must be short
        self._environment = {
            **os.environ,
            "HOME": os.fspath(folder),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": os.fspath(self._sockets),
        }
        snippets = folder / "site/playbooks/snippets"
        snippets.mkdir(parents=True)
        texts = [_LOGGED.format(step=step, file=_STEPS_FILE) for step in (1, 4, 6, 9)]
        texts[1] += _MOVED.format(verb="stop", step=4)
        texts[2] += _MOVED.format(verb="start", step=6)
        (snippets / "lab.yaml").write_text(_SNIPPET_HEAD + "".join(texts).rstrip("\n") + "\n")

    def plan(self, name: str, hosts: Sequence[str] = HOSTS, *policy: str) -> Control:
        """A rollout of the new release to these hosts, as the command line plans it."""
        infra = self._folder / f"{name}.json"
        infra.write_text(json.dumps(self._infra(hosts)))
        control = Control(self._folder / name, self._switch.machine, self._environment)
        words = ("--infra", infra, "--store", self._lab.store.folder, "--library", self._folder / "site", "--now", f"{ROLE}={OLD}")
        ran = control.reprov("plan", *map(str, words), "--from", f"rsync://{_CONTROLLER}:{_PORT}", *policy, f"{ROLE}={NEW}")
        assert ran.returncode == 3, ran.stderr  # there is something to do
        return control

    def each(self, do: Callable[[Node], None], names: Iterable[str] = HOSTS) -> None:
        """Do it to these nodes, two at a time."""
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(do, [self.nodes[name] for name in names]))

    def close(self) -> None:
        shutil.rmtree(self._sockets)

    def _infra(self, hosts: Sequence[str]) -> dict[str, object]:
        return {
            "name": "lab",
            "profiles": {ROLE: {"arity": "n"}},
            "hosts": {name: {"profile": ROLE, "address": self.nodes[name].address} for name in hosts},
            "config": {
                "ansible_user": "root",
                "ansible_become": False,
                "ansible_python_interpreter": "/usr/bin/python3",
                "ansible_ssh_private_key_file": os.fspath(self._folder / "key"),
                # The host keys that the nodes had before their first upgrade: they must have them after every one.
                "ansible_ssh_common_args": f"-F none -o UserKnownHostsFile={self._folder / 'known_hosts'}",
                "reprov_confirm_timeout_s": CONFIRM_WITHIN_S,
                # As a site does it that knows why it takes a release again.
                "reprov_upgrade_options": ["--retry"],
            },
        }


def await_true(what: Callable[[], bool], timeout_s: float = 300) -> None:
    """Return when it is so."""
    deadline = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.1)


@contextmanager
def open_fleet(folder: Path) -> Iterator[Fleet]:
    """The fleet, every node with the old release."""
    lab = LiveLab(folder)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key")], check=True)
    with mounted(lab.image, folder / "furnished") as root:
        _furnish(root, (folder / "key.pub").read_text())
        host_key = (root / "etc/ssh/ssh_host_ed25519_key.pub").read_text()
    with ExitStack() as stack:
        switch = stack.enter_context(switched(f"{_CONTROLLER}/24"))
        nodes = []
        for number, name in enumerate(HOSTS, start=11):
            image = folder / f"{name}.ext4"
            subprocess.run(["cp", "--sparse=always", str(lab.image), str(image)], check=True)
            nodes.append(Node(name, f"192.0.2.{number}", image, switch))
        (folder / "known_hosts").write_text("".join(f"{node.address} {host_key}" for node in nodes))
        serve = ("serve", "--store", str(lab.store.folder), "--address", _CONTROLLER, "--port", str(_PORT))
        stack.enter_context(switch.running(sys.executable, "-m", "reprov", *serve))
        for node in nodes:
            stack.callback(node.switch_off)
            node.switch_on()
        fleet = Fleet(folder, lab, switch, nodes)
        stack.callback(fleet.close)
        yield fleet


def _furnish(root: Path, key: str) -> None:
    """Let the controller in, and have the release's script say that it ran."""
    (root / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
    (root / "root/.ssh/authorized_keys").write_text(key)
    (root / "root/fragment").write_text(_FRAGMENT)
