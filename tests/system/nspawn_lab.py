"""Nodes that are booted: a root in a container of systemd-nspawn, where its own systemd is PID 1 and runs its services.

    with booted(root, binds={"/run/lab/store": store}) as node:
        ran = node.run("systemctl", "is-active", "cron.service", fine=(0, 3))
        node.reprov("upgrade", "base", "1.1", "--from", "/run/lab/store")

The root must be a filesystem of its own (a loop device), or nothing can be exchanged in it. What runs in the container sees it as `/`, is
in PID 1's namespaces, and reprov there is the one of this checkout. It has a network of its own with nothing but loopback, is unknown to
the machine that tests run on, and ends with the block, or with the process of the test, however that ends.

It shares the machine's kernel: no module, no initramfs, no audit, no reboot of its own, and devices only as `devices` names them.
"""

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from tests.conftest import SEARCH_PATH, Ran

LAB: Final = "/run/lab"
"""Where a booted node sees what it is given from outside."""
PROGRAMS: Final = ("systemd-nspawn", "nsenter", "setpriv", "mkfs.ext4", "mount", "rsync")
"""For the `needs` marker of tests."""

_PACKAGE = Path(__file__).parents[2] / "reprov"
_BOOT_S = 90
_ENTER = 'mkdir -p /sys/fs/cgroup/lab; echo $$ >/sys/fs/cgroup/lab/cgroup.procs; exec "$@"'
"""Into a control group of the container's: nsenter enters its namespace of groups, and stays in its own group."""
_STOP_S = 30
_ENVIRONMENT = {"PATH": SEARCH_PATH, "HOME": "/root", "LC_ALL": "C.UTF-8", "PYTHONPATH": LAB, "PYTHONDONTWRITEBYTECODE": "1"}


