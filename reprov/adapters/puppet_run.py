"""Running Puppet on a node, and reading what it says of the run."""

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from reprov.adapters.commands import Commands, run_logged
from reprov.adapters.files import opened_directory, read_at
from reprov.adapters.puppet_state import REPORTS
from reprov.domain.convergence import ToolRun, puppet_run
from reprov.domain.hook import PuppetHook, PuppetMode
from reprov.domain.puppet import ResourceStatus, parse_statuses

STEP_FACT: Final = "FACTER_reprov_step"
"""Facter takes facts from variables of this form, and hiera.yaml and manifests read them as `facts.reprov_step`."""
# Puppet's own packages do not put it into the PATH of a program that systemd started.
_ALL_IN_ONE: Final = "opt/puppetlabs/bin/puppet"


def run_puppet(commands: Commands, root: Path, hook: PuppetHook, step: int | None, log: Path, *, looking: bool) -> ToolRun:
    """One run, of which nothing is changed with `looking`. Raises as `Commands.run`."""
    program = f"/{_ALL_IN_ONE}" if (root / _ALL_IN_ONE).exists() else "puppet"
    environment = {} if step is None else {STEP_FACT: str(step)}
    started_ns = time.time_ns()
    ended = run_logged(commands, (program, *_arguments(hook, looking)), log, hook.timeout_s, environment)
    return puppet_run(ended.status, _report(root, started_ns), ended.said, ended.elapsed_s, looking=looking)


def _arguments(hook: PuppetHook, looking: bool) -> tuple[str, ...]:
    words = [hook.mode.value, *(["--test", "--no-show_diff"] if hook.mode is PuppetMode.AGENT else [])]  # a diff may hold secrets
    words += ["--detailed-exitcodes", "--color=false", "--noop" if looking else "--no-noop"]
    options = {"environment": hook.environment, "server": hook.server, "hiera_config": hook.hiera, "modulepath": ":".join(hook.modulepath)}
    words += [f"--{name}={value}" for name, value in options.items() if value]
    return (*words, hook.manifest) if hook.manifest else tuple(words)


def _report(root: Path, since_ns: int) -> Sequence[ResourceStatus] | None:
    """The report that was written since; None when there is none."""
    for path in REPORTS:
        with suppress(OSError):
            # Files get the time of a clock that may lag by a tick.
            if (root / path).lstat().st_mtime_ns >= since_ns - 20_000_000:
                with opened_directory(root) as root_fd:
                    return parse_statuses(read_at(path, dir_fd=root_fd).decode("utf-8", "replace"))
    return None
