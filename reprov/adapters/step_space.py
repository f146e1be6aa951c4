"""Where the steps after a commit run: a control group and a mount namespace, and in a root that is not running all other namespaces."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Protocol

from reprov.adapters.confined import run_confined
from reprov.adapters.guard_space import GuardSpace, guard_space
from reprov.adapters.program_covers import MountSpace
from reprov.adapters.run import Finished
from reprov.adapters.sandbox import SYSTEM_DIRECTORIES, Sandbox, sandbox
from reprov.errors import Refused

_FOLDER: Final = "reprov-steps"
_SET_NAME: Final = 'printf %s "$1" > /proc/sys/kernel/hostname'


class RunStep(Protocol):
    """Runs a command in the root of a space, confined; whatever it leaves running is ended."""

    def __call__(
        self, argv: Sequence[str], *, stdin: IO[bytes], stdout_fd: int, stderr_fd: int, timeout_s: float, max_processes: int
    ) -> int:
        """Its status. Raises `ReprovError` when it was stopped: `CommandFailed` with 124 after the time-out, 125 for too many processes."""


@dataclass(frozen=True, slots=True)
class RootSpace:
    """Namespaces of all kinds around a root that is not the running system."""

    group: GuardSpace
    """What it has of the machine: the control group."""
    box: Sandbox
    root: Path
    folder: Path

    def run(self, argv: tuple[str, ...]) -> Finished:
        """See `MountSpace`."""
        return self.box.run(argv)

    def view(self, path: Path) -> Path:
        """See `MountSpace`."""
        return self.box.view(path)

    def confined(self, argv: Sequence[str]) -> tuple[str, ...]:
        """The command line that runs a program in the root."""
        return self.group.in_group(self.box.inside(("chroot", os.fspath(self.root), *argv)))

    def crowd(self) -> int:
        """How many processes run in it."""
        return self.group.crowd()

    def kill(self) -> None:
        """End all of them."""
        self.group.kill()


@contextmanager
def root_space(root: Path, prepare: Callable[[MountSpace], None]) -> Iterator[RunStep]:
    """Namespaces of their own around a root for the block, with the node's own filesystems and nothing else of the machine."""
    _require_directories(root)
    with guard_space(Path("/")) as group, sandbox() as box:
        name = _host_name(root)
        if name:
            box.run(("sh", "-euc", _SET_NAME, "sh", name))
        box.mount_system(root)
        space = RootSpace(group, box, root, root / "run" / _FOLDER)
        box.view(space.folder).mkdir(mode=0o755)
        prepare(space)
        yield _runner(space)


@contextmanager
def live_space(prepare: Callable[[MountSpace], None]) -> Iterator[RunStep]:
    """A control group and a mount namespace on the running system for the block; for a node without data devices."""
    with guard_space(Path("/")) as space:
        space.run(("mount", "-n", "-t", "tmpfs", "-o", "mode=0755,nosuid,nodev", _FOLDER, os.fspath(space.folder)))
        prepare(space)
        space.share_mounts()
        yield _runner(space)


def require_space(root: Path) -> None:
    """Raise `Refused` where there can be no such place."""
    if root != Path("/"):
        _require_directories(root)
    with guard_space(Path("/")):
        pass


def _require_directories(root: Path) -> None:
    for name in SYSTEM_DIRECTORIES:
        if not (root / name).is_dir() or (root / name).is_symlink():
            raise Refused(f"{root / name} is no directory, and scripts need it", hint="make it, with the mode that it has on other nodes")


def _runner(space: GuardSpace | RootSpace) -> RunStep:
    def run(argv: Sequence[str], *, stdin: IO[bytes], stdout_fd: int, stderr_fd: int, timeout_s: float, max_processes: int) -> int:
        return run_confined(
            space, argv, stdin=stdin, stdout_fd=stdout_fd, stderr_fd=stderr_fd, timeout_s=timeout_s, max_processes=max_processes
        )

    return run


def _host_name(root: Path) -> str:
    """The name that the node has given itself: scripts write it into configuration."""
    file = root / "etc/hostname"
    if file.is_symlink() or not file.is_file():
        return ""
    return file.read_bytes().decode("ascii", "ignore").partition("\n")[0].strip()[:64]
