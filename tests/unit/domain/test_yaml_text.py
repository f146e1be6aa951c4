"""YAML with lines: what keys and dates are, what is refused before anyone copies it."""

from collections.abc import Callable

import pytest

from reprov.domain import yaml_text
from reprov.domain.yaml_text import YamlText
from reprov.errors import InvalidInput

Reader = Callable[[str], YamlText]
LOADERS = {"with libyaml": yaml_text._LOADERS, "without": yaml_text._LOADERS[-1:]}


@pytest.fixture(params=list(LOADERS.values()), ids=list(LOADERS))
def text_of(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Reader:
    """Reads a text with each of the loaders, and must find the same."""
    monkeypatch.setattr(yaml_text, "_LOADERS", request.param)
    return lambda text: YamlText(text, "f", "a file")


BAD = {
    "a mapping within itself": ("a: &a\n  b: *a\n", "f:1: what begins here has an alias of itself in it"),
    "a list within itself": ("a:\n- &a [*a]\n", "f:2: what begins here has an alias of itself in it"),
    "a mapping merged into itself": ("a: &a\n  <<: *a\n", "f:1: what begins here has an alias of itself in it"),
    "an alias of nothing": ("a: *b\n", "f:1: not YAML: found undefined alias 'b'"),
    "two documents": ("a: 1\n---\nb: 1\n", "f:2: not YAML: but found another document"),
    "a number that is none": ("a: !!int x\n", "f:1: not YAML: invalid literal for int() with base 10: 'x'"),
    "a control character": ("a: \x01\n", "f:1: not YAML: unacceptable character #x0001: special characters are not allowed"),
    "a word": ("a\n", "f:1: a file is a list of 'key: value' lines"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD.keys())
def test_what_is_refused(text: str, message: str, text_of: Reader) -> None:
    with pytest.raises(InvalidInput) as raised:
        text_of(text)
    assert raised.value.message == message


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"^f:1: not a file: nested too deep$"):
        YamlText("a: " + "[" * 100_000, "f", "a file")


def test_keys_and_dates_are_as_written_and_other_values_are_not(text_of: Reader) -> None:
    text = text_of("no: no\n010: 010\n2024-02-30: 2024-02-30\nnull: null\n1.0: 1.0\n")
    assert text.data == {"no": False, "010": 8, "2024-02-30": "2024-02-30", "null": None, "1.0": 1.0}
    assert [text.written((key,)) for key in text.data] == ["no", "010", "2024-02-30", "null", "1.0"]


def test_a_value_has_its_line_below_an_alias_and_a_merge_too(text_of: Reader) -> None:
    text = text_of("a: &a\n  b: 1\n  c: 1\nd:\n  <<: *a\n  c: 2\ne: [*a,\n  x]\n")
    locations: list[tuple[int | str, ...]] = [("a", "b"), ("d", "b"), ("d", "c"), ("e", 0, "c"), ("e", 1), ("d", "none")]
    assert [text.line(location) for location in locations] == [2, 2, 6, 3, 8, 5]
    assert text.written(("d",)) == ""
