"""Roots on real filesystems. Everything is mounted in a namespace of the test process, so nothing can stay behind."""

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.system import merge_lab, tally
from tests.system.filesystems import Filesystems, enter_private_mount_namespace
from tests.system.hazard_lab import Lab, open_lab
from tests.system.node import Hooks, Node, Run, Store
from tests.system.trees import RealTrees, real_trees

_TALLY = "tally"


@pytest.fixture(scope="session", autouse=True)
def nothing_stays_behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Mounts are this process's alone; at the end there is none, and no loop device and no process of a test either."""
    if os.geteuid() != 0:
        yield  # every test is skipped
        return
    enter_private_mount_namespace()
    top = str(tmp_path_factory.getbasetemp())
    yield
    left = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if top in line]
    left += [str(file) for file in Path("/sys/block").glob("loop*/loop/backing_file") if top in file.read_text()]
    left += _processes_about(top)
    assert not left, f"left behind: {left}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What a test has counted goes with its report, as tests run in several processes."""
    report = yield
    report.user_properties.extend((_TALLY, line) for line in tally.taken())
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the tests have counted."""
    for report in (*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")):
        for name, line in report.user_properties:
            if name == _TALLY and report.when == "call":
                terminalreporter.write_line(str(line))


def _processes_about(folder: str) -> list[str]:
    """The processes, but for this one, that name the folder or work in it."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) not in (os.getpid(), os.getppid()):
            try:
                words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if folder in words or str((process / "cwd").readlink()).startswith(folder):
                    found.append(f"{process.name}: {words}")
            except OSError:
                continue  # it ended while we looked
    return found


@pytest.fixture
def filesystems(tmp_path: Path) -> Iterator[Filesystems]:
    """Makes and mounts filesystems, which are gone after the test."""
    folder = tmp_path / "images"
    folder.mkdir()
    made = Filesystems(folder)
    yield made
    made.close()


@pytest.fixture
def store(tmp_path: Path, reprov: Run) -> Store:
    """An empty store."""
    return Store(tmp_path / "store", reprov)


@pytest.fixture
def node(request: pytest.FixtureRequest, tmp_path: Path, filesystems: Filesystems, store: Store, reprov: Run) -> Node:
    """A node whose root is an empty filesystem of its own: ext4, unless the test is parametrised (`on_every_filesystem`)."""
    root = filesystems.make(getattr(request, "param", "ext4"), tmp_path / "node")
    return Node(root, store, reprov)


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> Hooks:
    """What happens at a phase of a command line that runs in this process."""
    return Hooks(monkeypatch)


@pytest.fixture(scope="session")
def debian() -> RealTrees:
    """Two real Debian trees."""
    return real_trees()


@pytest.fixture(scope="session")
def realistic(tmp_path_factory: pytest.TempPathFactory, debian: RealTrees) -> Iterator[Lab]:
    """A lab whose nodes are realistic: `merge_lab` says what is on them, and what the two releases differ in."""

    def publish(store: Store) -> None:
        merge_lab.publish_releases(store, debian)

    with open_lab(tmp_path_factory.mktemp("realistic"), publish, merge_lab.furnish, merge_lab.IMAGE_BYTES) as opened:
        yield opened
