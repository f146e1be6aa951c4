"""What runs of Puppet and Ansible mean, and when it is enough."""

import json

import pytest

from reprov.domain.check import Checked, CheckKind, CheckResult, Outcome
from reprov.domain.convergence import Converged, Effect, Next, Round, ToolRun, ansible_run, next_of, problem_of, puppet_run, stopped_run
from reprov.domain.puppet import ResourceStatus

MOTD = ResourceStatus("File[/etc/motd]", changed=True, failed=False, out_of_sync=True)
EXEC = ResourceStatus("Exec[x]", changed=False, failed=True, out_of_sync=True)
SAME = ResourceStatus("File[/etc/same]", changed=False, failed=False, out_of_sync=False)
LATE = ResourceStatus("File[/etc/late]", changed=False, failed=False, out_of_sync=True)
ERRORS = (
    "Notice: Compiled catalog\nError: first\nError: /Stage[main]/Main/Exec[x]/returns: failed\nNotice: Applied catalog in 0.1 seconds\n"
)


@pytest.mark.parametrize(
    ("status", "resources", "said", "run"),
    [
        pytest.param(0, [SAME], "", ToolRun(Effect.UNCHANGED), id="0 is nothing to do"),
        pytest.param(2, [MOTD, SAME], "", ToolRun(Effect.CHANGED, ("File[/etc/motd]",)), id="2 is changes"),
        pytest.param(2, None, "", ToolRun(Effect.CHANGED), id="changes without a report"),
        pytest.param(
            4,
            [EXEC],
            ERRORS,
            ToolRun(Effect.FAILED, (), ("Exec[x]",), "puppet failed: Exec[x]: /Stage[main]/Main/Exec[x]/returns: failed"),
            id="4 is failures",
        ),
        pytest.param(
            6,
            [MOTD, EXEC],
            "",
            ToolRun(Effect.FAILED, ("File[/etc/motd]",), ("Exec[x]",), "puppet failed: Exec[x]: it said nothing"),
            id="6 is both",
        ),
        pytest.param(
            1,
            None,
            "Notice: Skipping run of Puppet configuration client; administratively disabled (Reason: 'x');\nUse 'puppet agent --enable'\n",
            ToolRun(
                Effect.FAILED,
                problem="puppet ended with status 1: Skipping run of Puppet configuration client; administratively disabled (Reason: 'x');",
            ),
            id="1 is no run at all",
        ),
        pytest.param(
            127,
            None,
            "chroot: no puppet\n",
            ToolRun(Effect.FAILED, problem="puppet is not installed: chroot: no puppet", is_final=True),
            id="127",
        ),
        pytest.param(143, None, "", ToolRun(Effect.FAILED, problem="puppet was killed by signal 15"), id="killed"),
    ],
)
def test_the_status_of_puppet(status: int, resources: list[ResourceStatus] | None, said: str, run: ToolRun) -> None:
    assert puppet_run(status, resources, said, 0.0) == run


def test_a_look_of_puppet_says_what_is_out_of_sync() -> None:
    assert puppet_run(0, [SAME, LATE], "", 0.0, looking=True) == ToolRun(Effect.CHANGED, ("File[/etc/late]",))
    assert puppet_run(0, [SAME], "", 0.0, looking=True) == ToolRun(Effect.UNCHANGED)


def tasks(*found: tuple[str, str, bool]) -> str:
    return "".join(
        json.dumps({"task": task, "outcome": outcome, "changed": changed, "message": f"{task}\n says"}) + "\n"
        for task, outcome, changed in found
    )


