"""The modules of the shared role, run by Ansible itself as a generated project has them: copied, with no reprov to import."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from reprov.adapters.library import Library
from reprov.adapters.snippet_files import load_shared_roles


class Result(NamedTuple):
    """What a module has said."""

    is_fine: bool
    changed: bool
    values: dict[str, Any]

    @property
    def message(self) -> str:
        """Why it has failed."""
        return str(self.values["msg"])


class AnsibleModules:
    """A folder with the shared roles, and an Ansible that finds their modules there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for path, text in load_shared_roles(Library.default()).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)

    def run(
        self,
        module: str,
        arguments: Mapping[str, object],
        *options: str,
        under: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> Result:
        """Run a module on this machine; `under` are words that run a command elsewhere, such as those of nsenter."""
        settings = {
            "ANSIBLE_LIBRARY": str(self.folder / "reprov/library"),
            "ANSIBLE_MODULE_UTILS": str(self.folder / "reprov/module_utils"),
            "ANSIBLE_LOCAL_TEMP": str(self.folder / "tmp"),
            "ANSIBLE_REMOTE_TEMP": str(self.folder / "tmp"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "1",
            "LC_ALL": "C.UTF-8",
        }
        words = ["localhost", "--connection=local", f"--extra-vars=ansible_python_interpreter={sys.executable}", "--one-line"]
        ended = subprocess.run(
            [
                *under,
                sys.executable,
                "-m",
                "ansible.cli.adhoc",
                *words,
                *options,
                f"--module-name={module}",
                f"--args={json.dumps(dict(arguments))}",
            ],
            cwd=self.folder,
            env={**os.environ, **settings, **(environment or {})},
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=600,
        )
        _, arrow, said = ended.stdout.partition(" => ")
        assert arrow, ended.stdout + ended.stderr
        values: dict[str, Any] = json.loads(said)
        return Result(ended.returncode == 0, bool(values["changed"]), values)
