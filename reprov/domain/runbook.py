"""The runbook of a rollout: a procedure on the hosts of an infra as markdown, for people who follow it, approve it, or do it by hand."""

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from reprov.domain.course import Spread, tag_name
from reprov.domain.derivation import in_step_order
from reprov.domain.infra import Infra
from reprov.domain.playbook import Gets, told
from reprov.domain.procedure import Action, Applied, LeftOut, Procedure
from reprov.domain.release import ReleaseId
from reprov.domain.snippet import REIMAGE, STEPS, Derived, Family, Service, Snippet
from reprov.domain.stage_packages import packages_of
from reprov.domain.task_command import commands_of

_WIDTH: Final = 79
_FEW_HOSTS: Final = 12
_SPREADS: Final = {
    Spread.EACH: "in batches, as the policy says, each through all steps",
    Spread.ONE_BY_ONE: "one after the other, never two at once",
    Spread.ONCE: "on the first of them that can be reached",
    Spread.TOGETHER: "all at once, step by step",
}


class _Place(NamedTuple):
    """Where the commands of a stage are typed, and with which words."""

    host: str
    families: tuple[Family, ...]
    variables: Mapping[str, object]

    @classmethod
    def of(cls, item: Applied, infra: Infra, gets: Mapping[str, Gets]) -> "_Place":
        """The first host of the stage stands for all of them."""
        chosen = set(item.stage.hosts)
        profiles = {host.profile for host in infra.hosts if host.name in chosen}
        families = tuple(sorted({gets[profile].family for profile in profiles}))
        touched = Derived("", tuple(touched for found in item.derived for touched in found.services))
        return cls(item.stage.hosts[0], families, {**infra.config, **packages_of(touched, families[0])})


def runbook(
    procedure: Procedure,
    infra: Infra,
    stages: Sequence[Applied],
    left_out: Sequence[LeftOut],
    gets: Mapping[str, Gets],
    before: Mapping[str, ReleaseId],
    snippets: Mapping[Service, Snippet],
) -> str:
    """The text. `gets` and `before` are by profile. Lines are at most 79 characters long, commands as long as they are."""
    lines = [f"# {procedure.title}: {infra.name}", ""]
    lines += _paragraph(f"The procedure `{procedure.name}`, which follows: {procedure.source}.")
    lines += ["**Service impact.**", *_paragraph(procedure.impact)]
    lines += ["## What hosts get", "", *(line for text in releases(procedure, infra, gets, before) for line in _item(text)), ""]
    lines += ["## Before anything else", ""]
    lines += _paragraph(
        "Every command below is typed in the directory `project` of the rollout. `reprov rollout run` does the same, host by host, and "
        "remembers how far it is; by hand, the next stage begins when the one before it has ended without a failure."
    )
    lines += ["## The stages", ""]
    for number, item in enumerate(stages, 1):
        lines += _wrapped(f"{item.stage.title} (`{item.stage.name}`)", f"{number}. ")
    lines += [""]
    for number, item in enumerate(stages, 1):
        lines += _stage(number, item, _Place.of(item, infra, gets), snippets)
    if left_out:
        lines += ["## What is left out", ""]
        lines += [line for item in left_out for line in _item(f"`{item.rule.name}`: {item.reason}.")]
        lines += [""]
    return "\n".join(lines).rstrip("\n") + "\n"


def releases(procedure: Procedure, infra: Infra, gets: Mapping[str, Gets], before: Mapping[str, ReleaseId]) -> Iterator[str]:
    """What the hosts of each profile have and get, a line for each: "compute, 40 hosts: compute 1.1 -> 1.2"."""
    for profile in infra.ordered_profiles:
        hosts = len(infra.of_profile(profile))
        new = gets[profile].release
        way = ", the packages that change" if procedure.in_place else ""
        change = f"{before[profile]} -> {new.version}{way}" if new else f"{before[profile]}, which stays"
        yield f"{profile}, {hosts:,} host{'' if hosts == 1 else 's'}: {change}"


