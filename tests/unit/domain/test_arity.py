"""How many hosts a profile may have: what is read, which counts fit, and which would."""

import pytest

from reprov.domain.arity import Arity

FITTING = {
    "2": [2],
    "0": [0],
    "n": [0, 1, 2, 3, 4, 5, 6, 7, 8],
    "3n": [0, 3, 6],
    "1+2n": [1, 3, 5, 7],
    "2+n": [2, 3, 4, 5, 6, 7, 8],
    " 2 + 2n ": [2, 4, 6, 8],
    "3+1n": [3, 4, 5, 6, 7, 8],
    "0+4n": [0, 4, 8],
}
NO_ARITY = [
    "",
    "1 2",
    "1+2",
    "n+1",
    "2n+1",
    "1+2n+3",
    "-1",
    "+n",
    "1+",
    "0n",
    "1+0n",
    "010",
    "01n",
    "1.0",
    "1_0",
    "nn",
    "2 2n",
    "1234567",
]


@pytest.mark.parametrize(("text", "counts"), FITTING.items(), ids=FITTING)
def test_these_counts_below_nine_fit(text: str, counts: list[int]) -> None:
    assert [count for count in range(9) if Arity.parse(text).fits(count)] == counts


@pytest.mark.parametrize("text", NO_ARITY)
def test_this_is_no_arity(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not an arity, which is written as 2 \(exactly two\), 3n"):
        Arity.parse(text)


@pytest.mark.parametrize(
    ("text", "count", "nearest"),
    [
        pytest.param("1+2n", 4, (3, 5), id="one below and one above"),
        pytest.param("3n", 2, (0, 3), id="none fits, too"),
        pytest.param("2+3n", 1, (2,), id="too few for anything but the least"),
        pytest.param("2", 5, (2,), id="an exact number"),
        pytest.param("n", 5, (5,), id="it fits already"),
    ],
)
def test_the_counts_that_would_fit_are_named(text: str, count: int, nearest: tuple[int, ...]) -> None:
    assert Arity.parse(text).nearest(count) == nearest
    assert all(Arity.parse(text).fits(other) for other in nearest)


@pytest.mark.parametrize(("text", "written"), [(" 1 + 2n", "1+2n"), ("3+1n", "3+n"), ("1n", "n"), ("0+4n", "4n"), ("7", "7")])
def test_it_is_written_in_the_shortest_way_that_means_the_same(text: str, written: str) -> None:
    assert str(Arity.parse(text)) == written
    assert Arity.parse(written) == Arity.parse(text)
