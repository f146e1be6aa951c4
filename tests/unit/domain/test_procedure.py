"""A procedure on the hosts of an infra: which stages, which hosts, which steps, and what is left out."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from reprov.domain.course import Spread
from reprov.domain.packages import PackageChange
from reprov.domain.procedure import Action, HostRule, Procedure, StageRule, Take, Target, Undo, course_of
from reprov.domain.snippet import Derived, Family, Service, Snippet, Task, Touched
from reprov.errors import InvalidInput
from tests.fleet_samples import infra

DO = Action("do", "Do it", {}, (), "a")


def a_snippet(service: Service, *steps: int, quorum: bool = False) -> Snippet:
    names: Mapping[Family, tuple[str, ...]] = {Family.DEBIAN: (service,), Family.RPM: (service,)}
    tasks = tuple(Task(f"{service} {step}", step, "", 1) for step in steps)
    return Snippet(service, service, names, {}, names, quorum, (), {}, tasks, f"{service}.yaml")


SNIPPETS = {
    "db": a_snippet("db", 4, 6, quorum=True),
    "api": a_snippet("api", 3, 7),
    "agent": a_snippet("agent", 3, 8),
}
RUNNING = {"control": frozenset({"db", "api"}), "compute": frozenset({"agent"}), "other": frozenset[Service]()}


def touched(profile: str, *services: Service) -> Derived:
    return Derived(profile, tuple(Touched(service, (PackageChange(service, "amd64", "upgraded", "1", "2"),)) for service in services))


def a_target(*derived: Derived) -> Target:
    return Target(infra({"control": 3, "compute": 2, "other": 1}), {item.profile: item for item in derived}, RUNNING, SNIPPETS)


ALL = a_target(touched("control", "db", "api"), touched("compute", "agent"), touched("other"))
RULE = StageRule("s", "S", HostRule(Take.EACH), "", tuple(range(1, 10)), (), True, (), (), (), Undo("", ()), 7)


def procedure(*rules: StageRule) -> Procedure:
    return Procedure("p", "P", "", "", False, {}, rules, "p.yaml")


HOSTS = {
    "every host, in the order of profiles": (HostRule(Take.EACH), ["control1", "control2", "control3", "compute1", "compute2", "other1"]),
    "a profile": (HostRule(Take.EACH, profile="compute"), ["compute1", "compute2"]),
    "a service": (HostRule(Take.EACH, service="api"), ["control1", "control2", "control3"]),
    "not those of an earlier stage": (HostRule(Take.EACH, without=("api", "agent")), ["other1"]),
    "the first": (HostRule(Take.FIRST, service="agent"), ["compute1"]),
    "the last": (HostRule(Take.LAST, service="agent"), ["compute2"]),
    "the first that can be reached": (HostRule(Take.ONCE, service="agent"), ["compute1", "compute2"]),
}


@pytest.mark.parametrize(("hosts", "names"), HOSTS.values(), ids=HOSTS.keys())
def test_a_stage_is_for_these_hosts(hosts: HostRule, names: list[str]) -> None:
    ((applied,), left_out) = procedure(replace(RULE, hosts=hosts)).applied(ALL)
    assert (list(applied.stage.hosts), left_out) == (names, ())


SPREADS = {
    "members of a quorum that are re-imaged, touched or not": (
        replace(RULE, hosts=HostRule(Take.EACH, profile="control")),
        a_target(touched("control", "api")),
        Spread.ONE_BY_ONE,
    ),
    "members of a quorum of which other services are restarted": (
        replace(RULE, hosts=HostRule(Take.EACH, profile="control"), touched=False, services=("api",)),
        ALL,
        Spread.EACH,
    ),
    "members of a quorum that are restarted": (replace(RULE, touched=False, services=("db",)), ALL, Spread.ONE_BY_ONE),
    "no quorum": (replace(RULE, hosts=HostRule(Take.EACH, profile="compute")), ALL, Spread.EACH),
    "what the procedure wants together": (replace(RULE, hosts=HostRule(Take.TOGETHER)), ALL, Spread.TOGETHER),
    "what the procedure wants once": (replace(RULE, hosts=HostRule(Take.ONCE)), ALL, Spread.ONCE),
    "what the procedure wants one by one": (replace(RULE, hosts=HostRule(Take.ONE_BY_ONE, profile="compute")), ALL, Spread.ONE_BY_ONE),
}


@pytest.mark.parametrize(("rule", "target", "spread"), SPREADS.values(), ids=SPREADS.keys())
def test_hosts_follow_each_other(rule: StageRule, target: Target, spread: Spread) -> None:
    assert procedure(rule).applied(target)[0][0].stage.spread is spread


TAGS = {
    "those of the snippets and the re-image": (RULE, (3, 4, 5, 6, 7, 8)),
    "those of the stage alone": (replace(RULE, tags=(3, 7)), (3, 7)),
    "those of its actions, too": (replace(RULE, touched=False, actions=((2, DO), (9, DO))), (2, 9)),
    "the first for checks before": (replace(RULE, touched=False, services=("db",), before=(DO,)), (1, 4, 6)),
    "the last for checks after": (replace(RULE, touched=False, services=("db",), after=(DO,)), (4, 6, 9)),
}


@pytest.mark.parametrize(("rule", "tags"), TAGS.values(), ids=TAGS.keys())
def test_only_steps_with_something_to_do_are_run(rule: StageRule, tags: tuple[int, ...]) -> None:
    assert procedure(rule).applied(ALL)[0][0].stage.tags == tags


LEFT_OUT = {
    "no release changes for its hosts": (RULE, a_target(), "no release changes for all hosts"),
    "no release changes for its profile": (
        replace(RULE, hosts=HostRule(Take.EACH, profile="other")),
        a_target(touched("compute", "agent")),
        "no release changes for hosts of profile other",
    ),
    "no release touches its services": (
        replace(RULE, touched=False, services=("db",)),
        a_target(touched("control", "api")),
        "no release touches db there",
    ),
    "no host has its service": (replace(RULE, hosts=HostRule(Take.EACH, service="none")), ALL, "the infra has no hosts with none"),
    "no snippet has a task for its steps": (
        replace(RULE, touched=False, services=("db",), tags=(3,)),
        ALL,
        "no release touches db there",
    ),
    "nothing that changes has a task for its steps": (
        replace(RULE, tags=(2,)),
        ALL,
        "nothing that the releases touch has tasks in step 2",
    ),
}


@pytest.mark.parametrize(("rule", "target", "reason"), LEFT_OUT.values(), ids=LEFT_OUT.keys())
def test_a_stage_is_left_out_when(rule: StageRule, target: Target, reason: str) -> None:
    applied, left_out = procedure(rule).applied(target)
    assert (applied, [item.reason for item in left_out]) == ((), [reason])


def test_hosts_whose_release_stays_are_not_stopped() -> None:
    ((applied,), _) = procedure(RULE).applied(a_target(touched("compute", "agent")))
    assert applied.stage.hosts == ("compute1", "compute2")


def test_a_stage_for_each_profile_is_one_stage_a_profile() -> None:
    applied, left_out = procedure(replace(RULE, hosts=HostRule(Take.EACH, each_profile=True))).applied(
        a_target(touched("control", "db"), touched("compute", "agent"))
    )
    assert [(item.stage.name, item.stage.title) for item in applied] == [("s-control", "S control"), ("s-compute", "S compute")]
    assert [item.reason for item in left_out] == ["no release changes for hosts of profile other"]


def test_what_is_derived_is_narrowed_to_what_the_stage_has_tasks_for() -> None:
    stages, _ = procedure(replace(RULE, tags=(3, 7)), replace(RULE, touched=False, services=("db",)), RULE).applied(ALL)
    found = [[touched.service for derived in item.derived for touched in derived.services] for item in stages]
    assert found == [["api", "agent"], ["db"], ["db", "api", "agent"]]


def test_a_profile_that_there_is_not_is_an_error_with_its_line() -> None:
    with pytest.raises(InvalidInput) as raised:
        procedure(replace(RULE, hosts=HostRule(Take.EACH, profile="seed"))).course(ALL)
    assert raised.value.message == "p.yaml:7: stage 's' is for profile 'seed', which infra.yaml does not have"
    assert raised.value.hint is not None
    assert raised.value.hint.startswith("it has control, compute, other;")


def test_the_course_has_the_failure_domains() -> None:
    course = procedure(RULE).course(ALL)
    assert course == course_of(procedure(RULE).applied(ALL)[0], ALL.infra)
    assert course.domain_of("compute2") == "rack2"
