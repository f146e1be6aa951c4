"""Waiting for a node to be well, and for somebody's word; going back when neither comes."""

import time
from pathlib import Path

import pytest

from reprov.adapters import systemctl
from reprov.adapters.answers import ANSWER_S
from reprov.adapters.health_state import HealthState
from reprov.adapters.node_state import NodeState
from reprov.adapters.post_state import PostState
from reprov.domain.deployment import Deployment, State
from reprov.domain.health import Address, Baseline, Network, Patience
from reprov.domain.journal import Journal
from reprov.domain.post_progress import Progress
from reprov.domain.post_script import PostScript
from reprov.domain.release import ReleaseId
from reprov.errors import HopFailed, NeedsAttention, Refused, ReprovError
from reprov.events import NullMonitor
from reprov.workflows import confirm, health
from reprov.workflows.node import Node
from tests.heard import Heard

RELEASE = ReleaseId("base", "1.1")
WELL = Baseline(Network((Address("eth0", "192.0.2.7", 24),)))
ILL = Baseline(Network())
PROBLEM = "192.0.2.7/24 on eth0 is gone"
TRANSACTION = "4711"


class Live(Node):
    """A directory that passes for the running system."""

    @property
    def is_live(self) -> bool:
        return True


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Live:
    """One that has been committed, and was well before."""
    state = NodeState(tmp_path)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").touch()
    state.create()
    PostState(state.directory).begin(PostScript(None, RELEASE), Progress(TRANSACTION, "boot", True, 0))
    state.write_deployment(Deployment(State.COMMITTED, RELEASE, transaction=TRANSACTION, changed_at="then"))
    (state.directory / "previous.journal").write_text(Journal(TRANSACTION, ("",), (), (), (), ()).to_json())
    HealthState(state.directory).begin(WELL, Patience(0))
    monkeypatch.setattr(health, "_POLL_S", 0.01)
    monkeypatch.setattr(health, "_CONFIRM_POLL_S", 0.01)
    monkeypatch.setattr(health, "_VERIFIED_WITHIN_S", 0.0)
    monkeypatch.setattr(health, "_DAEMONS_S", 0.0)
    monkeypatch.setattr(health, "put_back", lambda missing: [f"{address} cannot be put back: no" for address in missing.addresses])
    monkeypatch.setattr(systemctl, "is_running", lambda: False)
    monkeypatch.setattr(confirm, "require_root", lambda purpose: None)
    return Live(tmp_path, state)


def found(monkeypatch: pytest.MonkeyPatch, *looks: Baseline) -> list[float]:
    """What is seen when the node is looked at, the last one from then on; gives how long each time may answer who is asked, in seconds."""
    left, asked = list(looks), list[float]()

    def look(_before: Baseline, answer_s: float) -> Baseline:
        asked.append(answer_s)
        return left.pop(0) if len(left) > 1 else left[0]

    monkeypatch.setattr(health, "_look_again", look)
    monkeypatch.setattr(health, "read_network", lambda: looks[-1].network)
    return asked


def own(node: Node) -> HealthState:
    return HealthState(node.state.directory)


def test_a_node_has_time_to_be_well_again(node: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, ILL, ILL, WELL)
    own(node).begin(WELL, Patience(20))
    health.require_well(node, TRANSACTION, NullMonitor())


