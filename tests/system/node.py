"""A node and a store of the tests: what an operator types, in this process or in one of its own."""

import io
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from reprov import events
from reprov.cli import monitors
from reprov.cli.main import main
from tests.conftest import Ran
from tests.system.snapshot import Snapshot, difference, marked, snapshot, timeless, without
from tests.system.trees import Tree, make_library

Run = Callable[..., Ran]
"""The `reprov` fixture."""

PHASES = ("release", "scan", "fetch", "stage", "verify", "commit", "finish")
"""Of an upgrade, in their order."""

_KILL_IN_PHASE = """\
import os, signal, sys
from reprov import events
from reprov.cli import monitors
from reprov.cli.main import main
when, name = sys.argv.pop(1), sys.argv.pop(1)
wanted = {"start": events.PhaseStarted, "end": events.PhaseEnded}[when]
class Killer:
    def emit(self, event):
        if isinstance(event, wanted) and event.phase == name:
            os.kill(os.getpid(), signal.SIGKILL)
monitors._monitor_for_people = lambda stack: Killer()
sys.exit(main())
"""


def run_here(*arguments: object) -> Ran:
    """A command line in this process, its output caught."""
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    with redirect_stdout(out), redirect_stderr(err):
        status = main([os.fspath(argument) if isinstance(argument, Path) else str(argument) for argument in arguments])
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode())
    return Ran(status, *texts)


class Store:
    """A store, with a library of lists of its own."""

    def __init__(self, folder: Path, run: Run) -> None:
        self.folder = folder
        self.library = folder.parent / "library"
        self._run = run

    def publish(self, tree: Path | Tree, version: str, role: str = "base", *options: str) -> None:
        """Publish a tree; it must succeed. The lists are those of the library's `base`, unless an option says otherwise."""
        if not self.library.exists():
            make_library(self.library)
        folder = tree.done() if isinstance(tree, Tree) else tree
        named = ("publish", "--tree", folder, "--role", role, "--version", version, "--lists", "base")
        ran = self._run(*named, "--store", self.folder, "--library", self.library, *options)
        assert ran.status == 0, ran.stderr

    def tree(self, version: str, role: str = "base") -> Path:
        """The sealed tree."""
        return self.folder / "trees" / role / version

    def release(self, version: str, role: str = "base") -> Path:
        """The folder with release.json."""
        return self.folder / "releases" / role / version


class Node:
    """A root, and the command line on it."""

    def __init__(self, root: Path, store: Store, run: Run) -> None:
        self.root = root
        self.store = store
        self.run_anywhere = run
        self.runs_scripts = False
        """Most tests are about the exchange: what scripts write in /var would be in their way."""

    def run(self, verb: str, *words: object) -> Ran:
        """Run a verb on this root, whatever comes of it."""
        return self.run_anywhere(verb, *words, "--root", self.root)

    def upgrade(self, version: str, *options: object, role: str = "base", source: object = None) -> Ran:
        """Upgrade, whatever comes of it."""
        return self.run("upgrade", role, version, "--from", source or self.store.folder, *self._scripts(), *options)

    def install(self, version: str, *options: object, role: str = "base", source: object = None) -> Ran:
        """Upgrade, which must succeed."""
        ran = self.upgrade(version, *options, role=role, source=source)
        assert ran.status == 0, ran.stderr
        return ran

    def rollback(self, *options: object) -> Ran:
        """Roll back, which must succeed."""
        ran = self.run("rollback", *options)
        assert ran.status == 0, ran.stderr
        return ran

    def upgrade_words(self, version: str, *, role: str = "base", source: object = None) -> list[str]:
        """The words of an upgrade, for a process of its own."""
        return ["upgrade", role, version, *self._scripts(), "--from", str(source or self.store.folder), "--root", str(self.root)]

    def _scripts(self) -> list[str]:
        return [] if self.runs_scripts else ["--no-post"]

    def start_upgrade(self, version: str, *, source: object = None) -> "subprocess.Popen[str]":
        """Upgrade in a process of its own, its talk on pipes; the caller waits for it."""
        argv = [sys.executable, "-m", "reprov", *self.upgrade_words(version, source=source)]
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def kill_upgrade(self, version: str, when: str, phase: str) -> int:
        """Upgrade in a process of its own that is killed when a phase starts or ends; returns its status."""
        return self.kill(self.upgrade_words(version), when, phase)

    def kill(self, words: list[str], when: str, phase: str) -> int:
        """Run a command line in a process of its own that is killed when a phase starts or ends; returns its status."""
        argv = [sys.executable, "-c", _KILL_IN_PHASE, when, phase, *words]
        return subprocess.run(argv, check=False, capture_output=True, timeout=120).returncode

    def snapshot(self) -> Snapshot:
        return snapshot(self.root)

    def changed_since(self, before: Snapshot, *, directory_times: bool = True) -> list[str]:
        """What is not as it was, one line a path; without `directory_times`, which a swap and its way back may move, for these two."""
        now = self.snapshot()
        return difference(before, now) if directory_times else difference(timeless(before), timeless(now))

    def path(self, name: str) -> Path:
        return self.root / name

    def write(self, name: str, content: str = "", *, mode: int = 0o644) -> Path:
        """Write a file as the node's operator does."""
        place = self.root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)
        place.chmod(mode)
        return place

    def differs_from(self, tree: Path, *leave_out: str) -> list[str]:
        """What is not as in a role tree, one line a path, without the times of directories and without these paths."""
        left_out = ("lost+found", *leave_out)
        return difference(without(timeless(snapshot(tree)), *left_out), without(timeless(self.snapshot()), *left_out))

    def leftovers(self) -> list[str]:
        """What reprov should not have left where nothing is in flight: names in its own directory, and marked paths."""
        names = set(os.listdir(self.root / ".reprov")) & {"staged", "incoming", "leftover", "candidate", "journal", "restored", "ballast"}
        return sorted(names) + marked(self.root)


class Hook:
    """A monitor that does something when a phase starts or ends, once."""

    def __init__(self, when: type[events.PhaseStarted | events.PhaseEnded], phase: str, action: Callable[[], object]) -> None:
        self._when = when
        self._phase = phase
        self._action = action
        self.done = False

    def emit(self, event: events.Event) -> None:
        if isinstance(event, self._when) and event.phase == self._phase and not self.done:
            self.done = True
            self._action()


class Hooks:
    """Sets what happens inside a command line that runs in this process."""

    def __init__(self, patched: pytest.MonkeyPatch) -> None:
        self._patched = patched

    def at_start(self, phase: str, action: Callable[[], object]) -> Hook:
        """Do it when a phase starts."""
        return self._set(Hook(events.PhaseStarted, phase, action))

    def at_end(self, phase: str, action: Callable[[], object]) -> Hook:
        """Do it when a phase has ended, well or not."""
        return self._set(Hook(events.PhaseEnded, phase, action))

    def _set(self, hook: Hook) -> Hook:
        self._patched.setattr(monitors, "_monitor_for_people", lambda stack: hook)
        return hook
