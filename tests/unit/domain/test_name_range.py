"""Ranges in names: what they stand for, and what is no range."""

import pytest

from reprov.domain.name_range import NameRange

BRACKETS = {
    "node": ["node"],
    "node[1:3]": ["node1", "node2", "node3"],
    "node[9:11].example": ["node9.example", "node10.example", "node11.example"],
    "node[08:10]": ["node08", "node09", "node10"],
    "node[0:1]": ["node0", "node1"],
    "node[7:7]": ["node7"],
    "r[1:2]n[01:02]": ["r1n01", "r1n02", "r2n01", "r2n02"],
    "10.0.[0:1].5": ["10.0.0.5", "10.0.1.5"],
    "fd00::[8:9]": ["fd00::8", "fd00::9"],
}
NO_BRACKETS = {
    "node[3:1]": "the range [3:1] runs backwards",
    "node[01:100]": "the range [01:100] has zeros before one of its ends: write both with as many digits",
    "node[1:010]": "the range [1:010] has zeros before one of its ends: write both with as many digits",
    **{
        text: f"{text!r} has brackets that are no range (a range is [1:40], or [01:40] for names with zeros)"
        for text in (
            "node[1-3]",
            "node[a:c]",
            "node[1:3",
            "node1:3]",
            "node[]",
            "node[1:]",
            "node[1:9:2]",
            "n[1:2][",
            "n[1:1000000000000000000]",
        )
    },
}
DASHES = {
    "node": ["node"],
    "node1-3": ["node1", "node2", "node3"],
    "node3-1": ["node3", "node2", "node1"],
    "node08-10.example": ["node08.example", "node09.example", "node10.example"],
    "node1-2:7-8": ["node1", "node2", "node7", "node8"],
    "os-ci-test10-12": ["os-ci-test10", "os-ci-test11", "os-ci-test12"],
    "rack1-2-node1-3": ["rack1-node1-3", "rack2-node1-3"],
    "10.0.0.9-11": ["10.0.0.9", "10.0.0.10", "10.0.0.11"],
    "10.0.1-2.1-2": ["10.0.1.1", "10.0.1.2", "10.0.2.1", "10.0.2.2"],
    "10.0.0.1-2:5": ["10.0.0.1", "10.0.0.2", "10.0.0.5"],
    "10.0.0.1": ["10.0.0.1"],
}


@pytest.mark.parametrize(("text", "names"), BRACKETS.items(), ids=BRACKETS)
def test_brackets_stand_for_these_names(text: str, names: list[str]) -> None:
    found = NameRange.in_brackets(text)
    assert (list(found.names()), found.count) == (names, len(names))


@pytest.mark.parametrize(("text", "message"), NO_BRACKETS.items(), ids=NO_BRACKETS)
def test_these_brackets_are_no_range(text: str, message: str) -> None:
    with pytest.raises(ValueError) as raised:
        NameRange.in_brackets(text)
    assert str(raised.value) == message


@pytest.mark.parametrize(("text", "names"), DASHES.items(), ids=DASHES)
def test_dashes_stand_for_these_names(text: str, names: list[str]) -> None:
    found = NameRange.with_dashes(text)
    assert (list(found.names()), found.count) == (names, len(names))


@pytest.mark.parametrize("text", ["10.0.0.1-", "10.0.-.1", "10.0.0.1-2-3", "10.0.0.:1-2"])
def test_these_dashes_are_no_range(text: str) -> None:
    with pytest.raises(ValueError, match="is no range of numbers"):
        NameRange.with_dashes(text)


def test_a_billion_is_counted_without_being_made() -> None:
    assert NameRange.in_brackets("r[1:1000]n[1:1000000]").count == 1_000_000_000


def test_a_range_of_one_is_a_range() -> None:
    assert [NameRange.in_brackets(text).is_one for text in ("node7", "node[7:7]")] == [True, False]
