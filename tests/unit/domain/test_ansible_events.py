"""How a run of Ansible ended on each host, from the events of ansible-runner."""

from typing import Any

import pytest

from reprov.domain.ansible_events import HostOutcomes, RunWatch
from reprov.domain.rollout_events import Trouble

HOSTS = ("n1", "n2")


def failed(host: str, **result: Any) -> dict[str, Any]:
    return {"event": "runner_on_failed", "event_data": {"host": host, "task": "stop it", "res": result}}


def stats(**counts: Any) -> dict[str, Any]:
    return {"event": "playbook_on_stats", "event_data": {"processed": {"n1": 1, "n2": 1}, **counts}}


NEXT_TASK = {"event": "playbook_on_task_start", "event_data": {"task": "go on"}}


def outcomes(*events: dict[str, Any]) -> HostOutcomes | None:
    watch = RunWatch()
    for event in events:
        assert watch.hear(event) is False
    return watch.outcomes(HOSTS)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([stats()], HostOutcomes(HOSTS, (), ()), id="all went well"),
        pytest.param(
            [failed("n1", msg="no such unit"), NEXT_TASK, stats(failures={"n1": 1})],
            HostOutcomes(("n2",), (Trouble("n1", "stop it: no such unit"),), ()),
            id="one failed",
        ),
        pytest.param(
            [
                {"event": "runner_on_unreachable", "event_data": {"host": "n2", "task": "look", "res": {"msg": "timed\nout"}}},
                NEXT_TASK,
                stats(dark={"n2": 1}),
            ],
            HostOutcomes(("n1",), (), (Trouble("n2", "look: timed out"),)),
            id="one could not be reached",
        ),
        pytest.param([failed("n1", msg="x"), stats(rescued={"n1": 1})], HostOutcomes(HOSTS, (), ()), id="what was rescued did not fail"),
        pytest.param(
            [failed("n1", censored="hidden", msg="the password"), NEXT_TASK, stats(failures={"n1": 1})],
            HostOutcomes(("n2",), (Trouble("n1", "stop it: hidden"),), ()),
            id="what is hidden stays so",
        ),
        pytest.param(
            [
                failed("n1", msg="items failed", results=[{"msg": "fine"}, {"failed": True, "msg": "the second"}]),
                NEXT_TASK,
                stats(failures={"n1": 1}),
            ],
            HostOutcomes(("n2",), (Trouble("n1", "stop it: the second"),), ()),
            id="of a loop, the item that failed",
        ),
        pytest.param(
            [failed("n1", msg="x"), stats(failures={"n1": 1})],
            HostOutcomes((), (Trouble("n1", "stop it: x"),), ()),
            id="where nothing came after the trouble, nobody can tell of the others",
        ),
        pytest.param(
            [failed("n1", msg="x"), stats(failures={"n1": 1}, processed={"n1": 1})],
            HostOutcomes((), (Trouble("n1", "stop it: x"),), ()),
            id="nor of those that it never got to",
        ),
        pytest.param(
            [stats(processed={"n1": 1})],
            HostOutcomes(("n1",), (Trouble("n2", "Ansible passed over it: is it in the inventory, and in the group of the play?"),), ()),
            id="a host that Ansible passed over is not done",
        ),
        pytest.param([stats(processed={})], HostOutcomes(HOSTS, (), ()), id="where the step has no task, all are done"),
        pytest.param([failed("n1", msg="x")], None, id="without an end nothing is known"),
    ],
)
def test_the_outcome_of_each_host(events: list[dict[str, Any]], expected: HostOutcomes | None) -> None:
    assert outcomes(*events) == expected


def test_what_failed_is_told_shortly() -> None:
    found = outcomes(failed("n1", msg="x" * 5000), stats(failures={"n1": 1}))
    assert found is not None
    assert len(found.failed[0].why) == 403
