"""What a rollout has around every procedure: the site is looked at before its first stage, behind its last, and behind each re-image."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from reprov.domain.check import Check, CheckKind
from reprov.domain.infra import Infra, JsonValue
from reprov.domain.procedure import Action, HostRule, Procedure, StageRule, Take, Undo
from reprov.domain.snippet import REIMAGE
from reprov.errors import InvalidInput

SITE_FOLDER: Final = "site"
"""Of a generated project: the files that `checks` of infra.yaml names."""
PYTHON: Final = "/usr/bin/python3"
"""What runs pytest, as `reprov check` has it."""

_FIRST, _LAST = 1, 9
_CEPH: Final = "ceph-mon"


def with_site_stages(procedure: Procedure, infra: Infra, probe: Action, works: Action, ceph: Action) -> Procedure:
    """The procedure with the stages that infra.yaml asks for: by `checks` and `probes`, and by `baseline`.

    `probe` is the action that looks at the site and writes down what it sees, `works` the check that compares, `ceph` the one that takes
    no warning but those of the baseline. Raises `InvalidInput` where the procedure has a stage of such a name itself.
    """
    first, last, rules = [], [], procedure.stages
    if infra.checks or infra.probes:
        everywhere = HostRule(Take.ONCE)
        first.append(_stage("site-before", "See that the site works, before anything is changed", everywhere, _FIRST, action=probe))
        last.append(_stage("site-after", "See that the site works as before", everywhere, _LAST, check=works))
        rules = tuple(_looking_back(rule, works) for rule in rules)
    if infra.baseline:
        monitors = HostRule(Take.ONCE, service=_CEPH)
        first.append(_stage("ceph-before", "See that Ceph warns of nothing new, before anything is changed", monitors, _FIRST, check=ceph))
        last.append(_stage("ceph-after", "See that Ceph warns of nothing new", monitors, _LAST, check=ceph))
    _refuse_twins(procedure, [*first, *last])
    return replace(procedure, stages=(*first, *rules, *last))


def site_variables(infra: Infra, checks: Iterable[Check]) -> Mapping[str, JsonValue]:
    """What these stages know of the site, as variables of the project."""
    found: dict[str, JsonValue] = {}
    probes: Sequence[Mapping[str, JsonValue]] = (*(_probe_of(check) for check in checks), *infra.probes)
    if probes:
        found["site_probes"] = probes
    if infra.baseline:
        found["ceph_baseline"] = infra.baseline
    return found


def _stage(name: str, title: str, hosts: HostRule, tag: int, *, action: Action | None = None, check: Action | None = None) -> StageRule:
    return StageRule(
        name=name,
        title=title,
        hosts=hosts,
        impact="None.",
        tags=(tag,),
        before=(),
        touched=False,
        services=(),
        actions=((tag, action),) if action else (),
        after=(check,) if check else (),
        undo=Undo("Nothing was changed.", ()),
        line=1,
    )


def _looking_back(rule: StageRule, works: Action) -> StageRule:
    """A host that has its release and has gone through its last actions is followed by no other before the site was seen to work."""
    is_whole = rule.touched and REIMAGE in rule.tags and rule.tags[-1] == _LAST
    return replace(rule, after=(*rule.after, works)) if is_whole else rule


def _refuse_twins(procedure: Procedure, own: Iterable[StageRule]) -> None:
    names = [rule.name for rule in own]
    for rule in procedure.stages:
        if rule.name in names:
            raise InvalidInput(f"{procedure.path}:{rule.line}: {rule.name!r} is the name of a stage that every rollout of this infra has")


def _probe_of(check: Check) -> Mapping[str, JsonValue]:
    argv: tuple[str, ...]
    if check.kind is CheckKind.TESTINFRA:
        argv = (PYTHON, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", check.path)
    elif check.kind is CheckKind.SERVERSPEC:
        argv = ("rspec", check.path)
    else:
        argv = (*check.interpreter, check.path)
    return {"name": check.name, "kind": "command", "argv": argv, "folder": "{{ inventory_dir }}", "timeout_s": check.timeout_s}