@pytest.mark.parametrize(
    ("status", "results", "said", "run"),
    [
        pytest.param(0, tasks(("a", "ok", False)), "", ToolRun(Effect.UNCHANGED), id="nothing to do"),
        pytest.param(0, tasks(("a", "ok", True), ("b", "ok", False), ("a", "ok", True)), "", ToolRun(Effect.CHANGED, ("a",)), id="changes"),
        pytest.param(
            0, tasks(("a", "failed", True), ("b", "ok", True)), "", ToolRun(Effect.CHANGED, ("b",)), id="a failure that is rescued"
        ),
        pytest.param(
            2,
            tasks(("a", "ok", True), ("b", "ignored", True), ("c", "failed", True)),
            "",
            ToolRun(Effect.FAILED, ("a",), ("c",), "ansible failed: c: c\n says"),
            id="a failure",
        ),
        pytest.param(
            4,
            "",
            "\nERROR! no such file\n\n",
            ToolRun(Effect.FAILED, problem="ansible ended with status 4: ERROR! no such file"),
            id="no playbook",
        ),
    ],
)
def test_the_status_of_ansible(status: int, results: str, said: str, run: ToolRun) -> None:
    assert ansible_run(status, results, said, 0.0) == run


FINE = Checked(())
BAD = Checked((CheckResult("c", CheckKind.PROGRAM, Outcome.FAILED, "why", 0.0),))
DONE, ONE, TWO = ToolRun(Effect.UNCHANGED), ToolRun(Effect.CHANGED, ("one",)), ToolRun(Effect.CHANGED, ("one", "two"))
NAMELESS = ToolRun(Effect.CHANGED)
FAILS = ToolRun(Effect.FAILED, (), ("x",), "puppet failed: x")


def of(*runs: tuple[ToolRun, Checked | None]) -> list[Round]:
    return [Round(None, number, run, checked) for number, (run, checked) in enumerate(runs, start=1)]


@pytest.mark.parametrize(
    ("rounds", "what"),
    [
        pytest.param(of((DONE, FINE)), Next.DONE, id="nothing changed, and the checks pass"),
        pytest.param(of((DONE, None)), Next.DONE, id="nothing changed, and nothing to check"),
        pytest.param(of((ONE, FINE)), Next.AGAIN, id="something changed: it must be the last time"),
        pytest.param(of((ONE, BAD), (ONE, FINE)), Next.AGAIN, id="the same twice, but it was not fine before"),
        pytest.param(of((TWO, FINE), (ONE, FINE)), Next.AGAIN, id="less changed than before"),
        pytest.param(of((TWO, FINE), (ONE, FINE), (ONE, FINE)), Next.DONE, id="what changes every time never settles"),
        pytest.param(of(*[(NAMELESS, FINE)] * 4), Next.AGAIN, id="who knows whether it is the same"),
        pytest.param(of(*[(NAMELESS, FINE)] * 5), Next.DONE, id="fine in the last round is fine"),
        pytest.param(of((DONE, BAD)), Next.AGAIN, id="a check fails"),
        pytest.param(of(*[(DONE, BAD)] * 4), Next.AGAIN, id="for the fourth time"),
        pytest.param(of(*[(DONE, BAD)] * 5), Next.GIVE_UP, id="for the fifth time"),
        pytest.param(of((FAILS, FINE)), Next.AGAIN, id="a failure may go away, as that of a dependency"),
        pytest.param(of(*[(FAILS, FINE)] * 5), Next.GIVE_UP, id="or stay"),
        pytest.param(of((stopped_run("hung", 1.0), None)), Next.GIVE_UP, id="nobody waits for a time-out five times"),
    ],
)
def test_what_follows(rounds: list[Round], what: Next) -> None:
    assert next_of(rounds) is what


def test_why_it_was_given_up() -> None:
    assert problem_of(of((DONE, BAD), (DONE, BAD))) == "c failed: why (after 2 rounds)"
    assert problem_of([Round(3, 1, FAILS, None)]) == "step 3: puppet failed: x"


def test_what_changed_in_the_last_round_never_settles() -> None:
    rounds = (Round(0, 1, TWO, FINE), Round(0, 2, DONE, FINE), Round(1, 1, ONE, FINE), Round(1, 2, ONE, FINE))
    assert Converged("puppet", rounds, "").unsettled == ("one",)
    assert Converged("puppet", rounds, "given up").unsettled == ()
