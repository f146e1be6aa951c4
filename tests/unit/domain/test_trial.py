"""What has become of the trial of a kernel."""

import pytest

from reprov.domain.trial import Awaited, Verdict, trial_words

AWAITED = Awaited("6.2", "6.1", "boot-1")


@pytest.mark.parametrize(
    ("boot", "kernel", "verdict"),
    [
        pytest.param("boot-1", "6.1", Verdict.WAITS, id="not rebooted yet"),
        pytest.param("boot-1", "6.2", Verdict.WAITS, id="not rebooted yet, whatever runs"),
        pytest.param("boot-2", "6.2", Verdict.CAME_UP, id="rebooted with it"),
        pytest.param("boot-2", "6.1", Verdict.FAILED, id="rebooted with the old one"),
        pytest.param("boot-2", "6.0", Verdict.FAILED, id="rebooted with yet another one"),
    ],
)
def test_what_has_become_of_it(boot: str, kernel: str, verdict: Verdict) -> None:
    assert AWAITED.verdict(boot=boot, kernel=kernel) is verdict


def test_what_is_said_of_it() -> None:
    assert AWAITED.reason == "to try kernel 6.2; the node goes back to 6.1 by itself if it does not come up"
    assert AWAITED.failure == "kernel 6.2 did not come up"
    assert trial_words(600) == "reprov.trial=600 panic=30"
