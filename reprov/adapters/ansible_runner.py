"""One stage and tag on a batch of hosts, run by Ansible through ansible-runner.

The same can be had by hand, in the project: `ansible-playbook stages/STAGE.yml --limit HOSTS --tags stepN`.
"""

import importlib
import json
import os
import shlex
import shutil
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from reprov.adapters.lease import RUNNING
from reprov.domain.ansible_events import HostOutcomes, RunWatch
from reprov.domain.course import tag_name
from reprov.domain.node_talk import NodeTalk, Said
from reprov.domain.rollout import Step
from reprov.domain.snippet import REIMAGE
from reprov.errors import InvalidInput, ReprovError

if TYPE_CHECKING:
    from types import ModuleType

_FOLDER: Final = "ansible"
_PLAYBOOK: Final = "ansible-playbook"
_HINT: Final = "pip install 'reprov[fleet]', or the packages ansible-core and python3-ansible-runner of the distribution"
_SHOWN_LINES: Final = 3
_REIMAGE: Final = {"ANSIBLE_STRATEGY": "free"}
"""Nobody waits for the slowest host, and no host for a worker: each has to be confirmed in time, or goes back."""


class Ansible:
    """The Ansible of this machine, running the project of one rollout."""

    def __init__(self, directory: Path, project: Path) -> None:
        """Raises `InvalidInput` when Ansible is not installed here, or the project has no inventory."""
        self._directory = directory
        self._project = project
        self._folder = directory / _FOLDER
        self._runs = self._folder / "runs"
        self._runner = _import_runner()
        self._playbook = _find_playbook()
        self._inventory = project / "inventory.yaml"
        self._number = self._last_number()
        if not self._inventory.is_file():
            raise InvalidInput(f"{self._inventory}: there is no such file", hint="`reprov rollout plan` makes the project")

    def run(self, step: Step, listen: Callable[[Said], None]) -> HostOutcomes:
        """Run the step and tell how it ended on each host. What nodes say meanwhile is passed on at once, in a thread of Ansible's.

        What Ansible prints is kept in a file. Raises `ReprovError` when Ansible itself failed, and nobody can tell what was done; an
        exception in this thread, as of a signal, ends Ansible before it is passed on.
        """
        self._runs.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._keep_output()  # of a controller that was killed
        self._number += 1
        ident = f"{self._number:06}-{step.stage}-{tag_name(step.tag)}"
        limit = self._folder / "limit"
        limit.write_text("".join(f"{host}\n" for host in step.hosts), "utf-8")
        watch, talk, canceled = RunWatch(), NodeTalk(), threading.Event()

        def hear(event: Mapping[str, Any]) -> bool:
            for said in talk.hear(event):
                listen(said)
            return watch.hear(event)

        try:
            self._in_thread(self._settings(step, ident, limit, hear, canceled), canceled)
        finally:
            self._keep_output()
        outcomes = watch.outcomes(step.hosts)
        if outcomes is None:
            log = self._log(ident)
            said = _last_lines(log) or "it said nothing"
            raise ReprovError(f"Ansible failed in stage {step.stage}, {tag_name(step.tag)}: {said}", hint=f"all of it: {log}")
        return outcomes

    def _keep_output(self) -> None:
        """Keep what was printed, and nothing else that ansible-runner leaves: its `command` has the whole environment in it."""
        for run in self._runs.iterdir():
            if (run / "stdout").exists():
                (run / "stdout").replace(self._log(run.name))
            shutil.rmtree(run, ignore_errors=True)  # a part of Ansible may still write there; the next run tries again

    def _log(self, ident: str) -> Path:
        return self._folder / f"{ident}.log"

    def _settings(
        self, step: Step, ident: str, limit: Path, hear: Callable[[Mapping[str, Any]], bool], canceled: threading.Event
    ) -> dict[str, Any]:
        configuration = self._project / "ansible.cfg"
        # Ansible must not outlive us, since nobody would hear what it did; and as long as a part of it does, its lock tells.
        command = ["--pdeathsig", "TERM", "flock", "--shared", "--no-fork", os.fspath(self._directory / RUNNING), self._playbook]
        return {
            "ident": ident,
            "private_data_dir": os.fspath(self._folder),
            "artifact_dir": os.fspath(self._runs),
            "project_dir": os.fspath(self._project),
            "binary": "setpriv",
            # By hand a stage goes host by host; here the engine has chosen how many go at once.
            "cmdline": shlex.join([*command, f"stages/{step.stage}.yml", "--extra-vars", "reprov_serial=100%"]),
            "inventory": os.fspath(self._inventory),
            "limit": f"@{limit}",  # not in words: ten thousand names are longer than an argument may be
            "tags": tag_name(step.tag),
            "envvars": {
                "LC_ALL": "C.UTF-8",
                # ansible-runner's own default is to believe any host key.
                "ANSIBLE_HOST_KEY_CHECKING": os.environ.get("ANSIBLE_HOST_KEY_CHECKING", "True"),
                **({"ANSIBLE_CONFIG": os.fspath(configuration)} if configuration.exists() else {}),
                **(_REIMAGE if step.tag == REIMAGE else {}),
            },
            **({"forks": len(step.hosts)} if step.tag == REIMAGE else {}),
            "fact_cache_type": "memory",  # else every run leaves the facts of every host behind
            "quiet": True,
            "suppress_env_files": True,
            "event_handler": hear,
            "cancel_callback": canceled.is_set,
        }

    def _in_thread(self, settings: dict[str, Any], canceled: threading.Event) -> None:
        errors: list[Exception] = []

        def work() -> None:
            try:
                self._runner.run(**settings)
            except Exception as error:  # of a library that raises what it likes; it is told in this thread
                errors.append(error)

        # Settings given as an argument are dropped by ansible-runner when there is no such file.
        (self._folder / "env").mkdir(mode=0o700, exist_ok=True)
        (self._folder / "env" / "settings").write_text(json.dumps({"pexpect_timeout": 1}))
        thread = threading.Thread(target=work, name="ansible")
        thread.start()
        try:
            thread.join()
        except BaseException:
            canceled.set()
            thread.join()
            raise
        if errors:
            raise ReprovError(f"ansible-runner failed: {errors[0]}") from errors[0]

    def _last_number(self) -> int:
        names = [path.name for folder in (self._folder, self._runs) if folder.is_dir() for path in folder.iterdir()]
        return max((int(name[:6]) for name in names if name[:6].isdigit()), default=0)


def _import_runner() -> "ModuleType":
    try:
        return importlib.import_module("ansible_runner")
    except ImportError as error:
        raise InvalidInput(f"a rollout needs ansible-runner: {error}", hint=_HINT) from None


def _find_playbook() -> str:
    """The program that belongs to this Python, else the machine's."""
    beside = Path(sys.executable).with_name(_PLAYBOOK)
    found = os.fspath(beside) if beside.exists() else shutil.which(_PLAYBOOK)
    if found is None:
        raise InvalidInput(f"a rollout needs {_PLAYBOOK}, which is not installed here", hint=_HINT)
    return found


def _last_lines(file: Path) -> str:
    try:
        lines = [line.strip() for line in file.read_text("utf-8", "replace").splitlines() if line.strip()]
    except FileNotFoundError:
        return ""
    return " / ".join(lines[-_SHOWN_LINES:])