class Booted:
    """A root whose systemd runs. Its files can be looked at and changed through `root`, too."""

    def __init__(self, root: Path, leader: int) -> None:
        self.root = root
        self.leader = leader
        """Its PID 1, as the machine that tests run on numbers it."""

    def run(self, *argv: object, fine: Sequence[int] = (0,), stdin: str = "", timeout_s: float = 300) -> Ran:
        """Run a program in the container to its end, as root, in the namespaces of its PID 1; any other status fails the test."""
        done = subprocess.run(
            self._words(argv), input=stdin, capture_output=True, text=True, errors="surrogateescape", timeout=timeout_s, check=False
        )
        assert done.returncode in fine, f"{argv}: status {done.returncode}\n{done.stdout}\n{done.stderr}"
        return Ran(done.returncode, done.stdout, done.stderr)

    def shell(self, script: str, *, fine: Sequence[int] = (0,), timeout_s: float = 300) -> str:
        """Run a script of sh, and return what it printed."""
        return self.run("/bin/sh", "-ec", script, fine=fine, timeout_s=timeout_s).stdout

    def reprov(self, *words: object, fine: Sequence[int] = (0,), timeout_s: float = 300) -> Ran:
        """Run reprov of this checkout in the container, on its live root."""
        return self.run("/usr/bin/python3", "-m", "reprov", *words, fine=fine, timeout_s=timeout_s)

    @contextmanager
    def running(self, *argv: object) -> Iterator["subprocess.Popen[str]"]:
        """A program that runs in the container, outside of every unit, while the block lasts; its output is on a pipe."""
        with subprocess.Popen(self._words(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield process
            finally:
                self.run("/bin/kill", "-KILL", *self._inside(process.pid), fine=(0, 1))
                process.kill()

    def write(self, path: str, content: str, *, mode: int = 0o644) -> None:
        """Write a file as the node's operator does."""
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)
        place.chmod(mode)

    def main_pid(self, unit: str) -> int:
        """The main process of a unit, as the container numbers it; 0 when it does not run."""
        return int(self.run("systemctl", "show", "--property=MainPID", "--value", unit).stdout)

    def boot_state(self) -> str:
        """What systemd says of itself: running, degraded, starting, ...; "" while it cannot be asked."""
        with suppress(AssertionError, subprocess.TimeoutExpired):
            return self.run("systemctl", "is-system-running", fine=(0, 1), timeout_s=20).stdout.strip()
        return ""

    def _words(self, argv: Sequence[object]) -> list[str]:
        given = [f"{name}={value}" for name, value in _ENVIRONMENT.items()]
        words = [os.fspath(word) if isinstance(word, Path) else str(word) for word in argv]
        return [
            "nsenter",
            "--all",
            "--target",
            str(self.leader),
            "--",
            "/usr/bin/env",
            "-i",
            *given,
            "/bin/sh",
            "-ec",
            _ENTER,
            "sh",
            *words,
        ]

    def _inside(self, pid: int) -> list[str]:
        """What the container calls a process that `nsenter` has become, or its child."""
        found = []
        for process in (pid, *_children(pid)):
            with suppress(OSError, IndexError):
                status = Path(f"/proc/{process}/status").read_text()
                numbers = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[1:]
                found.append(numbers[1])
        return found


@contextmanager
def booted(
    root: Path, *, binds: Mapping[str, Path] | None = None, devices: Sequence[Path] = (), masked: Sequence[str] = ()
) -> Iterator[Booted]:
    """Boot a root, and wait until its systemd has started everything.

    `binds` are directories of this machine by where the container has them, read-only; `masked` are units that are not to start.
    """
    given = {f"{LAB}/reprov": _PACKAGE, **(binds or {})}
    argv = [
        *("setpriv", "--pdeathsig", "KILL", "systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--boot"),
        *("--private-network", "--console=pipe", "--resolv-conf=off", "--timezone=off", "--link-journal=no", "--machine=node"),
        *(f"--bind-ro={place}:{inside}" for inside, place in given.items()),
        *(f"--bind={device}" for device in devices),
        *("--directory", str(root)),
        *(f"systemd.mask={unit}" for unit in masked),
    ]
    environment = {"PATH": SEARCH_PATH, "LC_ALL": "C.UTF-8", "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
    log = root.parent / f"{root.name}.console"
    with _own_cgroups() as groups, log.open("wb") as console:
        enter = "".join(f"echo $$ >{shlex.quote(str(group / 'cgroup.procs'))}; " for group in groups)
        nspawn = subprocess.Popen(
            ("sh", "-ec", f'{enter}exec "$@"', "sh", *argv),
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            env=environment,
            start_new_session=True,
        )
        try:
            yield _wait(nspawn, root, log)
        finally:
            _stop(nspawn)


@contextmanager
def _own_cgroups() -> Iterator[list[Path]]:
    """A new control group in each hierarchy where systemd could keep its units: two containers must not meet in one.

    They have one name: nspawn copies what it does in the one hierarchy to the other.
    """
    name = f"reprov-lab-{os.getpid()}-{time.monotonic_ns()}"
    own = dict(line.split(":", 2)[1:] for line in Path("/proc/self/cgroup").read_text().splitlines())
    mounts = [line.split(" - ") for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    groups = []
    for mount, filesystem in mounts:
        kind, _, options = filesystem.split(" ", 2)
        if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options):
            above = own["" if kind == "cgroup2" else "name=systemd"]
            groups.append(Path(mount.split(" ")[4], above.lstrip("/"), name))
    for group in groups:
        group.mkdir()
    try:
        yield groups
    finally:
        for group in groups:
            for place, _, _ in os.walk(group, topdown=False):
                _remove(Path(place))


def _remove(group: Path) -> None:
    """Remove a control group whose last process may be about to end."""
    for _ in range(100):
        with suppress(OSError):
            group.rmdir()
            return
        time.sleep(0.05)
    group.rmdir()


def _wait(nspawn: "subprocess.Popen[bytes]", root: Path, log: Path) -> Booted:
    deadline = time.monotonic() + _BOOT_S
    state = "not there"
    while nspawn.poll() is None and time.monotonic() < deadline:
        for leader in _children(nspawn.pid):
            node = Booted(root, leader)
            state = node.boot_state() or state
            if state == "running":
                return node
            if state == "degraded":
                raise AssertionError(f"units failed at boot:\n{node.run('systemctl', '--failed', '--no-legend').stdout}")
        time.sleep(0.1)
    raise AssertionError(f"the container has not booted ({state}): {log.read_text(errors='replace')[-2000:]}")


def _stop(nspawn: "subprocess.Popen[bytes]") -> None:
    """Power the container off as nspawn does when it is asked to end; what does not obey is killed."""
    leaders = _children(nspawn.pid)
    nspawn.terminate()
    try:
        nspawn.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        for leader in leaders:
            with suppress(ProcessLookupError):
                os.kill(leader, signal.SIGKILL)  # with it goes every process of the container
        try:
            nspawn.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            nspawn.kill()
            nspawn.wait()


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(number) for number in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []
