"""What holds for every tier: unit tests start no process, and what cannot run here is skipped by name and reason.

Tiers are directories: tests/unit, tests/oracle (marker `commands`), tests/system and tests/vm (markers `commands` and `system`).
`@pytest.mark.needs("mkfs.xfs")` names the programs of a test. With REPROV_TEST_STRICT=1, as in CI, a skip is a failure.
"""

import os
import shutil
import signal
import subprocess
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn

import plumbum  # noqa: F401 - importing it runs `uname`: do that before the guard is up
import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says something of the machine, and nothing of the code.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

TESTS = Path(__file__).parent
TIERS = ("unit", "oracle", "system", "vm")
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_took_s: dict[str, float] = defaultdict(float)
_count: Counter[str] = Counter()


class UnexpectedCommand(BaseException):
    """A unit test tried to start a process. Not an Exception, so no `except Exception` in the code under test can hide it."""


def tier_of(path: Path) -> str:
    """One of TIERS; "" for anything else."""
    first = path.relative_to(TESTS).parts[0] if path.is_relative_to(TESTS) else ""
    return first if first in TIERS else ""


def is_strict() -> bool:
    """True where a skipped test is a failure."""
    return os.environ.get("REPROV_TEST_STRICT", "") not in ("", "0")


@pytest.fixture(autouse=True)
def no_commands(request: pytest.FixtureRequest) -> Iterator[None]:
    """Starting a process is an error, except in a test marked `commands`."""
    if request.node.get_closest_marker("commands") is not None:
        yield
        return

    def refuse(*arguments: object, **_options: object) -> NoReturn:
        wanted = next((argument for argument in arguments if not isinstance(argument, subprocess.Popen)), "a child")
        raise UnexpectedCommand(f"a unit test tried to start {wanted!r}; test the decision, or move the test to tests/oracle")

    with pytest.MonkeyPatch.context() as patched:
        # The method, not the name: plumbum holds its own reference to the class.
        patched.setattr(subprocess.Popen, "__init__", refuse)
        for name in ("system", "posix_spawn", "posix_spawnp", "fork", "forkpty"):
            patched.setattr(os, name, refuse)
        yield


def pytest_configure() -> None:
    """Hear requests to stop as a shell's foreground job does: nohup and a background job ignore some, and so would what is tested."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Unit tests cannot opt out of the guard."""
    for item in items:
        if tier_of(item.path) == "unit" and item.get_closest_marker("commands"):
            raise pytest.UsageError(f"{item.nodeid} is marked `commands`: a test that starts programs belongs to tests/oracle")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what this machine cannot run, and say what it lacks."""
    if item.get_closest_marker("system") and os.geteuid() != 0:
        pytest.skip("needs root")
    wanted = [str(tool) for marker in item.iter_markers("needs") for tool in marker.args]
    missing = [tool for tool in wanted if shutil.which(tool, path=SEARCH_PATH) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: make setup installs it")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skip fails in strict mode. (A test that is expected to fail is no skip.)"""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        _fail_if_strict(report, item.nodeid)
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count it where all reports come together, also those of tests that ran in a process beside."""
    tier = tier_of(TESTS.parent / report.nodeid.partition("::")[0])
    _took_s[tier] += report.duration
    if report.when == "call":
        _count[tier] += 1


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A module that skips itself fails in strict mode, too."""
    report = yield
    if report.skipped:
        _fail_if_strict(report, collector.nodeid)
    return report


def _fail_if_strict(report: pytest.TestReport | pytest.CollectReport, name: str) -> None:
    if is_strict():
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{name}: {reason} (REPROV_TEST_STRICT=1 allows no skips)"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many tests of each tier ran, and for how long."""
    for tier in TIERS:
        if _count[tier]:
            terminalreporter.write_line(f"{tier} tier: {_count[tier]} tests ran in {_took_s[tier]:.1f} s")


class Ran(NamedTuple):
    """How a command line ended, and what it printed."""

    status: int
    stdout: str
    stderr: str


@pytest.fixture
def reprov(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Runs the command line in this process: `reprov("plan", "1.1", "--root", root)`."""
    from reprov.cli.main import main

    def run(*arguments: object) -> Ran:
        status = main([os.fspath(argument) if isinstance(argument, Path) else str(argument) for argument in arguments])
        return Ran(status, *capsys.readouterr())

    return run
