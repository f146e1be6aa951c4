"""The place to measure in: the network, disk image and daemons of one run, all inside the namespaces of this process."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pyroute2 import IPRoute

_PROC = Path("/proc")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_DEADLINE_S = 20.0
_RSYNCD = """\
pid file = {folder}/rsyncd.pid
lock file = {folder}/rsyncd.lock
port = {port}
address = 127.0.0.1
use chroot = yes
uid = 0
gid = 0
numeric ids = yes
read only = yes
transfer logging = no

[tree]
path = {tree}
"""


class Daemon:
    """A running server, of which the cost is asked."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def cpu_s(self) -> float:
        """User and system time of the server with all that it has started, once every connection has ended."""
        _wait_until(lambda: not _grandchildren(self._process.pid), "the server's connections have ended")
        return sum(_cpu_s(pid) for pid in descendants(self._process.pid))


def raise_loopback() -> None:
    """Bring up `lo`, which a new network namespace has, but down."""
    with IPRoute() as network:
        network.link("set", index=1, state="up")


def wire_bytes() -> int:
    """What has gone over loopback so far, in both directions, with all headers."""
    return loopback_bytes((_PROC / "self/net/dev").read_text())


def loopback_bytes(text: str) -> int:
    """The bytes that `lo` has sent, from the text of /proc/net/dev; each has been received once, too."""
    line = next(line for line in text.splitlines() if line.strip().startswith("lo:"))
    return int(line.split(":")[1].split()[8])


@contextmanager
def rsync_daemon(tree: Path, port: int, folder: Path) -> Iterator[Daemon]:
    """A plain rsync daemon whose module `tree` is a tree, as an eDeploy server has it."""
    config = folder / "rsyncd.conf"
    config.write_text(_RSYNCD.format(folder=folder, port=port, tree=tree), encoding="utf-8")
    with _running(("rsync", "--daemon", "--no-detach", f"--config={config}"), port, folder / "rsyncd.log") as process:
        yield Daemon(process)


@contextmanager
def reprov_server(store: Path, port: int, folder: Path) -> Iterator[Daemon]:
    """`reprov serve` for a store."""
    argv = (sys.executable, "-m", "reprov", "serve", "--store", str(store), "--port", str(port))
    with _running(argv, port, folder / "serve.log") as process:
        yield Daemon(process)


@contextmanager
def new_filesystem(image: Path, size_bytes: int, at: Path) -> Iterator[Path]:
    """An empty ext4 in an image file, mounted."""
    with image.open("wb") as file:
        file.truncate(size_bytes)
    run("mkfs.ext4", "-q", "-F", image)
    with mounted(image, at) as root:
        (root / "lost+found").rmdir()
        yield root


@contextmanager
def mounted(image: Path, at: Path) -> Iterator[Path]:
    """The filesystem of an image file, mounted on a loop device that goes with it."""
    at.mkdir(exist_ok=True)
    run("mount", "-o", "loop", image, at)
    try:
        yield at
    finally:
        _wait_until(lambda: subprocess.run(("umount", at), check=False, capture_output=True).returncode == 0, f"{at} is not in use")


@contextmanager
def copy_mounted(image: Path, copy: Path, at: Path) -> Iterator[Path]:
    """A copy of a filesystem image, mounted; the copy goes at the end."""
    run("cp", "--sparse=always", image, copy)
    try:
        with mounted(copy, at) as root:
            yield root
    finally:
        copy.unlink()


def settle_disks() -> None:
    """Leave nothing to be written: what comes next shall not pay for what was before."""
    os.sync()


def drop_caches() -> None:
    """Forget every page, name and inode that is not in use."""
    (_PROC / "sys/vm/drop_caches").write_text("3\n")


def warm(tree: Path) -> None:
    """Read a whole tree, so that its names, inodes and pages are in memory."""
    run("find", tree, "-xdev", "-type", "f", "-exec", "cat", "{}", "+", output=subprocess.DEVNULL)


def run(*argv: object, output: int | None = None) -> None:
    """Run a program that must succeed."""
    subprocess.run([os.fspath(word) if isinstance(word, Path) else str(word) for word in argv], check=True, stdout=output)


def descendants(pid: int) -> list[int]:
    """A process and all that it has started, as far as they live."""
    found = [pid]
    for parent in found:
        found += _children(parent)
    return found


def resident_bytes(pids: Sequence[int]) -> int:
    """The memory of processes, pages that they share counted for each."""
    total = 0
    for pid in pids:
        try:
            total += int((_PROC / f"{pid}/statm").read_text().split()[1])
        except (OSError, IndexError):  # it has ended
            continue
    return total * os.sysconf("SC_PAGE_SIZE")


def parse_cpu_s(stat: str) -> float:
    """User and system time of a process and of the ended ones that it has waited for, from the text of /proc/PID/stat."""
    fields = stat.rpartition(")")[2].split()
    return sum(int(ticks) for ticks in fields[11:15]) / _TICKS_PER_S


def _cpu_s(pid: int) -> float:
    return parse_cpu_s((_PROC / f"{pid}/stat").read_text())


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for task in (_PROC / f"{pid}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
    except OSError:  # it has ended
        pass
    return found


def _grandchildren(pid: int) -> list[int]:
    """Processes that serve a connection: children of the rsync daemon, be that the server itself or the only child of it."""
    daemon = next((child for child in descendants(pid) if (_PROC / f"{child}/comm").read_text().strip() == "rsync"), pid)
    return _children(daemon)


@contextmanager
def _running(argv: Sequence[str], port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output, subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output) as process:
        try:
            _wait_until(lambda: process.poll() is not None or _listens(port), f"{argv[0]} listens on port {port}")
            if process.poll() is not None:
                raise RuntimeError(f"{' '.join(argv)} ended with status {process.returncode}: {log.read_text(errors='replace').strip()}")
            yield process
        finally:
            process.terminate()


def _listens(port: int) -> bool:
    """True when somebody listens; a connection to find out would be one to be served."""
    return is_listening((_PROC / "self/net/tcp").read_text(), port)


def is_listening(text: str, port: int) -> bool:
    """True when a socket listens on the port, from the text of /proc/net/tcp."""
    rows = [line.split() for line in text.splitlines()[1:]]
    return any(row[1].endswith(f":{port:04X}") and row[3] == "0A" for row in rows)


def _wait_until(is_true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _DEADLINE_S
    while not is_true():
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited {_DEADLINE_S:.0f} s in vain until {what}")
        time.sleep(0.02)