def _stage(number: int, item: Applied, place: _Place, snippets: Mapping[Service, Snippet]) -> Iterator[str]:
    rule, stage = item.rule, item.stage
    yield from (f"### {number}. {stage.title}", "")
    yield from _paragraph(f"Hosts: {_hosts(stage.hosts)}; {_SPREADS[stage.spread]}.")
    yield from _paragraph(f"Impact: {rule.impact}")
    because = [
        f"{touched.service}, because of {', '.join(map(told, touched.because))}" for found in item.derived for touched in found.services
    ]
    if because:
        yield from ("Services that the release touches:", "")
        yield from (line for text in dict.fromkeys(because) for line in _item(text))
        yield ""
    yield from _checks("Checked before", rule.before, place)
    for tag in stage.tags:
        yield from _step(tag, item, place, snippets)
    yield from _checks("Checked after", rule.after, place)
    yield from _paragraph(f"Way back: {rule.undo.text}")
    yield from _actions(rule.undo.actions, place)
    if rule.undo.actions:
        yield from _code([f"ansible-playbook undo/{stage.name}.yml"])


def _step(tag: int, item: Applied, place: _Place, snippets: Mapping[Service, Snippet]) -> Iterator[str]:
    yield from _paragraph(f"Step {tag}, {STEPS[tag] if tag != REIMAGE or item.rule.touched else 'the new packages'}:")
    in_turn = item.stage.spread in (Spread.EACH, Spread.ONE_BY_ONE) and len(item.stage.hosts) > 1
    limit = f" --limit {place.host}" if in_turn else ""
    yield from _code([f"ansible-playbook stages/{item.stage.name}.yml --tags {tag_name(tag)}{limit}"])
    yield from _actions([action for step, action in item.rule.actions if step == tag], place)
    if tag == REIMAGE and item.rule.touched:
        yield from _item("`reprov upgrade` brings the release, and is confirmed over a new connection; a reboot where it is wanted.")
        yield ""
    services = tuple(dict.fromkeys(touched.service for found in item.derived for touched in found.services))
    tasks = [(service, task.name) for service in in_step_order(services, tag) for task in snippets[service].tasks_of(tag)]
    yield from (line for service, name in tasks for line in _item(f"{service}: {name[:1].lower() + name[1:]}"))
    if tasks:
        yield ""


def _checks(title: str, checks: Iterable[Action], place: _Place) -> Iterator[str]:
    found = list(checks)
    if found:
        yield from (f"{title}:", "")
        yield from _actions(found, place)


def _actions(actions: Iterable[Action], place: _Place) -> Iterator[str]:
    for action in actions:
        yield from _item(f"{action.title} (`{action.name}`)")
        yield ""
        variables = {**action.defaults, **place.variables}
        lines: list[str] = []
        for task in action.tasks:
            if task.family is None or task.family in place.families:
                family = f" ({task.family})" if task.family and len(place.families) > 1 else ""
                lines += [f"# {task.name}{family}", *commands_of(task, variables, place.host)]
        yield from _code(lines)


def _hosts(hosts: Sequence[str]) -> str:
    if len(hosts) <= _FEW_HOSTS:
        return ", ".join(hosts)
    return f"{', '.join(hosts[:3])} ... {hosts[-1]} ({len(hosts):,} hosts)"


def _paragraph(text: str) -> list[str]:
    return [*textwrap.wrap(" ".join(text.split()), _WIDTH, break_long_words=False, break_on_hyphens=False), ""]


def _item(text: str) -> list[str]:
    return _wrapped(text, "* ")


def _wrapped(text: str, mark: str) -> list[str]:
    indent = " " * len(mark)
    return textwrap.wrap(text, _WIDTH, initial_indent=mark, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _code(lines: Iterable[str]) -> list[str]:
    return ["```sh", *lines, "```", ""]
