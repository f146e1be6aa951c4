"""Values as JSON, and back."""

import json

import pytest

from reprov.domain.check import Case, Checked, CheckKind, CheckResult, Outcome
from reprov.domain.convergence import Converged, Effect, Round, ToolRun
from reprov.domain.plain import of_plain, plain
from reprov.domain.rewritten import Rewritten
from reprov.domain.services import Act, LeftAlone, Verb

CHECKED = Checked((CheckResult("web", CheckKind.TESTINFRA, Outcome.FAILED, "no", 1.5, (Case("a", Outcome.HUNG),)),))
VALUES = {
    "an enum of numbers": Act("a.service", Verb.RESTART, "it is old"),
    "flags": LeftAlone("bash (4711)", "it is old", "somebody is logged in", "log out", True),
    "tuples in tuples": CHECKED,
    "what may be missing, and is": Converged("puppet", (Round(None, 1, ToolRun(Effect.UNCHANGED), None),), ""),
    "what may be missing, and is not": Converged(
        "puppet", (Round(2, 1, ToolRun(Effect.FAILED, ("x",), problem="no"), CHECKED),), "no", (Rewritten("etc/a", "changed", "b"),)
    ),
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_what_was_told_is_the_same_value_again(value: object) -> None:
    assert of_plain(type(value), json.loads(json.dumps(plain(value)))) == value


def test_what_another_version_adds_is_left_out_and_what_it_lacks_is_an_error() -> None:
    act = {"unit": "a.service", "verb": 2, "reason": "it is old", "color": "red"}
    assert of_plain(Act, act) == Act("a.service", Verb.RESTART, "it is old")
    with pytest.raises(KeyError, match="reason"):
        of_plain(Act, {"unit": "a.service", "verb": 2})
    with pytest.raises(ValueError, match="9 is not a valid Verb"):
        of_plain(Act, {**act, "verb": 9})
