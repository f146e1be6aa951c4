"""The text of a procedure: what is read, and the exact words for everything that is not accepted."""

import pytest

from reprov.domain.procedure import Action, HostRule, Take
from reprov.domain.procedure_text import parse_procedure
from reprov.errors import InvalidInput, problems_of

HEAD = "title: t\nsource: s\nimpact: i\nstages:\n"
STAGE = """\
- name: etcd
  title: t
  hosts: {take: each}
  impact: i
  tags: [4, 6]
  undo: {text: u}
"""
WHOLE = HEAD + STAGE + "  snippets: [etcd]\n"
CHECKS = {"well": Action("well", "It is well", {}, (), "c")}
ACTIONS = {"do": Action("do", "Do it", {}, (), "a")}

BAD = {
    "nothing": ("", ["p:1: a procedure is a list of 'key: value' lines"]),
    "no stage": (HEAD.replace("stages:\n", "stages: []\n"), ["p:4: stages: there is none"]),
    "an unknown key": ("titel: x\n" + WHOLE, ["p:1: unknown key 'titel' (did you mean 'title'?)"]),
    "an unknown key of a stage": (WHOLE + "  check: [well]\n", ["p:12: unknown key 'check'"]),
    "an unknown key of the hosts": (
        WHOLE.replace("{take: each}", "{take: each, servce: etcd}"),
        ["p:7: unknown key 'servce' (did you mean 'service'?)"],
    ),
    "an unknown key of the way back": (
        WHOLE.replace("{text: u}", "{text: u, action: [do]}"),
        ["p:10: unknown key 'action' (did you mean 'actions'?)"],
    ),
    "a stage without a way back": (WHOLE.replace("  undo: {text: u}\n", ""), ["p:5: 'undo' is missing"]),
    "a stage whose way back has no words": (
        WHOLE.replace("{text: u}", "{actions: [do]}"),
        ["p:10: 'text' is missing"],
    ),
    "a stage without an impact": (WHOLE.replace("  impact: i\n", ""), ["p:5: 'impact' is missing"]),
    "a stage that does nothing": (HEAD + STAGE, ["p:5: stage 'etcd' does nothing"]),
    "a name that is no file's": (
        WHOLE.replace("name: etcd", "name: ../etcd"),
        ["p:5: stages.name: '../etcd' is not the name of a stage (lower case letters and digits, with single dashes)"],
    ),
    "two stages of one name": (WHOLE + WHOLE.removeprefix(HEAD), ["p:12: there are two stages 'etcd'"]),
    "hosts that are taken in an unknown way": (
        WHOLE.replace("take: each", "take: all"),
        ["p:7: stages.hosts.take: should be 'each', 'one-by-one', 'together', 'first', 'last' or 'once'"],
    ),
    "tags in disorder": (WHOLE.replace("[4, 6]", "[6, 4]"), ["p:9: stages.tags: [6, 4] are not tags in their order, each from 1 to 9"]),
    "a tag that there is not": (WHOLE.replace("[4, 6]", "[10]"), ["p:9: stages.tags: [10] are not tags in their order, each from 1 to 9"]),
    "an unknown snippet": (WHOLE.replace("[etcd]", "[ectd]"), ["p:11: stage 'etcd': there is no snippet 'ectd' (did you mean 'etcd'?)"]),
    "hosts with an unknown service": (
        WHOLE.replace("take: each", "take: each, service: nova"),
        ["p:7: stage 'etcd': there is no snippet 'nova'"],
    ),
    "hosts without an unknown service": (
        WHOLE.replace("take: each", "take: each, without: [nova]"),
        ["p:7: stage 'etcd': there is no snippet 'nova'"],
    ),
    "an unknown check": (WHOLE + "  before: [wel]\n", ["p:12: stage 'etcd': there is no check 'wel' (did you mean 'well'?)"]),
    "an action where a check is expected": (WHOLE + "  after: [do]\n", ["p:12: stage 'etcd': there is no check 'do'"]),
    "an unknown action": (WHOLE + "  actions:\n    4: [well]\n", ["p:13: stage 'etcd': there is no action 'well'"]),
    "an unknown action of the way back": (
        WHOLE.replace("{text: u}", "{text: u, actions: [back]}"),
        ["p:10: stage 'etcd': there is no action 'back'"],
    ),
    "an action in a step that the stage does not run": (
        WHOLE + "  actions: {5: [do]}\n",
        ["p:12: stage 'etcd' has actions in step 5, and no such tag"],
    ),
    "one profile and each of them": (
        WHOLE.replace("take: each", "take: each, profile: a, each-profile: true"),
        ["p:7: stage 'etcd' is for one profile and for each of them"],
    ),
    "two mistakes": (
        WHOLE.replace("[etcd]", "[x]") + "  before: [y]\n",
        ["p:11: stage 'etcd': there is no snippet 'x'", "p:12: stage 'etcd': there is no check 'y'"],
    ),
}


@pytest.mark.parametrize(("text", "said"), BAD.values(), ids=BAD.keys())
def test_what_is_wrong_is_said_with_its_line(text: str, said: list[str]) -> None:
    with pytest.raises(InvalidInput) as raised:
        parse_procedure(text, "p", "x", ["etcd"], CHECKS, ACTIONS)
    assert sorted(problem.message for problem in problems_of(raised.value)) == said


def test_a_procedure_is_read() -> None:
    text = (
        WHOLE.replace("take: each", "take: first, service: etcd, without: [etcd]") + "  before: [well]\n  actions: {6: [do], 4: [do, do]}\n"
    )
    procedure = parse_procedure(text, "p", "x", ["etcd"], CHECKS, ACTIONS)
    (stage,) = procedure.stages
    assert (procedure.name, procedure.in_place, stage.line) == ("x", False, 5)
    assert stage.hosts == HostRule(Take.FIRST, service="etcd", without=("etcd",))
    assert [step for step, _ in stage.actions] == [4, 4, 6]
    assert (stage.touched, stage.services) == (False, ("etcd",))


def test_a_stage_for_all_that_is_touched_names_no_service() -> None:
    (stage,) = parse_procedure(WHOLE.replace("[etcd]", "touched"), "p", "x", ["etcd"], CHECKS, ACTIONS).stages
    assert (stage.touched, stage.services) == (True, ())
