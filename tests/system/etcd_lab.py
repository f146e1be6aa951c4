"""A real cluster of etcd, of three members: Debian's programs, in a network of their own."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.ansible_modules import AnsibleModules, Result
from tests.debian_packages import unpacked
from tests.system import network_lab
from tests.system.network_lab import Switch, switched

NAMES: Final = ("a", "b", "c")
PROGRAMS: Final = (*network_lab.PROGRAMS, "apt-get", "dpkg-deb")
"""For the `needs` marker of tests."""
_HOSTS: Final = {name: f"127.0.0.{number}" for number, name in enumerate(NAMES, start=1)}
_PATIENCE_S: Final = 120


class EtcdCluster:
    """The members, each with a "host" of its own: an address that its client asks, and a folder for notes."""

    def __init__(self, folder: Path, switch: Switch) -> None:
        self.folder = folder
        self.programs = unpacked("etcd-client", "etcd-server") / "usr/bin"
        self._machine = switch.machine
        self._modules = AnsibleModules(folder / "roles")
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *, members: tuple[str, ...] = NAMES) -> None:
        """Start a member, and wait until it has the leader of these."""
        peer, client = f"http://{_HOSTS[name]}:2380", f"http://{_HOSTS[name]}:2379"
        options = {
            "name": name,
            "data-dir": str(self.data(name)),
            "initial-cluster": ",".join(f"{other}=http://{_HOSTS[other]}:2380" for other in members),
            "initial-cluster-token": "-".join(members),
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "listen-client-urls": client,
            "advertise-client-urls": client,
        }
        with (self.folder / f"{name}.log").open("ab") as log:
            words = [word for option, value in options.items() for word in (f"--{option}", value)]
            self._running[name] = subprocess.Popen(
                [*self._machine, self.programs / "etcd", *words], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def await_health(self, *names: str) -> None:
        """Return when these members answer, and have a leader."""
        deadline = time.monotonic() + _PATIENCE_S
        for name in names:
            while self._ask(name, "endpoint", "health").returncode:
                assert time.monotonic() < deadline, (self.folder / f"{name}.log").read_text()[-3000:]
                time.sleep(0.2)

    def stop(self, name: str) -> None:
        """Stop a member as systemd does."""
        process = self._running.pop(name)
        process.terminate()
        process.wait(_PATIENCE_S)

    def data(self, name: str) -> Path:
        """Where a member keeps its data."""
        return self.folder / name

    def forget_data(self, name: str) -> None:
        """Lose the data of a member that is stopped."""
        shutil.rmtree(self.data(name))

    def write(self, on: str, values: Mapping[str, str]) -> None:
        """Write keys, through one member."""
        text = "".join(f"put {key} {value}\n" for key, value in values.items())
        done = self._ask(on, "txn", stdin=f"\n{text}\n\n")
        assert done.returncode == 0, done.stderr

    def values(self, name: str, prefix: str) -> dict[str, str]:
        """What this one member itself has, without asking the others."""
        lines = self._ask(name, "get", "--prefix", prefix, "--consistency=s").stdout.splitlines()
        return dict(zip(lines[::2], lines[1::2], strict=True))

    def note(self, name: str) -> Path:
        """What is noted on the host of a member."""
        return self.folder / "notes" / name

    def quorum(self, state: str, name: str, *options: str, **arguments: object) -> Result:
        """Run the module on the host of a member."""
        given = {"kind": "etcd", "state": state, "note": str(self.note(name)), "timeout_s": _PATIENCE_S, "delay_s": 1, **arguments}
        client = {"PATH": f"{self.programs}:{os.environ['PATH']}", "ETCDCTL_ENDPOINTS": f"http://{_HOSTS[name]}:2379"}
        return self._modules.run("reprov_quorum", given, *options, under=self._machine, environment=client)

    def end(self) -> None:
        """Stop all that run."""
        for name in tuple(self._running):
            self.stop(name)

    def _ask(self, name: str, *words: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*self._machine, self.programs / "etcdctl", f"--endpoints=http://{_HOSTS[name]}:2379", *words],
            env={**os.environ, "ETCDCTL_API": "3"},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE_S,
        )


@contextmanager
def etcd_cluster(folder: Path) -> Iterator[EtcdCluster]:
    """Three members that run, and have elected a leader."""
    with switched("192.0.2.1/24") as switch:
        cluster = EtcdCluster(folder, switch)
        try:
            for name in NAMES:
                cluster.start(name)
            cluster.await_health(*NAMES)
            yield cluster
        finally:
            cluster.end()
