"""infra.yaml as written: its keys, those of config-tools among them, and what each may hold."""

import ipaddress
import math
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from reprov.domain.infra import JsonValue
from reprov.domain.role import RoleName, TreePath, Word
from reprov.domain.yaml_text import Location

CONFIG_TOOLS_KEYS = frozenset({"infra", "serverspec"})
"""At the top of a file that config-tools has written; reprov needs none of them."""

_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*")
_PROFILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_SERVICE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@+-]*")
_OF_ANSIBLE = frozenset({"all", "ungrouped"})


def is_host(text: str) -> bool:
    """True for an address and for a name that DNS allows (RFC 1123), which `10.0.0.300` is not."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return bool(_HOST.fullmatch(text)) and not text.rpartition(".")[2].isdigit() and text not in _OF_ANSIBLE
    return True


def _is_profile(name: str) -> str:
    if not _PROFILE.fullmatch(name):
        raise ValueError(f"{name!r} is not a name for a profile (A-Z a-z 0-9 _ . -)")
    if name in _OF_ANSIBLE:
        raise ValueError(f"{name!r} is not a name for a profile: Ansible has a group of that name")
    return name


def _as_text(value: object) -> object:
    return str(value) if type(value) is int else value


def _is_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError(f"{text!r} has characters that no name has")
    return text


def _services(step: object) -> object:
    """`[a, b]`, and config-tools' `{roles: [a, b]}`."""
    if isinstance(step, Mapping):
        step = step.get("roles")
    if step is None:
        return ()
    if not isinstance(step, list):
        raise ValueError("a list of services or Puppet classes is expected, or `roles:` and such a list")
    for name in step:
        if not isinstance(name, str) or not _SERVICE.fullmatch(name):
            raise ValueError(f"{name!r} is neither a service nor a Puppet class")
    return tuple(step)


def _is_json(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number is expected that an inventory can hold, neither .inf nor .nan")
    if isinstance(value, Mapping):
        for name, item in value.items():
            _is_json(name)
            _is_json(item)
    elif isinstance(value, list):
        for item in value:
            _is_json(item)
    elif not isinstance(value, str | bool | int | float | None):
        raise ValueError("an inventory holds texts, numbers, lists and mappings, and none of YAML's other kinds")
    return value


Text = Annotated[str, BeforeValidator(_as_text), AfterValidator(_is_line), Field(min_length=1)]
InfraName = Annotated[Word, BeforeValidator(_as_text)]
ProfileName = Annotated[str, BeforeValidator(_as_text), AfterValidator(_is_profile)]
Json = Annotated[Any, AfterValidator(_is_json)]
Variables = dict[str, Json]


class _Fields(BaseModel):
    # Unknown keys are judged by the reader: in a file of config-tools they are no mistakes.
    model_config = ConfigDict(extra="allow", strict=True, frozen=True)
    __pydantic_extra__: dict[str, Json]

    @property
    def unknown(self) -> dict[str, JsonValue]:
        """The keys that this is not made of."""
        return dict(self.model_extra or {})


class ProfileFields(_Fields):
    """A profile."""

    arity: Text
    role: RoleName | None = None
    edeploy: RoleName | None = None
    """What config-tools calls the role."""
    steps: dict[str, Annotated[tuple[str, ...], BeforeValidator(_services)]] | None = None
    serverspec_config: Json = None
    """Of config-tools: where its tests find their parameters."""


class HostFields(_Fields):
    """A host, or the hosts of a range."""

    profile: ProfileName | None = None
    address: Text | None = None
    ip: Text | None = None
    """What config-tools calls the address."""
    failure_domain: Text | None = None
    variables: Variables | None = None
    config: Variables | None = None
    """What config-tools calls the variables."""


class InfraFields(_Fields):
    """The whole file. Hosts are read one by one, because their ranges have to be expanded before."""

    name: InfraName
    infra: InfraName | None = None
    """Of config-tools: the name again, of the environment that was merged into the file."""
    profiles: dict[ProfileName, ProfileFields]
    ordered_profiles: list[ProfileName] | None = None
    hosts: dict[str, dict[str, Any] | None] | None = None
    config: Variables | None = None
    checks: list[TreePath] | None = None
    baseline: list[Word] | None = None
    probes: list[dict[str, Json]] | None = None
    serverspec: Json = None
    """Of config-tools: which test belongs to which Puppet class."""


def keys_at(location: Location) -> Iterable[str]:
    """The keys of the mapping that a key of the file stands in."""
    models: dict[object, type[_Fields]] = {"profiles": ProfileFields, "hosts": HostFields}
    model = models.get(location[0], InfraFields) if len(location) > 2 else InfraFields
    return model.model_fields
