"""The table: figures that people can read, and every limit with its verdict."""

import json
from dataclasses import replace

import pytest

from bench.report import amount, columns, extent, render, spread, to_json
from tests.unit.bench.test_limits import GROWTH, RESULTS


def lines(text: str) -> list[str]:
    """The lines of a table as words, however wide its columns are."""
    return [" ".join(line.split()) for line in text.splitlines()]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        pytest.param(0.00042, "s", "420 us", id="less than a millisecond"),
        pytest.param(0.0042, "s", "4.2 ms", id="milliseconds"),
        pytest.param(0.25, "s", "0.25 s", id="a quarter of a second"),
        pytest.param(12.34, "s", "12.3 s", id="many seconds"),
        pytest.param(999, "B", "1.0 kB", id="few bytes"),
        pytest.param(625_168_494, "B", "625.2 MB", id="megabytes"),
        pytest.param(2.33e9, "B", "2.33 GB", id="gigabytes"),
        pytest.param(1.2, "x", "1.20 x", id="a ratio near one"),
        pytest.param(3877.4, "x", "3,877 x", id="a large ratio"),
        pytest.param(0.00026, "x", "0.0003 x", id="a tiny ratio"),
    ],
)
def test_an_amount_reads_well(value: float, unit: str, text: str) -> None:
    assert amount(value, unit) == text


def test_an_unknown_unit_is_an_error() -> None:
    with pytest.raises(ValueError, match="no such unit: furlong"):
        amount(1.0, "furlong")


def test_repeated_measurements_show_median_and_range() -> None:
    assert spread([3.0, 1.0, 2.0], "s") == "2.00 s (1.00 s - 3.00 s)"


def test_a_single_measurement_has_no_range() -> None:
    assert spread([2.0], "s") == "2.00 s"
    assert extent((2.0, 2.001), "s") == ""


def test_columns_line_up() -> None:
    assert columns([("NAME", "N", ""), ("a", "10", "x"), ("longer", "2", "")]) == ["NAME     N", "a       10  x", "longer   2"]


def test_the_report_begins_with_the_limits_and_says_that_all_are_kept() -> None:
    text = render(RESULTS)
    assert text.index("LIMIT") < text.index("UPGRADE, median") < text.index("REPROV ALONE")
    assert "upgrade wall / rsync's 1.20 x <= 1.30 x pass" in lines(text)
    assert "mixed window, rsync's / reprov's 2,000 x >= 100 x pass" in lines(text)
    assert "all 20 limits kept\n" in text


def test_a_missed_limit_is_named() -> None:
    text = render(replace(RESULTS, growth=replace(GROWTH, content_bytes=660_000_000)))
    assert "store growth / changed bytes 1.10 x <= 1.05 x MISS" in lines(text)
    assert "1 of 20 limits missed: store growth / changed bytes\n" in text


def test_the_json_has_verdicts_and_every_measurement() -> None:
    found = json.loads(to_json(RESULTS))
    assert found["format"] == 1
    assert [verdict["is_kept"] for verdict in found["verdicts"]] == [True] * 20
    assert [upgrade["side"] for upgrade in found["upgrades"]] == ["rsync", "reprov"]
    assert found["upgrades"][1]["phases_s"] == {"scan": 1.0, "fetch": 4.0}
