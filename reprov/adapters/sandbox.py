"""A mount, PID, UTS and IPC namespace of its own for everything that mounts or runs inside a tree that is being built.

The namespaces live as long as a `cat` that waits on a pipe from this process: however the process ends, killed included, the
pipe closes, the `cat`, which is PID 1 of the namespace, ends, the kernel kills whatever else runs in it, and its mounts are gone.
The machine itself never sees one of them.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reprov.adapters.run import CommandFailed, Finished, run, spawn

_ANCHOR = (
    *("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child=KILL", "--uts", "--ipc"),
    # Maintainer scripts write `hostname` into configuration: it must not be the build machine's.
    *("sh", "-euc", "echo localhost > /proc/sys/kernel/hostname; echo ready; exec cat > /dev/null"),
)
SYSTEM_DIRECTORIES = ("proc", "sys", "dev", "run", "tmp")
_DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}


@dataclass(frozen=True, slots=True)
class Sandbox:
    """Open namespaces, named by the process that holds them."""

    pid: int

    def run(self, argv: Sequence[str], *, extra_environment: Mapping[str, str] | None = None) -> Finished:
        """Run a program inside to its end. Raises `CommandFailed`."""
        try:
            return run(self.inside(argv), extra_environment=extra_environment)
        except CommandFailed as error:
            raise CommandFailed(argv, error.status, error.stderr) from None

    def inside(self, argv: Sequence[str]) -> tuple[str, ...]:
        """The command line that runs a program inside."""
        spaces = (f"/proc/{self.pid}/ns/{name}" for name in ("mnt", "uts", "ipc", "pid_for_children"))
        options = (f"--{option}={space}" for option, space in zip(("mount", "uts", "ipc", "pid"), spaces, strict=True))
        return ("nsenter", *options, "--", *argv)

    def mount(self, filesystem: str, target: Path, options: str, source: str = "none") -> None:
        """Mount inside, and only inside."""
        self.run(("mount", "-n", "-t", filesystem, "-o", options, source, os.fspath(target)))

    def unmount(self, target: Path) -> None:
        """Undo the mount at a path with all that is mounted below it."""
        self.run(("umount", "-n", "--recursive", os.fspath(target)))

    def mount_overlay(self, lower: Path, upper: Path, work: Path, target: Path) -> None:
        """Show `lower` at `target` with every change going to `upper`."""
        self.mount("overlay", target, overlay_options(lower, upper, work), "overlay")

    def mount_system(self, root: Path) -> None:
        """Mount what programs expect at the `SYSTEM_DIRECTORIES` of a tree: /proc and /sys cannot change the machine, /dev is small."""
        self.mount("proc", root / "proc", "nosuid,nodev,noexec", "proc")
        self.run(("mount", "-n", "--bind", f"{root}/proc/sys", f"{root}/proc/sys"))
        self.run(("mount", "-n", "-o", "remount,bind,ro", f"{root}/proc/sys"))
        self._mount_sysfs(root / "sys")
        for name in ("run", "tmp"):
            self.mount("tmpfs", root / name, "nosuid,nodev,mode=1777" if name == "tmp" else "nosuid,nodev,mode=0755", "tmpfs")
        self.mount("tmpfs", root / "dev", "nosuid,noexec,mode=0755", "tmpfs")
        view = self.view(root / "dev")
        for name, (major, minor) in _DEVICES.items():
            os.mknod(view / name, 0o020666, os.makedev(major, minor))
            (view / name).chmod(0o666)
        for name, target in {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "ptmx": "pts/ptmx"}.items():
            (view / name).symlink_to(target)
        (view / "pts").mkdir()
        (view / "shm").mkdir()
        (view / "shm").chmod(0o1777)
        self.mount("devpts", root / "dev/pts", "newinstance,ptmxmode=0666,mode=0620,gid=5,nosuid,noexec", "devpts")

    def _mount_sysfs(self, target: Path) -> None:
        """Never writable. In a network namespace sysfs is one filesystem: it cannot lie over itself, nor be mounted both ways."""
        place, options = os.fspath(target), "nosuid,nodev,noexec"
        if self.view(target).is_mount():  # a root in which somebody works already
            self.run(("mount", "-n", "--bind", place, place))
        else:
            try:
                self.mount("sysfs", target, f"ro,{options}", "sysfs")
            except CommandFailed:
                self.mount("sysfs", target, options, "sysfs")
        self.run(("mount", "-n", "-o", f"remount,bind,ro,{options}", place))

    def view(self, path: Path) -> Path:
        """The path by which this process reaches what is mounted inside."""
        return Path(f"/proc/{self.pid}/root", *path.parts[1:])


@contextmanager
def sandbox() -> Iterator[Sandbox]:
    """Open namespaces for the block. Needs root."""
    read_fd, write_fd = os.pipe()  # not inherited by other programs: only this process keeps it open
    try:
        with (
            os.fdopen(read_fd, "rb") as lifeline,
            Path("/dev/null").open("wb") as silence,
            spawn(_ANCHOR, stdin=lifeline, stderr=silence) as anchor,
        ):
            if anchor.stdout is None or anchor.stdout.readline() != b"ready\n":
                raise CommandFailed(_ANCHOR, anchor.wait(), b"no namespaces of its own for the build: it needs root")
            try:
                yield Sandbox(anchor.pid)
            finally:
                os.close(write_fd)
                write_fd = -1
                anchor.wait()
    finally:
        if write_fd >= 0:
            os.close(write_fd)


def overlay_options(lower: Path, upper: Path, work: Path) -> str:
    """The options of an overlay mount. What is in `upper` after a crash is worthless (volatile).

    index=off, because hard links of a published tree may join paths that only happen to be equal: a write must not reach the other.
    metacopy and redirect_dir off, so that the upper directory can be read without an overlay.
    """
    layers = ",".join(f"{name}dir={_escaped(path)}" for name, path in (("lower", lower), ("upper", upper), ("work", work)))
    return f"{layers},index=off,metacopy=off,redirect_dir=off,volatile"


def _escaped(path: Path) -> str:
    # In the options of overlayfs a backslash escapes, a comma ends an option and a colon a layer.
    return os.fspath(path).replace("\\", "\\\\").replace(",", "\\,").replace(":", "\\:")
