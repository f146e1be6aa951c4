"""The convergence hook: Puppet or Ansible has the last word on a node, in rounds that the role's checks judge."""

import json
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from reprov.adapters.ansible_run import run_ansible
from reprov.adapters.commands import TIMED_OUT, Commands
from reprov.adapters.durable import write_durably
from reprov.adapters.puppet_run import run_puppet
from reprov.adapters.release_reader import ReleaseFiles
from reprov.adapters.run import CommandFailed
from reprov.domain.check import Check
from reprov.domain.convergence import Converged, Effect, Next, Round, ToolRun, next_of, problem_of, stopped_run
from reprov.domain.entry import parent_of
from reprov.domain.hook import NODE_HOOK, Hook, PuppetHook, parse_hook
from reprov.domain.rewritten import Rewritten
from reprov.domain.scan import CLOCK_TICK_NS
from reprov.errors import InvalidInput, Refused, ReprovError
from reprov.events import Monitor, Note, phase
from reprov.workflows.checks import RESULTS, checks_of, emptied, judge
from reprov.workflows.node import Node, inspect_node, require_root
from reprov.workflows.node_commands import node_commands
from reprov.workflows.verify import Drift, verify

CONVERGING = "converge"
"""The folder in reprov's own with the logs of the last convergence, and results.json."""


def hook_of_node(root: Path, release: ReleaseFiles | None) -> Hook | None:
    """What converges a node: /etc/reprov/converge.json, else what its release's role says. Raises `InvalidInput` with the file."""
    try:
        return parse_hook((root / NODE_HOOK).read_text("utf-8"), f"{root / NODE_HOOK}")
    except FileNotFoundError:
        return release.role.converge if release and release.role else None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{root / NODE_HOOK} cannot be read: {error}") from None


def converge(root: Path, hook: Hook, monitor: Monitor, *, checks: Sequence[Check] = (), looking: bool = False) -> Converged:
    """Run the hook until the checks pass and it has nothing left to change, in up to five rounds for each of its steps.

    On the running system it runs under the data guard, in any other root in a chroot where nothing is started. Logs and results.json
    are kept in /.reprov/converge, those of the last checks in /.reprov/checks. With `looking` the tool only says what it would change,
    once, and nothing is checked. A hook that fails is a `Converged.problem`, and no error. Needs root; the caller holds the node's lock.
    """
    node = inspect_node(root)
    node.state.create()
    folder = emptied(node, node.state.directory / CONVERGING)
    started_ns = time.time_ns() - CLOCK_TICK_NS
    rounds: list[Round] = []
    problem = ""
    with node_commands(root, monitor) as commands:
        for step in hook.steps or (None,):
            of_step = _converge_step(commands, node, hook, step, checks, folder, monitor, looking=looking)
            rounds += of_step
            failed = of_step[-1].run.effect is Effect.FAILED if looking else next_of(of_step) is Next.GIVE_UP
            if failed:
                problem = problem_of(of_step)
                break
    converged = Converged(hook.tool, tuple(rounds), problem)
    if not looking:
        converged = replace(converged, rewritten=_rewritten(node, started_ns, monitor))
    write_durably(folder / "results.json", (json.dumps(converged.to_fields(), indent=1) + "\n").encode())
    return converged


def converge_node(root: Path, *, looking: bool, monitor: Monitor) -> Converged:
    """Converge a node by hand, with the checks of its release. Raises `Refused` when it has no hook, or is being changed."""
    require_root("converge a node")
    node = inspect_node(root)
    installed = node.installed()
    hook = hook_of_node(root, installed)
    if hook is None:
        raise Refused("nothing converges this node", hint=f"write converge: into its role.yaml, or the same as JSON into /{NODE_HOOK}")
    node.state.create()
    with node.state.locked("convergence"):
        return converge(root, hook, monitor, checks=checks_of(node, installed) if installed else (), looking=looking)


def _converge_step(
    commands: Commands, node: Node, hook: Hook, step: int | None, checks: Sequence[Check], folder: Path, monitor: Monitor, *, looking: bool
) -> list[Round]:
    """The rounds of a step: the last of them says whether it was reached."""
    rounds: list[Round] = []
    while not rounds or (not looking and next_of(rounds) is Next.AGAIN):
        number = len(rounds) + 1
        title = f"{hook.tool}{'' if step is None else f' step {step}'}, round {number}"
        with phase(monitor, "converge", f"Running {title}"):
            log = folder / f"{'' if step is None else f'step-{step}-'}round-{number}.log"
            run = _run(commands, node.root, hook, step, log, looking=looking)
        checked = None
        if checks and not looking and not run.is_final:
            checked = judge(commands, node.root, checks, emptied(node, node.state.directory / RESULTS), monitor, step=step)
        rounds.append(Round(step, number, run, checked))
        for problem in filter(None, (run.problem, checked.problem if checked else "")):
            monitor.emit(Note(f"{title}: {problem}"))
    return rounds


def _run(commands: Commands, root: Path, hook: Hook, step: int | None, log: Path, *, looking: bool) -> ToolRun:
    started_at = time.monotonic()
    try:
        if isinstance(hook, PuppetHook):
            return run_puppet(commands, root, hook, step, log, looking=looking)
        return run_ansible(commands, root, hook, log, looking=looking)
    except ReprovError as error:
        hung = isinstance(error, CommandFailed) and error.status == TIMED_OUT
        why = f"{hook.tool} did not end within {hook.timeout_s} s" if hung else error.message
        return stopped_run(why, time.monotonic() - started_at)


def _rewritten(node: Node, since_ns: int, monitor: Monitor) -> tuple[Rewritten, ...]:
    """What differs from the installed release, and was touched since."""
    if node.state.deployment().installed is None:
        return ()
    drift = verify(node.root, deep=False, monitor=monitor).drift
    return tuple(
        Rewritten(item.path, item.drift, item.package, (node.root / item.path).is_dir() and not (node.root / item.path).is_symlink())
        for item in drift
        if _touched(node.root, item, since_ns)
    )


def _touched(root: Path, item: Drift, since_ns: int) -> bool:
    """Whether a path was changed since; of one that is gone, whether its directory was."""
    try:
        return (root / item.path).lstat().st_ctime_ns >= since_ns
    except FileNotFoundError:
        parent = root / parent_of(item.path)
        return os.path.lexists(parent) and parent.lstat().st_ctime_ns >= since_ns
