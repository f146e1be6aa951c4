"""Handing a commit over: what the other says is passed on, and what it does not say costs the hop."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import pytest

from reprov.adapters.node_state import NodeState
from reprov.adapters.run import CommandFailed
from reprov.domain.check import Checked
from reprov.domain.deployment import Deployment, State
from reprov.domain.hand_over import Failed, Request, TookOver, WentOn, line_of
from reprov.domain.plain import plain
from reprov.domain.post_progress import Progress
from reprov.domain.release import ReleaseId
from reprov.domain.trial import Awaited
from reprov.errors import HopFailed, ReprovError
from reprov.workflows import hand_over as workflow
from reprov.workflows.after_commit import Finished, go_on
from reprov.workflows.hand_over import follower, hand_over
from reprov.workflows.kernels import Booted
from reprov.workflows.node import Node
from reprov.workflows.services import Settled
from reprov.workflows.taken_into_use import InUse
from tests.heard import Heard

NEW, OLD = ReleaseId("base", "1.1"), ReleaseId("base", "1.0")
FINISHED = Finished(3, 2.5, ("a.postinst",), InUse(Booted(("grub",), default="6.1"), Settled()), None, Checked(()))
TOOK_OVER = line_of(TookOver("1.0")).encode()
WENT_ON = line_of(WentOn(plain(FINISHED))).encode()


class Other:
    """The reprov of the new tree."""

    def __init__(self, *lines: bytes | None, said: str = "") -> None:
        self._lines = iter(lines)
        self.said = said
        self.stopped = 0

    def lines(self) -> Iterator[bytes | None]:
        yield from self._lines

    def ask_to_stop(self) -> None:
        self.stopped += 1


class Committed:
    """The state of a node that has just been committed."""

    def __init__(self, folder: Path) -> None:
        self.directory = folder / ".reprov"
        (self.directory / "post").mkdir(parents=True)
        self.lock = BytesIO()
        self.now = Deployment(State.COMMITTED, NEW, OLD, transaction="4711", changed_at="then")
        self.progress: Progress | None = Progress("4711", "boot", True, 3)

    def deployment(self) -> Deployment:
        return self.now


class Lab:
    """That node, and whoever goes on."""

    def __init__(self, folder: Path, patched: pytest.MonkeyPatch) -> None:
        self._patched = patched
        self.state = Committed(folder)
        self.node = Node(folder, self.state)  # type: ignore[arg-type]
        self.monitor = Heard()
        patched.setattr(workflow, "pending", lambda node: self.state.progress)
        patched.setattr(workflow, "settle", lambda node, monitor, goes_on: None)
        patched.setattr(workflow, "take_back", _take_back)
        patched.setattr(workflow, "recover_health", lambda node, failure, monitor: failure)

    def go_on(self, other: Other | Exception, *, leaves: State | None = None) -> Finished | None:
        """Hand over to the other, which leaves the node in that state."""

        @contextmanager
        def started(request: Request, lock: object, log: Path) -> Iterator[Other]:
            assert (request.transaction, request.problem, lock) == ("4711", "", self.state.lock)
            if isinstance(other, Exception):
                raise other
            log.write_text(other.said)
            yield other
            if leaves:
                self.state.now, self.state.progress = Deployment(leaves, OLD if leaves is State.ROLLED_BACK else NEW), None

        self._patched.setattr("reprov.adapters.new_client.started", started)
        return hand_over(self.node, self.monitor)


def _take_back(_node: Node, error: BaseException, _monitor: object) -> ReprovError:
    assert isinstance(error, ReprovError)
    return HopFailed(f"{error.message}; {OLD} is back", hint=error.hint)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    return Lab(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("root", "tree", "goes_on"),
    [
        pytest.param("/", ["usr/sbin/reprov"], hand_over, id="the running system's new tree has reprov"),
        pytest.param("/", ["usr/bin/reprov"], go_on, id="it has none of the release's"),
        pytest.param("/mnt", ["usr/sbin/reprov"], go_on, id="the root does not run"),
    ],
)
def test_who_goes_on(root: str, tree: list[str], goes_on: object) -> None:
    assert follower(Node(Path(root), NodeState(Path(root))), tree) is goes_on


def test_what_the_other_has_done_is_the_answer_and_what_it_tells_is_passed_on(lab: Lab) -> None:
    note = b'{"format": 1, "event": "note", "text": "half way"}'
    assert lab.go_on(Other(None, TOOK_OVER, b"Huh", note, None, WENT_ON)) == FINISHED
    assert lab.monitor.notes == ["half way"]


def test_its_failure_is_raised_here(lab: Lab) -> None:
    failed = line_of(Failed(5, "no; base 1.0 is back", "look")).encode()
    with pytest.raises(HopFailed, match=r"^no; base 1\.0 is back$") as raised:
        lab.go_on(Other(TOOK_OVER, failed), leaves=State.ROLLED_BACK)
    assert raised.value.hint == "look"


def refused(message: str) -> bytes:
    return line_of(Failed(4, message, "another way")).encode()


DID_NOT = "the reprov of base 1.1 did not take over"
NOT_TAKEN_OVER: dict[str, tuple[Other | Exception, str]] = {
    "it cannot be started": (CommandFailed(("reprov",), 127, b""), "the reprov of base 1.1 cannot be started"),
    "it is no program": (OSError(8, "Exec format error"), "the reprov of base 1.1 cannot be started: Exec format error"),
    "it crashes": (Other(None, said="Traceback\nImportError: no click\nhint: report it\n\n"), f"{DID_NOT}: ImportError: no click"),
    "it ends without a word": (Other(), f"{DID_NOT}: it said nothing"),
    "it refuses": (
        Other(refused("journal is written in format 9")),
        f"{DID_NOT}: journal is written in format 9",
    ),
    "it hangs": (Other(None, None), f"{DID_NOT}: it has not answered within 0 s"),
    "it dies at work": (Other(TOOK_OVER, said="reprov: no"), "the reprov of base 1.1 did not end what it had taken over: no"),
}


@pytest.mark.parametrize("name", NOT_TAKEN_OVER)
def test_what_does_not_go_on_is_taken_back(lab: Lab, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    other, reason = NOT_TAKEN_OVER[name]
    if name == "it hangs":
        monkeypatch.setattr(workflow, "ANSWERS_WITHIN_S", 0)
    with pytest.raises(HopFailed) as raised:
        lab.go_on(other)
    assert raised.value.message == f"{reason}; base 1.0 is back"


def test_the_node_needs_no_second_way_back_when_the_other_died_on_its_own(lab: Lab) -> None:
    with pytest.raises(HopFailed) as raised:
        lab.go_on(Other(TOOK_OVER, said="Killed"), leaves=State.ROLLED_BACK)
    assert raised.value.message == "the reprov of base 1.1 did not end what it had taken over: Killed; base 1.0 is back"


def test_a_node_that_is_confirmed_stays_so_when_nobody_says_it(lab: Lab) -> None:
    assert lab.go_on(Other(TOOK_OVER, said="Killed"), leaves=State.CONFIRMED) is None
    assert lab.monitor.notes == [
        "the reprov of base 1.1 did not end what it had taken over: Killed; by then all that follows the commit was done"
    ]


def test_a_node_that_waits_for_the_trial_of_a_kernel_goes_on_waiting(lab: Lab) -> None:
    assert lab.state.progress is not None
    lab.state.progress = lab.state.progress.waiting(Awaited("6.1", "6.1", "boot"))
    assert lab.go_on(Other(TOOK_OVER)) is None


def test_an_answer_of_another_shape_is_done_all_the_same(lab: Lab) -> None:
    assert lab.go_on(Other(TOOK_OVER, line_of(WentOn({"steps": 3})).encode())) is None
    assert lab.monitor.notes == ["all that follows the commit is done; what exactly, the new tree's reprov says in another way"]


def test_a_request_to_stop_is_passed_on_once(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Other(TOOK_OVER, None, None, WENT_ON)
    monkeypatch.setattr(workflow, "stop_is_asked", lambda: True)
    lab.go_on(other)
    assert other.stopped == 1
