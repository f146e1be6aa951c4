"""The policy of a rollout: sizes of batches, windows, and what is wrong with it."""

from datetime import UTC, datetime

import pytest

from reprov.domain.rollout_policy import Policy
from reprov.errors import InvalidInput


@pytest.mark.parametrize(
    ("batches", "sizes"),
    [
        pytest.param(("3",), [3, 3, 3], id="one size"),
        pytest.param(("1", "10%", "50%"), [1, 3, 13], id="growing, rounded up"),
        pytest.param(("2", "5"), [2, 5, 5], id="the last one stays"),
        pytest.param(("1%",), [1, 1, 1], id="one host at least"),
    ],
)
def test_the_sizes_of_batches(batches: tuple[str, ...], sizes: list[int]) -> None:
    policy = Policy(batches=batches)
    assert [policy.batch_size(number, 25) for number in range(3)] == sizes


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("windows", "now", "opens"),
    [
        pytest.param((), "2026-11-22T12:00", "2026-11-22T12:00", id="without a window at any time"),
        pytest.param(("22:00-04:00",), "2026-11-22T12:00", "2026-11-22T22:00", id="this evening"),
        pytest.param(("22:00-04:00",), "2026-11-22T03:59", "2026-11-22T03:59", id="still open from yesterday"),
        pytest.param(("22:00-04:00",), "2026-11-22T04:00", "2026-11-22T22:00", id="closed at its end"),
        pytest.param(("mon-fri 22:00-04:00",), "2026-11-22T12:00", "2026-11-23T22:00", id="not on a Sunday"),
        pytest.param(("mon-fri 22:00-04:00",), "2026-11-21T03:00", "2026-11-21T03:00", id="but in the morning after Friday"),
        pytest.param(("sat-mon 01:00-02:00",), "2026-11-24T12:00", "2026-11-28T01:00", id="days across the end of a week"),
        pytest.param(("wed 10:00-11:00", "sun 13:00-14:00"), "2026-11-22T12:00", "2026-11-22T13:00", id="the next of two"),
        pytest.param(("00:00-24:00",), "2026-11-22T12:00", "2026-11-22T12:00", id="all day"),
    ],
)
def test_when_hosts_may_begin(windows: tuple[str, ...], now: str, opens: str) -> None:
    assert Policy(windows=windows).opens_at(at(now)) == at(opens)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param(
            {"batches": ["0"]}, "batches.0: '0' is neither a number of hosts nor a share of them, as in '5' or '10%'", id="an empty batch"
        ),
        pytest.param(
            {"batches": ["101%"]}, "batches.0: '101%' is neither a number of hosts nor a share of them, as in '5' or '10%'", id="too much"
        ),
        pytest.param({"batches": []}, "batches: Tuple should have at least 1 item after validation, not 0", id="no batch"),
        pytest.param({"windows": ["noon"]}, "windows.0: 'noon' is not a window, as in 'mon-fri 22:00-04:00' (UTC)", id="no window"),
        pytest.param(
            {"windows": ["22:00-25:00"]}, "windows.0: '22:00-25:00' is not a window, as in 'mon-fri 22:00-04:00' (UTC)", id="no time"
        ),
        pytest.param({"max_unavailable": 0}, "max_unavailable: Input should be greater than or equal to 1", id="nobody may ever begin"),
        pytest.param({"canaries": 1}, "canaries: Extra inputs are not permitted", id="an unknown field"),
    ],
)
def test_what_is_wrong_with_a_policy(fields: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput) as error:
        Policy.of(fields, "rollout.json")
    assert error.value.message == f"rollout.json: policy: {message}"