def test_a_busy_node_has_more_and_more_time_to_answer_and_no_more_than_is_left(node: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = found(monkeypatch, ILL, ILL, ILL, WELL)
    own(node).begin(WELL, Patience(20))
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
    health.require_well(node, TRANSACTION, NullMonitor())
    assert asked == [ANSWER_S, 2 * ANSWER_S, 4 * ANSWER_S, 20]


def test_a_node_has_no_more_time_than_that(node: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, ILL)
    with pytest.raises(ReprovError) as caught:
        health.require_well(node, TRANSACTION, NullMonitor())
    assert caught.value.message == f"after 0 s the node is not as well as before: {PROBLEM}"


def test_a_node_of_which_nobody_knows_how_it_was_is_not_judged(node: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, ILL)
    (node.state.directory / "post/baseline").unlink()
    health.require_well(node, TRANSACTION, NullMonitor())


def test_a_node_of_which_that_cannot_be_read_is_not_well(node: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, WELL)
    (node.state.directory / "post/baseline").write_text("{")
    with pytest.raises(NeedsAttention):
        health.require_well(node, TRANSACTION, NullMonitor())


def test_another_root_than_the_running_one_is_not_judged(node: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, ILL)
    health.require_well(Node(node.root, node.state), TRANSACTION, NullMonitor())


def test_nobody_is_waited_for_before_a_reboot_that_is_still_to_come(node: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, WELL)
    own(node).begin(WELL, Patience(0, awaits_operator=True))
    health.require_well(node, TRANSACTION, NullMonitor(), is_last=False)
    with pytest.raises(ReprovError, match="nobody has confirmed the node within 0 s"):
        health.require_well(node, TRANSACTION, NullMonitor())


def test_a_word_for_another_commit_does_not_count(node: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, WELL)
    own(node).begin(WELL, Patience(0, awaits_operator=True))
    own(node).confirm("0815")
    with pytest.raises(ReprovError, match="nobody has confirmed"):
        health.require_well(node, TRANSACTION, NullMonitor())
    own(node).confirm(TRANSACTION)
    health.require_well(node, TRANSACTION, NullMonitor())


FAILURE = HopFailed("no; base 1.0 is back", hint="a hint")


def test_a_rollback_is_verified_and_says_what_is_still_not_well(node: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, ILL)
    node.state.write_deployment(Deployment(State.ROLLED_BACK))
    heard = Heard()
    failure = health.recover_health(node, FAILURE, heard)
    assert (type(failure), failure.message, failure.hint) == (HopFailed, f"no; base 1.0 is back, but {PROBLEM}", "a hint")
    assert heard.notes == ["after the rollback: 192.0.2.7/24 on eth0 cannot be put back: no"]


def test_a_rollback_after_which_all_is_well_says_no_more(node: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, WELL)
    node.state.write_deployment(Deployment(State.ROLLED_BACK))
    assert health.recover_health(node, FAILURE, NullMonitor()) is FAILURE


@pytest.mark.parametrize("state", [State.COMMITTED, State.ARMED])
def test_a_node_that_is_not_back_is_not_measured_against_what_it_was(node: Live, monkeypatch: pytest.MonkeyPatch, state: State) -> None:
    found(monkeypatch, ILL)
    node.state.write_deployment(Deployment(state))
    assert health.recover_health(node, FAILURE, NullMonitor()) is FAILURE


def test_nothing_is_confirmed_where_nothing_waits(node: Live) -> None:
    node.state.write_deployment(Deployment(State.CONFIRMED, RELEASE))
    assert confirm.confirm(node.root, NullMonitor()) is None


REFUSED = {
    "it confirms itself": (Patience(60), 0.0, "this node confirms itself once it is as well as before"),
    "scripts still run": (Patience(60, True), 0.0, "the node does not wait yet: what follows the commit still runs"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_nothing_is_confirmed_that_does_not_wait_for_it(node: Live, name: str) -> None:
    patience, _, message = REFUSED[name]
    own(node).begin(WELL, patience)
    with pytest.raises(Refused) as caught:
        confirm.confirm(node.root, NullMonitor())
    assert caught.value.message == message
    assert not own(node).is_confirmed(TRANSACTION)


def test_it_is_said_when_it_is_too_late(node: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confirm, "boot_id", lambda: "boot")
    own(node).begin(WELL, Patience(60, True))
    own(node).write_deadline(-1.0, "boot")
    with pytest.raises(HopFailed) as caught:
        confirm.confirm(node.root, NullMonitor())
    assert caught.value.message == "it is too late: the node goes back"
    assert not own(node).is_confirmed(TRANSACTION)


def test_a_deadline_is_of_one_boot(node: Live) -> None:
    own(node).write_deadline(12.5, "boot")
    assert (own(node).deadline("boot"), own(node).deadline("another")) == (12.5, None)
    assert own(node).patience() == Patience(0)


class Overdue:
    """What `at-boot --overdue` does, with the trees left where they are."""

    def __init__(self, node: Live, monkeypatch: pytest.MonkeyPatch) -> None:
        self.node, self.is_watched, self.ended = node, True, list[str]()
        monkeypatch.setattr(confirm, "watch_no_more", self._watch_no_more)
        monkeypatch.setattr(confirm, "boot_id", lambda: "boot")
        monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
        monkeypatch.setattr(confirm, "end_holders", lambda lock: self.ended.append(lock.name))

    def _watch_no_more(self, _node: Node) -> None:
        self.is_watched = False

    def look(self) -> None:
        confirm.take_back_overdue(self.node.root, NullMonitor())


def test_a_timer_ends_once_nothing_is_left(node: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    overdue = Overdue(node, monkeypatch)
    node.state.write_deployment(Deployment(State.CONFIRMED, RELEASE))
    overdue.look()
    assert not overdue.is_watched


def test_a_timer_waits_while_somebody_sees_to_it(node: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    overdue = Overdue(node, monkeypatch)
    with node.state.locked("the test"):
        overdue.look()
    assert overdue.is_watched
    assert own(node).deadline("boot") is None


def test_whoever_died_early_is_given_the_time_that_there_would_have_been(node: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    overdue = Overdue(node, monkeypatch)
    own(node).begin(WELL, Patience(60))
    overdue.look()
    assert (own(node).deadline("boot"), overdue.is_watched) == (1060.0, True)
    overdue.look()
    assert own(node).deadline("boot") == 1060.0


@pytest.mark.parametrize(
    ("deadline_s", "ended"),
    [pytest.param(500.0, [], id="it may be going back"), pytest.param(399.0, ["lock"], id="it hangs")],
)
def test_whoever_holds_a_node_long_after_its_time_is_ended(
    node: Live, monkeypatch: pytest.MonkeyPatch, deadline_s: float, ended: list[str]
) -> None:
    overdue = Overdue(node, monkeypatch)
    own(node).write_deadline(deadline_s, "boot")
    with node.state.locked("the test"):
        overdue.look()
    assert overdue.ended == ended
