"""Reading infra.yaml: one that was written for reprov, or one of config-tools as it is."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from reprov.domain.arity import Arity
from reprov.domain.hook import STEPS
from reprov.domain.infra import Host, Infra, JsonValue, Profile
from reprov.domain.infra_fields import CONFIG_TOOLS_KEYS, InfraFields, ProfileFields, keys_at
from reprov.domain.infra_hosts import HostReader
from reprov.domain.known_keys import did_you_mean, unknown_key
from reprov.domain.probes import read_probes
from reprov.domain.problem import Problem
from reprov.domain.yaml_model import validated
from reprov.domain.yaml_text import YamlText
from reprov.errors import InvalidInput, all_invalid


class ReadInfra(NamedTuple):
    """An infra, and what an operator should know of its file although nothing is wrong with it."""

    infra: Infra
    notes: tuple[str, ...]
    """Each with file:line."""


def parse_infra(text: str, source: str) -> ReadInfra:
    """Read infra.yaml. Raises `InvalidInput` with file:line, of all problems that there are."""
    return _Reader(YamlText(text, source, "an infra"), source).read()


class _Reader:
    """Collects problems and notes on the way through a file."""

    def __init__(self, text: YamlText, source: str) -> None:
        self._text = text
        self._source = source
        self._fields = validated(InfraFields, text, text.data, keys_at)
        self._problems: list[InvalidInput] = []
        self._notes: dict[str, str] = {}
        has_edeploy = any(profile.edeploy is not None for profile in self._fields.profiles.values())
        self._is_config_tools = has_edeploy or not CONFIG_TOOLS_KEYS.isdisjoint(text.data)

    def read(self) -> ReadInfra:
        """The infra. Raises `InvalidInput` of everything that was collected."""
        fields = self._fields
        if fields.infra is not None and fields.infra != fields.name:
            self._refuse(("infra",), f"the environment is for the infra {fields.infra!r}, and this one is {fields.name!r}")
        config = self._config()
        profiles = {name: self._profile(name, profile) for name, profile in fields.profiles.items()}
        self._refuse_one_group(profiles)
        ordered = self._ordered(profiles)
        hosts = self._hosts(profiles)
        self._judge_probes()
        if self._problems:
            raise all_invalid(sorted(self._problems, key=lambda problem: Problem.of(problem).line))
        infra = Infra(
            self._text.written(("name",)),
            {name: profiles[name] for name in ordered},
            ordered,
            hosts,
            config,
            tuple(fields.checks or ()),
            self._source,
            tuple(fields.baseline or ()),
            tuple(fields.probes or ()),
        )
        return ReadInfra(infra, tuple(f"{place}: {text}" for text, place in self._notes.items()))

    def _config(self) -> Mapping[str, JsonValue]:
        """What the file has in `config`, and what config-tools has beside it."""
        fields = self._fields
        beside = fields.unknown
        if fields.serverspec is not None:
            beside["serverspec"] = fields.serverspec
        parameters = {name: profile.serverspec_config for name, profile in fields.profiles.items() if profile.serverspec_config is not None}
        for key in fields.unknown:
            self._judge_key((key,), key, InfraFields.model_fields, f"kept in config.{key}")
        if parameters:
            beside["serverspec_config"] = parameters
        config = dict(fields.config or {})
        for key in beside.keys() & config.keys():
            self._refuse(("config", key), f"config.{key}: the file has {key!r} beside `config`, too, where config-tools keeps its own")
        return {**config, **beside}

    def _profile(self, name: str, fields: ProfileFields) -> Profile:
        at = ("profiles", name)
        for key in fields.unknown:
            self._judge_key((*at, key), key, ProfileFields.model_fields, "left out")
        if fields.role is not None and fields.edeploy is not None:
            self._refuse((*at, "edeploy"), f"profiles.{name}: 'role' and 'edeploy' are two words for the same")
        arity = Arity(0, 1)
        try:
            arity = Arity.parse(self._text.written((*at, "arity")))
        except ValueError as error:
            self._refuse((*at, "arity"), f"profiles.{name}.arity: {error}")
        steps: dict[int, tuple[str, ...]] = {}
        for written, services in (fields.steps or {}).items():
            if written not in map(str, STEPS):
                self._refuse((*at, "steps", written), f"profiles.{name}.steps: {written!r} is no step ({STEPS[0]} to {STEPS[-1]})")
            else:
                steps[int(written)] = services
        return Profile(name, fields.role or fields.edeploy or name, arity, dict(sorted(steps.items())))

    def _refuse_one_group(self, profiles: Iterable[str]) -> None:
        """Ansible takes dashes for underscores in the names of groups."""
        seen: dict[str, str] = {}
        for name in profiles:
            other = seen.setdefault(name.replace("-", "_"), name)
            if other != name:
                line = self._text.line(("profiles", other))
                self._refuse(("profiles", name), f"profiles.{name}: would be one group of Ansible with {other!r} (line {line})")

    def _ordered(self, profiles: Iterable[str]) -> tuple[str, ...]:
        known = tuple(profiles)
        named = self._fields.ordered_profiles
        if named is None:
            return known
        for number, name in enumerate(named):
            at = ("ordered_profiles", number)
            if name not in known:
                self._refuse(at, f"ordered_profiles: there is no profile {name!r}{did_you_mean(name, known)}")
            elif name in named[:number]:
                first = self._text.line(("ordered_profiles", named.index(name)))
                self._refuse(at, f"ordered_profiles: {name!r} stands in line {first} already")
        for name in known:
            if name not in named:
                self._refuse(("profiles", name), f"ordered_profiles does not name {name!r}: when is its turn?")
        return tuple(name for name in named if name in known)

    def _hosts(self, profiles: Mapping[str, Profile]) -> tuple[Host, ...]:
        if "hosts" not in self._text.data:
            self._notes["names no hosts: they are in the environment that config-tools merges into it, as in its global.yml"] = (
                self._text.where(())
            )
            return ()
        reader = HostReader(self._text, profiles, is_config_tools=self._is_config_tools)
        hosts = reader.read(self._fields.hosts or {})
        self._problems += reader.problems
        for key, place in reader.kept_keys.items():
            self._notes[f"reprov has no use for {key!r} of a host; it is kept among the host's variables"] = place
        if not reader.problems:
            for name, profile in profiles.items():
                self._judge_count(profile, sum(host.profile == name for host in hosts))
        return hosts

    def _judge_probes(self) -> None:
        probes = self._fields.probes or []
        for number in range(len(probes)):
            try:
                read_probes(probes[: number + 1])
            except ValueError as error:
                self._refuse(("probes", number), f"probes: {error}")
                return

    def _judge_count(self, profile: Profile, count: int) -> None:
        if not profile.arity.fits(count):
            nearest = " or ".join(map(str, profile.arity.nearest(count)))
            said = f"{profile.name} has {count:,} host{'' if count == 1 else 's'}, and its arity is {profile.arity}: {nearest} would fit"
            self._refuse(("profiles", profile.name, "arity"), said)

    def _judge_key(self, at: tuple[str, ...], key: str, known: Iterable[str], kept: str) -> None:
        said = unknown_key(key, known)
        if not self._is_config_tools:
            self._refuse(at, said)
        else:
            self._notes[f"{said}; it is {kept}"] = self._text.where(at)

    def _refuse(self, at: tuple[int | str, ...], message: str) -> None:
        self._problems.append(self._text.invalid(at, message))
