"""A task of Ansible as somebody would type it on the host: the commands of a runbook."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from reprov.domain.procedure import OwnTask
from reprov.domain.snippet_text import MODULES

_VARIABLE: Final = re.compile(r"\{\{ *([a-z_]+) *(?:\| *join\('(?P<joined>[^']*)'\) *)?\}\}")
_IS_LOCAL: Final = re.compile("^  delegate_to: localhost$", re.MULTILINE)
_STATES: Final = {"started": "start", "stopped": "stop", "restarted": "restart", "reloaded": "reload"}
_PACKAGES: Final = {"apt": "apt-get install", "dnf": "dnf install"}


def commands_of(task: OwnTask, variables: Mapping[str, object], host: str) -> tuple[str, ...]:
    """The lines to type for it, with known variables filled in; for a module that is no command, Ansible's own line."""
    module = task.module.removeprefix(MODULES)
    arguments: Any = task.arguments
    if module in ("command", "shell"):
        text = arguments if isinstance(arguments, str) else _joined(arguments)
    elif module == "systemd_service":
        text = "\n".join(_of_unit(arguments))
    elif module in _PACKAGES:
        names = arguments["name"]
        words = [_PACKAGES[module], *([names] if isinstance(names, str) else names)]
        text = " ".join(words)
    elif module == "file" and arguments["state"] in ("absent", "directory"):
        text = f"{'rm -rf --' if arguments['state'] == 'absent' else 'mkdir -p --'} {arguments['path']}"
    elif module == "assert":
        conditions = arguments["that"]
        text = "\n".join(f"# must be so: {that}" for that in ([conditions] if isinstance(conditions, str) else conditions))
    else:
        where = f"{host} --connection local" if _IS_LOCAL.search(task.text) else host
        text = f"ansible {where} -m {module} -a {shlex.quote(json.dumps(arguments, ensure_ascii=False))}"
        return (_filled(text, variables, ","),)
    return tuple(_filled(text.rstrip("\n"), variables, " ").split("\n"))


def _joined(arguments: Mapping[str, Any]) -> str:
    """A command that is written as a list of words; words with variables are not quoted, which would hide these."""
    words: Sequence[str] = [str(word) for word in arguments["argv"]]
    return " ".join(word if "{{" in word else shlex.quote(word) for word in words)


def _of_unit(arguments: Mapping[str, Any]) -> Iterator[str]:
    unit = arguments["name"]
    if "enabled" in arguments and not arguments["enabled"]:
        yield f"systemctl disable {unit}"
    if "masked" in arguments:
        yield f"systemctl {'mask' if arguments['masked'] else 'unmask'} {unit}"
    if arguments.get("enabled"):
        yield f"systemctl enable {unit}"
    if "state" in arguments:
        yield f"systemctl {_STATES[arguments['state']]} {unit}"


def _filled(text: str, variables: Mapping[str, object], between: str) -> str:
    def value_of(found: re.Match[str]) -> str:
        value = variables.get(found[1])
        if isinstance(value, list | tuple) and all(isinstance(item, str | int) for item in value):
            return (found["joined"] or between).join(map(str, value))
        return str(value) if isinstance(value, str | int) else found[0]

    # Twice: a default may name another variable.
    return _VARIABLE.sub(value_of, _VARIABLE.sub(value_of, text))
