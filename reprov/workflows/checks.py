"""Running a role's checks on a node, and keeping what they say."""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from reprov.adapters.check_programs import SYSTEM_PYTHON, run_check
from reprov.adapters.commands import Commands
from reprov.adapters.durable import write_durably
from reprov.adapters.release_reader import ReleaseFiles
from reprov.domain.check import Check, Checked
from reprov.errors import InvalidInput, Refused
from reprov.events import Monitor, phase
from reprov.workflows.node import Node, inspect_node, require_root
from reprov.workflows.node_commands import node_commands

CHECKING = "checking"
"""The folder in reprov's own where the logs and reports of checks lie while nobody has named another one."""
RESULTS = "checks"
"""The folder in reprov's own where what came of the last checks is kept."""


def checks_of(node: Node, release: ReleaseFiles) -> tuple[Check, ...]:
    """The checks of a release that is kept on a node, with their paths there."""
    folder = release.directory.relative_to(node.root)
    return tuple(replace(check, path=f"{folder}/{check.path}") for check in release.checks)


def run_checks(
    root: Path, checks: Sequence[Check], results: Path | None, monitor: Monitor, *, python: str = SYSTEM_PYTHON, step: int | None = None
) -> Checked:
    """Run checks on a node, on the running system under the data guard, and in any other root in a chroot where nothing is started.

    `results` is a folder in /.reprov, which is emptied, for logs, results.json and junit.xml; None keeps nothing. `python` runs pytest.
    A check that fails, hangs or cannot be run is one of `Checked.failed`, and no error. Needs root.
    """
    if not checks:
        return Checked(())
    with _folder(root, results) as folder, node_commands(root, monitor) as commands:
        return judge(commands, root, checks, folder, monitor, python=python, step=step)


def judge(
    commands: Commands,
    root: Path,
    checks: Sequence[Check],
    folder: Path,
    monitor: Monitor,
    *,
    python: str = SYSTEM_PYTHON,
    step: int | None,
) -> Checked:
    """The same in a place for programs that is open already."""
    with phase(monitor, "checks", "Checking the node", files=len(checks)) as progress:
        found = []
        for check in checks:
            found.append(run_check(commands, root, check, folder, python=python, step=step))
            progress.advance(files=1)
    checked = Checked(tuple(found))
    write_durably(folder / "results.json", (json.dumps(checked.to_fields(), indent=1) + "\n").encode())
    write_durably(folder / "junit.xml", checked.to_junit().encode())
    return checked


def check_node(root: Path, names: Sequence[str], python: str, monitor: Monitor) -> Checked:
    """Run the checks of the installed release by hand, all of them when none is named; results are kept in /.reprov/checks.

    Raises `Refused` for a node that reprov has not installed, `InvalidInput` for a check that its release does not have.
    """
    require_root("run the checks of a node")
    node = inspect_node(root)
    installed = node.installed()
    if installed is None:
        raise Refused("this node was not installed by reprov", hint="its release would say what to check")
    checks = checks_of(node, installed)
    known = [check.name for check in checks]
    for name in names:
        if name not in known:
            there = ", ".join(known) or "none"
            raise InvalidInput(f"{installed.release.id} has no check {name!r}", hint=f"it has {there}")
    chosen = [check for check in checks if not names or check.name in names]
    return run_checks(root, chosen, node.state.directory / RESULTS, monitor, python=python)


@contextmanager
def _folder(root: Path, results: Path | None) -> Iterator[Path]:
    """An empty folder for results: the one that was named, or one that is gone afterwards."""
    node = inspect_node(root)
    node.state.create()
    folder = emptied(node, results or node.state.directory / CHECKING)
    yield folder
    if results is None:
        shutil.rmtree(folder)


def emptied(node: Node, folder: Path) -> Path:
    """A folder in reprov's own, there and empty. Raises `Refused` for one anywhere else."""
    if folder.parent != node.state.directory:
        raise Refused(f"results are not kept in {folder}", hint=f"name a folder in {node.state.directory}")
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(mode=0o700)
    return folder
