"""Requests to stop around a commit: heard before it, too late from then on until the answer is out."""

import signal
import threading
from collections.abc import Iterator

import pytest

from reprov.cli.signals import Interrupted, interruptible
from reprov.errors import NeedsAttention
from reprov.workflows.commit import signals_held, stop_is_asked, void_held_signals

EVERY_REQUEST = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])


@pytest.fixture(autouse=True)
def handlers_stay() -> Iterator[None]:
    """Whatever a workflow did to handlers and mask, `interruptible` has undone it."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers], signal.pthread_sigmask(signal.SIG_BLOCK, ())
    yield
    assert ([signal.getsignal(number) for number in numbers], signal.pthread_sigmask(signal.SIG_BLOCK, ())) == before


def ask(number: signal.Signals) -> None:
    signal.pthread_kill(threading.main_thread().ident or 0, number)  # the process may have threads of the test runner's


@EVERY_REQUEST
def test_a_request_during_what_is_tidied_up_first_is_heard_after_it(number: signal.Signals) -> None:
    steps = []
    with pytest.raises(Interrupted) as raised, interruptible():
        with signals_held():
            ask(number)
            steps.append("tidied up")
        steps.append("went on")
    assert (raised.value.signal, steps) == (number, ["tidied up"])


@EVERY_REQUEST
def test_after_a_commit_no_request_is_heard_until_the_answer_is_out(number: signal.Signals) -> None:
    steps = []
    with interruptible():
        with signals_held():
            ask(number)
            void_held_signals()
            ask(number)
        ask(number)
        steps.append("closed")
        ask(number)
        steps.append("answered")
    assert steps == ["closed", "answered"]


@EVERY_REQUEST
def test_what_went_wrong_is_told_rather_than_the_request(number: signal.Signals) -> None:
    with pytest.raises(NeedsAttention), interruptible(), signals_held():
        ask(number)
        raise NeedsAttention("neither old nor new")


def test_the_next_verb_can_be_stopped_again() -> None:
    with interruptible(), signals_held():
        void_held_signals()
    with pytest.raises(Interrupted), interruptible():
        ask(signal.SIGTERM)


def test_what_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible(), signals_held():
            void_held_signals()
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@EVERY_REQUEST
def test_a_request_that_is_held_can_be_seen_unless_it_is_ignored(number: signal.Signals) -> None:
    with interruptible(), signals_held():
        assert not stop_is_asked()
        ask(number)
        assert stop_is_asked()
        void_held_signals()
        signal.signal(number, signal.SIG_IGN)  # as nohup does; the block puts it back
        ask(number)
        assert not stop_is_asked()
