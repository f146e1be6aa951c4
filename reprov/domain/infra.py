"""An infra: the profiles of a site, the order in which they are treated, and the hosts that have them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from reprov.domain.arity import Arity

INFRA_FILE = "infra.yaml"

JsonValue: TypeAlias = bool | int | float | str | Sequence["JsonValue"] | Mapping[str, "JsonValue"] | None
"""What a variable can be: everything that survives the way into an inventory."""


class Host(NamedTuple):
    """One node of the fleet."""

    name: str
    profile: str
    address: str
    """Where ssh finds it: the name, unless infra.yaml says otherwise."""
    failure_domain: str
    """What fails together with it: a rack, a power feed; its own name when infra.yaml says nothing."""
    variables: Mapping[str, JsonValue]


class Profile(NamedTuple):
    """What hosts have in common: the role that they are installed with and what runs on them."""

    name: str
    role: str
    arity: Arity
    steps: Mapping[int, tuple[str, ...]]
    """Services or Puppet classes by the convergence step that brings them, 0 to 5, in the order of the steps."""


@dataclass(frozen=True, slots=True)
class Infra:
    """infra.yaml, judged and with all ranges expanded; `adapters.infra_file.load_infra` is the way to get one."""

    name: str
    profiles: Mapping[str, Profile]
    """By name, in the order of `ordered_profiles`."""
    ordered_profiles: tuple[str, ...]
    """Every profile once, in the order in which a rollout treats them."""
    hosts: tuple[Host, ...]
    """In the order of the file."""
    config: Mapping[str, JsonValue]
    """Variables of all hosts, and what config-tools keeps beside them."""
    checks: tuple[str, ...]
    """Files beside infra.yaml that say whether the site works."""
    path: str
    """The file, for messages."""
    baseline: tuple[str, ...] = ()
    """Names of health warnings that this site has always had, and that stop nothing."""
    probes: tuple[Mapping[str, JsonValue], ...] = ()
    """What must be there and work before and after a rollout, as `domain.probes` reads it."""

    def of_profile(self, name: str) -> tuple[Host, ...]:
        """The hosts that have this profile, in the order of the file."""
        return tuple(host for host in self.hosts if host.profile == name)
