"""The place where guarded commands run: a control group that nothing outlives, and a mount namespace of their own.

A watchdog in a session of its own waits on a pipe from this process. However this process ends, killed included, the pipe closes;
the watchdog then kills everything in the control group and removes it, and with the last process the namespace and its mounts are gone.

No PID namespace: maintainer scripts and init scripts find daemons of the machine by the numbers in /run.
"""

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reprov.adapters.kernel import join_peers
from reprov.adapters.mounts import read_mounts
from reprov.adapters.run import CommandFailed, run, spawn
from reprov.domain.mounts import parse_mountinfo
from reprov.errors import Refused, ReprovError

_WATCHDOG = """\
trap '' HUP INT QUIT TERM
mkdir "$1" || exit 1
[ -e "$1/cgroup.kill" ] || { rmdir "$1"; exit 1; }
unshare --mount --propagation private sh -c 'echo $$; exec cat > /dev/null'
echo 1 > "$1/cgroup.kill"
tries=0
until rmdir "$1" || [ $tries -ge 600 ]; do tries=$((tries + 1)); sleep 0.05; done
rmdir "$2"
"""
# Into the control group first: inside the namespace it cannot be changed. Then to where the caller was, as the namespace has it.
_ENTER = 'echo 0 > "$1/cgroup.procs"; shift; exec "$@"'
_IN_FOLDER = 'cd -- "$1"; shift; exec "$@"'
_KILL_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class GuardSpace:
    """Open control group and namespace."""

    anchor_pid: int
    """The process that keeps the namespace."""
    cgroup: Path
    root: Path
    folder: Path
    """An empty directory in the root, for what the guard lays there inside the namespace."""

    def run(self, argv: Sequence[str]) -> None:
        """Run a program in the namespace, but not in the control group. Raises `CommandFailed`."""
        run(("nsenter", f"--mount=/proc/{self.anchor_pid}/ns/mnt", "--", *argv))

    def share_mounts(self) -> None:
        """From here on, mounts that a command makes are the machine's, and the other way round; those made before stay inside.

        Only where the machine's mounts are shared, as systemd makes them, and from Linux 5.15; elsewhere what is mounted inside is
        gone with the space.
        """
        for mount in read_mounts(Path("/")):
            with (
                contextlib.suppress(OSError),
                _opened(Path("/", mount.path)) as peer_fd,
                _opened(self.view(Path("/", mount.path))) as own_fd,
            ):
                join_peers(own_fd, peer_fd=peer_fd)

    def view(self, path: Path) -> Path:
        """The path by which this process reaches what the namespace has there."""
        return Path(f"/proc/{self.anchor_pid}/root", *path.parts[1:])

    def in_group(self, argv: Sequence[str]) -> tuple[str, ...]:
        """The command line that runs a program in the control group, in the machine's own namespace."""
        return ("sh", "-euc", _ENTER, "sh", os.fspath(self.cgroup), *argv)

    def confined(self, argv: Sequence[str]) -> tuple[str, ...]:
        """The command line that runs a program in the space and in the root.

        Without CAP_SYS_RAWIO: else SCSI commands could be sent through a descriptor that is open for reading.
        """
        enter = self.in_group(("nsenter", f"--mount=/proc/{self.anchor_pid}/ns/mnt", "--"))
        without_raw_io = ("setpriv", "--bounding-set", "-sys_rawio", "--")
        if self.root == Path("/"):
            return (*enter, "sh", "-euc", _IN_FOLDER, "sh", os.fspath(Path.cwd()), *without_raw_io, *argv)
        return (*enter, *without_raw_io, "chroot", os.fspath(self.root), *argv)

    def has(self, pid: int) -> bool:
        """Whether a process is in the control group."""
        return str(pid) in (self.cgroup / "cgroup.procs").read_text().split()

    def crowd(self) -> int:
        """How many processes are in the control group."""
        return (self.cgroup / "cgroup.procs").read_bytes().count(b"\n")

    def kill(self) -> None:
        """End every process of the control group; returns when they are gone."""
        (self.cgroup / "cgroup.kill").write_text("1")
        until = time.monotonic() + _KILL_TIMEOUT_S
        while (self.cgroup / "cgroup.procs").read_text():
            if time.monotonic() > until:
                raise ReprovError("what a guarded command left running cannot be killed", hint=f"its processes: {self.cgroup}/cgroup.procs")
            time.sleep(0.005)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_PATH)
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def guard_space(root: Path) -> Iterator[GuardSpace]:
    """Open a space for the block; whatever still runs in it at the end is killed. Raises `Refused` where there can be none."""
    cgroup = _own_cgroup() / f"reprov-guard-{os.getpid()}-{time.monotonic_ns()}"
    with tempfile.TemporaryDirectory(prefix="reprov-guard-", dir=_run_folder(root), ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        read_fd, write_fd = os.pipe()
        try:
            watchdog = ("setsid", "sh", "-uc", _WATCHDOG, "sh", os.fspath(cgroup), folder)
            with os.fdopen(read_fd, "rb") as lifeline, spawn(watchdog, stdin=lifeline) as process:
                answer = process.stdout.readline() if process.stdout else b""
                try:
                    if not answer.strip().isdigit():
                        raise _no_space(f"{cgroup} or a mount namespace cannot be made")
                    space = GuardSpace(int(answer), cgroup, root, Path(folder))
                    _prepare(space)
                    yield space
                finally:
                    os.close(write_fd)
                    write_fd = -1
                    process.wait()
        finally:
            if write_fd >= 0:
                os.close(write_fd)


def _no_space(why: str) -> Refused:
    return Refused(f"no guarded space for the command: {why}", hint="it takes root and a writable cgroup v2 (Linux 5.14 or newer)")


def _own_cgroup() -> Path:
    """Where this process's own control group of version 2 is, also on a machine that has both versions."""
    tops = [mount.path for mount in read_mounts(Path("/")) if mount.filesystem == "cgroup2"]
    own = [line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::")]
    if not tops or not own:
        raise _no_space("no cgroup v2 is mounted")
    return Path("/", tops[0], own[0].lstrip("/"))


def _run_folder(root: Path) -> Path:
    """The root's /run. Raises `Refused` when it is none of its own."""
    folder = root / "run"
    if folder.is_symlink() or not folder.is_dir():
        raise Refused(f"{folder} is no directory")
    return folder


def _prepare(space: GuardSpace) -> None:
    """See that the control group can be entered, and make all of them read-only in the namespace: no process leaves by a slip."""
    mounts = parse_mountinfo(Path(f"/proc/{space.anchor_pid}/mountinfo").read_bytes().decode("latin-1"), "")
    try:
        run(("sh", "-euc", _ENTER, "sh", os.fspath(space.cgroup), "true"))
        for mount in mounts:
            if mount.filesystem == "cgroup2" and not mount.read_only:
                space.run(("mount", "-n", "-o", "remount,bind,ro", f"/{mount.path}"))
    except CommandFailed as error:
        raise _no_space(error.message) from None
