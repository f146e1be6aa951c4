"""A procedure: the stages of an upgrade as data, and what they come to on the hosts of an infra for the releases that it is to get."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from reprov.domain.course import Course, Spread, Stage
from reprov.domain.infra import Host, Infra
from reprov.domain.snippet import REIMAGE, Derived, Family, Service, Snippet
from reprov.errors import InvalidInput


class Take(StrEnum):
    """Which hosts of a group a stage is for, and how they follow each other."""

    EACH = "each"
    """All, in the batches of the policy; one by one where the stage takes members of a quorum away."""
    ONE_BY_ONE = "one-by-one"
    TOGETHER = "together"
    FIRST = "first"
    """The first of the group, and no other will do."""
    LAST = "last"
    ONCE = "once"
    """The first of the group that can be reached."""


_SPREADS: Final = {Take.ONE_BY_ONE: Spread.ONE_BY_ONE, Take.TOGETHER: Spread.TOGETHER, Take.ONCE: Spread.ONCE}
"""Of those that are not `Spread.EACH` in any case."""


class HostRule(NamedTuple):
    """The group of hosts that a stage is for: all of the infra, unless something narrows it."""

    take: Take
    profile: str = ""
    service: Service = ""
    """Hosts whose release has a package of this service."""
    without: tuple[Service, ...] = ()
    """Not the hosts whose release has a package of one of these: an earlier stage is for them."""
    each_profile: bool = False
    """Whether the stage is repeated for every profile, in the order of the infra."""

    def __str__(self) -> str:
        """The group in words: "hosts with nova-compute"."""
        if self.each_profile:
            return "the hosts of each profile"
        hosts = f"hosts of profile {self.profile}" if self.profile else "hosts" if self.service else "all hosts"
        service = f" with {self.service}" if self.service else ""
        without = f" without {', '.join(self.without)}" if self.without else ""
        return f"{hosts}{service}{without}"


class OwnTask(NamedTuple):
    """An Ansible task of an action."""

    name: str
    family: Family | None
    """None: of every distribution."""
    module: str
    arguments: object
    """What the module is given: a text or a mapping."""
    text: str
    """As it stands in the file, the dash in the first column; ends with a line break."""


@dataclass(frozen=True, slots=True)
class Action:
    """playbooks/actions/<name>.yaml, or playbooks/checks/<name>.yaml, whose tasks change nothing and fail when it is not safe to go on."""

    name: str
    title: str
    """What it does; of a check, what is so when it passes."""
    defaults: Mapping[str, object]
    """Variables of its tasks that an infra can set otherwise, by name."""
    tasks: tuple[OwnTask, ...]
    path: str


class Undo(NamedTuple):
    """The way back from a stage."""

    text: str
    actions: tuple[Action, ...]
    """What `undo.yml` runs for it; none where words, or the way back of another stage, are all there is."""


@dataclass(frozen=True, slots=True)
class StageRule:
    """A stage as the procedure has it, before it is known which hosts there are and what the releases change."""

    name: str
    title: str
    hosts: HostRule
    impact: str
    """What users of the site notice, in words."""
    tags: tuple[int, ...]
    before: tuple[Action, ...]
    """Checks that are made before anything else of the stage's first tag."""
    touched: bool
    """Whether its snippets are those of all services that the release touches."""
    services: tuple[Service, ...]
    """Its snippets otherwise; a stage that names some is left out where the release touches none of them."""
    actions: tuple[tuple[int, Action], ...]
    """Actions by their tag, in order; each is done before the snippets of its tag."""
    after: tuple[Action, ...]
    """Checks that are made behind everything else of the stage's last tag."""
    undo: Undo
    line: int

    @property
    def all_actions(self) -> tuple[Action, ...]:
        """Every action and check that it names, those of its way back among them."""
        return (*self.before, *(action for _, action in self.actions), *self.after, *self.undo.actions)


@dataclass(frozen=True, slots=True)
class Target:
    """The hosts of an infra, and what the releases that they are to get mean for them."""

    infra: Infra
    derived: Mapping[str, Derived]
    """By profile; only profiles whose role gets another release."""
    running: Mapping[str, frozenset[Service]]
    """The services that a profile's release has packages of, by profile."""
    snippets: Mapping[Service, Snippet]

    def hosts(self, rule: HostRule) -> Iterator[Host]:
        """The group of a rule, in the order of profiles and then of the infra's file."""
        for profile in self.infra.ordered_profiles:
            services = self.running.get(profile, frozenset())
            if rule.profile in ("", profile) and (not rule.service or rule.service in services) and services.isdisjoint(rule.without):
                yield from self.infra.of_profile(profile)


class Applied(NamedTuple):
    """A stage on its hosts."""

    rule: StageRule
    stage: Stage
    derived: tuple[Derived, ...]
    """Of the profiles of its hosts, narrowed to the services whose snippets it has."""


class LeftOut(NamedTuple):
    """A stage that there is nothing to do for."""

    rule: StageRule
    reason: str


