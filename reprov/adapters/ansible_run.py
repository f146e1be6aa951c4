"""Running Ansible on a node against the node itself, and hearing from a callback of ours what every task did."""

import os
from pathlib import Path
from typing import Final

from reprov.adapters.commands import Commands, run_logged
from reprov.domain.convergence import ToolRun, ansible_run
from reprov.domain.hook import AnsibleHook

_PLUGIN: Final = "reprov_results"
# The `json` callback is in a collection that ansible-core comes without, and would be all that a person sees on stdout.
# `result` and `task` without an underscore are of ansible-core 2.19 and newer.
_CALLBACK: Final = '''\
"""A line of JSON for each task and host, for reprov, which has started this run."""
import json
import os

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "reprov_results"

    def _write(self, outcome, result):
        found = getattr(result, "result", None) or result._result
        task = getattr(result, "task", None) or result._task
        said = [found["censored"]] if "censored" in found else [found.get("msg"), found.get("stderr")]
        message = ": ".join(str(part).strip() for part in said if part)
        line = {"task": task.get_name(), "outcome": outcome, "changed": bool(found.get("changed")), "message": message}
        with open(os.environ["REPROV_ANSIBLE_RESULTS"], "a") as file:
            file.write(json.dumps(line) + "\\n")

    def v2_runner_on_ok(self, result):
        self._write("ok", result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._write("ignored" if ignore_errors else "failed", result)

    def v2_runner_on_unreachable(self, result):
        self._write("unreachable", result)
'''


def run_ansible(commands: Commands, root: Path, hook: AnsibleHook, log: Path, *, looking: bool) -> ToolRun:
    """One run, of which nothing is changed with `looking`. The callback and what it writes lie beside the log. Raises as `Commands.run`."""
    plugins = log.parent / "callbacks"
    plugins.mkdir(exist_ok=True)
    (plugins / f"{_PLUGIN}.py").write_text(_CALLBACK)
    results = log.with_suffix(".tasks")
    results.write_text("")
    environment = {
        "ANSIBLE_CALLBACK_PLUGINS": _inside(root, plugins),
        "ANSIBLE_CALLBACKS_ENABLED": _PLUGIN,
        "ANSIBLE_NOCOLOR": "1",
        "REPROV_ANSIBLE_RESULTS": _inside(root, results),
    }
    ended = run_logged(commands, _command_line(hook, looking), log, hook.timeout_s, environment)
    return ansible_run(ended.status, results.read_text("utf-8", "replace"), ended.said, ended.elapsed_s)


def _command_line(hook: AnsibleHook, looking: bool) -> tuple[str, ...]:
    words = ["ansible-pull", "--url", hook.pull] if hook.pull else ["ansible-playbook", "--connection", "local"]
    if hook.revision:
        words += ["--checkout", hook.revision]
    words += ["--inventory", hook.inventory or "localhost,"]
    if hook.tags:
        words += ["--tags", ",".join(hook.tags)]
    if hook.variables:
        words += ["--extra-vars", hook.variables]
    if looking:
        words.append("--check")
    return (*words, hook.playbook) if hook.playbook else tuple(words)


def _inside(root: Path, path: Path) -> str:
    """A path below the root as programs in the root have it."""
    return os.fspath(Path("/", path.relative_to(root)))
