"""The convergence hook of a role: which configuration management has the last word on a node, and how it is asked.

One set of keys in three places: below `converge:` of role.yaml, in role.json, which a release carries, and in the node's own
/etc/reprov/converge.json, which goes before it. That one is JSON because a node has no YAML library, and JSON pasted below `converge:`
of a role.yaml is YAML.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from reprov.domain.known_keys import unknown_key
from reprov.errors import InvalidInput

HOOK_TIMEOUT_S: Final = 3600
"""After which one run has failed. A first run that installs a database server takes tens of minutes."""
STEPS: Final = range(6)
"""What config-tools numbered its rounds of Puppet with."""
NODE_HOOK: Final = "etc/reprov/converge.json"


class PuppetMode(StrEnum):
    """Where the catalogue comes from."""

    APPLY = "apply"
    AGENT = "agent"


@dataclass(frozen=True, slots=True)
class PuppetHook:
    """Puppet with what is on the node (apply), or with what its server says (agent)."""

    mode: PuppetMode
    manifest: str = ""
    """File or directory on the node; of apply."""
    modulepath: tuple[str, ...] = ()
    hiera: str = ""
    """hiera.yaml of apply; "" for Puppet's own."""
    environment: str = ""
    server: str = ""
    """Of agent; "" for the one in puppet.conf."""
    steps: tuple[int, ...] = ()
    """Each one is converged by itself, with the fact reprov_step; () for a single one without it."""
    timeout_s: int = HOOK_TIMEOUT_S

    tool = "puppet"


@dataclass(frozen=True, slots=True)
class AnsibleHook:
    """A playbook that the node runs on itself, of its own or of a git repository."""

    playbook: str = ""
    """File on the node, or in the repository ("" there: what ansible-pull looks for)."""
    pull: str = ""
    """Address of the git repository; "" for none."""
    revision: str = ""
    inventory: str = ""
    """"" for localhost alone."""
    tags: tuple[str, ...] = ()
    variables: str = ""
    """A JSON object; "" for none."""
    timeout_s: int = HOOK_TIMEOUT_S

    tool = "ansible"
    steps = ()


Hook = PuppetHook | AnsibleHook

_WORDS: Final = ("puppet", "manifest", "hiera", "environment", "server", "ansible", "pull", "revision", "inventory")
_LISTS: Final = ("modulepath", "tags")
_PUPPET: Final = ("puppet", "manifest", "modulepath", "hiera", "environment", "server", "steps", "timeout-s")
_ANSIBLE: Final = ("ansible", "pull", "revision", "inventory", "tags", "vars", "timeout-s")


def parse_hook(text: str, source: str) -> Hook:
    """Read /etc/reprov/converge.json. Raises `InvalidInput` with the file, and the line where it is no JSON."""
    try:
        fields = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidInput(f"{source}:{error.lineno}: not JSON ({error.msg})") from None
    try:
        return hook_of(fields)
    except ValueError as error:
        raise InvalidInput(f"{source}: {error}", hint="the keys are those below converge: of a role.yaml") from None


def hook_of(fields: object) -> Hook:
    """The hook that these keys say. Raises `ValueError` that names the key."""
    if not isinstance(fields, Mapping):
        raise ValueError("a hook is keys and values: puppet: apply, or ansible: PLAYBOOK")
    known = _PUPPET if "puppet" in fields else _ANSIBLE
    for key in fields:
        if key not in known:
            raise ValueError(unknown_key(key, known))
    for key in _WORDS:
        if not isinstance(fields.get(key, "x"), str) or not fields.get(key, "x") or fields.get(key, "x").startswith("-"):
            raise ValueError(f"{key}: a word is expected, that is no option")
    for key in _LISTS:
        if not _is_list_of(str, fields.get(key, [])):
            raise ValueError(f"{key}: a list of words is expected")
    timeout_s = fields.get("timeout-s", HOOK_TIMEOUT_S)
    if type(timeout_s) is not int or timeout_s < 1:
        raise ValueError("timeout-s: a number of seconds is expected")
    return _puppet(fields, timeout_s) if "puppet" in fields else _ansible(fields, timeout_s)


def fields_of(hook: Hook) -> dict[str, Any]:
    """The keys that `hook_of` reads, without those that say nothing."""
    if isinstance(hook, PuppetHook):
        fields: dict[str, Any] = {"puppet": hook.mode.value, "manifest": hook.manifest, "modulepath": list(hook.modulepath)}
        fields |= {"hiera": hook.hiera, "environment": hook.environment, "server": hook.server, "steps": list(hook.steps)}
    else:
        fields = {"ansible": hook.playbook, "pull": hook.pull, "revision": hook.revision, "inventory": hook.inventory}
        fields |= {"tags": list(hook.tags), "vars": json.loads(hook.variables) if hook.variables else {}}
    return {key: value for key, value in fields.items() if value} | {"timeout-s": hook.timeout_s}


def _puppet(fields: Mapping[str, Any], timeout_s: int) -> PuppetHook:
    if fields["puppet"] not in list(PuppetMode):
        raise ValueError(f"puppet: apply or agent, not {fields['puppet']!r}")
    mode = PuppetMode(fields["puppet"])
    if mode is PuppetMode.APPLY and "manifest" not in fields:
        raise ValueError("manifest: puppet apply needs one")
    for key in ("server",) if mode is PuppetMode.APPLY else ("manifest", "modulepath", "hiera"):
        if key in fields:
            raise ValueError(f"{key}: not of puppet {mode.value}")
    steps = fields.get("steps", [])
    if not _is_list_of(int, steps) or any(step not in STEPS for step in steps) or sorted(set(steps)) != steps:
        raise ValueError(f"steps: numbers from {STEPS[0]} to {STEPS[-1]} in their order are expected")
    return PuppetHook(
        mode,
        fields.get("manifest", ""),
        tuple(fields.get("modulepath", ())),
        fields.get("hiera", ""),
        fields.get("environment", ""),
        fields.get("server", ""),
        tuple(steps),
        timeout_s,
    )


def _ansible(fields: Mapping[str, Any], timeout_s: int) -> AnsibleHook:
    if not fields.keys() & {"ansible", "pull"}:
        raise ValueError("it names neither puppet, nor ansible, nor pull")
    if "revision" in fields and "pull" not in fields:
        raise ValueError("revision: of a repository, and pull names none")
    variables = fields.get("vars", {})
    if not isinstance(variables, Mapping) or not all(isinstance(name, str) for name in variables):
        raise ValueError("vars: names and values are expected")
    return AnsibleHook(
        fields.get("ansible", ""),
        fields.get("pull", ""),
        fields.get("revision", ""),
        fields.get("inventory", ""),
        tuple(fields.get("tags", ())),
        json.dumps(variables) if variables else "",
        timeout_s,
    )


def _is_list_of(kind: type, found: object) -> bool:
    return isinstance(found, Sequence) and not isinstance(found, str) and all(type(item) is kind for item in found)