@dataclass(frozen=True, slots=True)
class Procedure:
    """playbooks/procedures/<name>.yaml."""

    name: str
    title: str
    source: str
    """The document that it follows."""
    impact: str
    in_place: bool
    """Whether the package manager brings the packages that change, instead of step 5 a tree: then hosts get no release."""
    variables: Mapping[str, object]
    """Of its actions, by name, where their defaults will not do; what the infra says goes before."""
    stages: tuple[StageRule, ...]
    path: str

    def course(self, target: Target) -> Course:
        """What the engine runs."""
        return course_of(self.applied(target)[0], target.infra)

    def applied(self, target: Target) -> tuple[tuple[Applied, ...], tuple[LeftOut, ...]]:
        """The stages on their hosts, and those that are left out. Raises `InvalidInput` for a profile that the infra does not have."""
        applied: list[Applied] = []
        left_out: list[LeftOut] = []
        for rule in self.stages:
            for group in self._groups(rule, target.infra):
                found = _apply(rule, group, target)
                if isinstance(found, Applied):
                    applied.append(found)
                else:
                    left_out.append(found)
        return tuple(applied), tuple(left_out)

    def _groups(self, rule: StageRule, infra: Infra) -> list[HostRule]:
        profile = rule.hosts.profile
        if profile and profile not in infra.profiles:
            raise InvalidInput(
                f"{self.path}:{rule.line}: stage {rule.name!r} is for profile {profile!r}, which {infra.path} does not have",
                hint=f"it has {', '.join(infra.profiles)}; a copy of the procedure in a --library of your own can name these",
            )
        return [rule.hosts._replace(profile=name) for name in infra.ordered_profiles] if rule.hosts.each_profile else [rule.hosts]


def course_of(applied: Iterable[Applied], infra: Infra) -> Course:
    """The course of these stages."""
    return Course(tuple(item.stage for item in applied), {host.name: host.failure_domain for host in infra.hosts})


def _apply(rule: StageRule, group: HostRule, target: Target) -> Applied | LeftOut:
    hosts = tuple(target.hosts(group))
    if not hosts:
        return LeftOut(rule, f"the infra has no {group._replace(each_profile=False)}")
    derived = tuple(
        _narrow(item, rule, target) for profile, item in target.derived.items() if any(host.profile == profile for host in hosts)
    )
    if rule.touched:
        # Only those that get another release: a host whose role stays as it is has nothing to stop.
        hosts = tuple(host for host in hosts if host.profile in target.derived)
        if not hosts:
            return LeftOut(rule, f"no release changes for {group._replace(each_profile=False)}")
    if rule.services and not any(item.services for item in derived):
        return LeftOut(rule, f"no release touches {', '.join(rule.services)} there")
    tags = _busy_tags(rule, derived, target)
    if not tags:
        return LeftOut(rule, f"nothing that the releases touch has tasks in step {', '.join(map(str, rule.tags))}")
    names = tuple(host.name for host in hosts)
    picked = {Take.FIRST: names[:1], Take.LAST: names[-1:]}.get(group.take, names)
    spread = _spread(rule, derived, {host.profile for host in hosts}, target)
    name, title = (f"{rule.name}-{group.profile}", f"{rule.title} {group.profile}") if rule.hosts.each_profile else (rule.name, rule.title)
    return Applied(rule, Stage(name, title, picked, tags, spread), derived)


def _narrow(derived: Derived, rule: StageRule, target: Target) -> Derived:
    """Without the services that the stage has no task for; a re-image is for all of them."""
    if rule.touched and REIMAGE in rule.tags:
        return derived
    named = rule.services or [touched.service for touched in derived.services if rule.touched]
    services = (item for item in derived.services if item.service in named and not target.snippets[item.service].tags.isdisjoint(rule.tags))
    return derived._replace(services=tuple(services), unknown=())


def _busy_tags(rule: StageRule, derived: tuple[Derived, ...], target: Target) -> tuple[int, ...]:
    """The stage's tags that have something to do: an empty run of Ansible on a thousand hosts takes minutes."""
    busy = {step for step, _ in rule.actions}
    for item in derived:
        for touched in item.services:
            busy |= target.snippets[touched.service].tags
    if rule.touched:
        busy.add(REIMAGE)
    if rule.before:
        busy.add(rule.tags[0])
    if rule.after:
        busy.add(rule.tags[-1])
    return tuple(tag for tag in rule.tags if tag in busy)


def _spread(rule: StageRule, derived: tuple[Derived, ...], profiles: set[str], target: Target) -> Spread:
    if rule.hosts.take is not Take.EACH:
        return _SPREADS.get(rule.hosts.take, Spread.EACH)
    away = {touched.service for item in derived for touched in item.services}
    if rule.touched and REIMAGE in rule.tags:
        # A re-image may end with a boot, which takes every service of the host away.
        away |= {service for profile in profiles for service in target.running.get(profile, ())}
    return Spread.ONE_BY_ONE if any(target.snippets[service].quorum for service in away) else Spread.EACH
