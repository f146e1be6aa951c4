"""Names of many hosts in one: `node[1:40]`, `rack[1:4]-node[01:10]`, and config-tools' `node1-40`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import NamedTuple

_BRACKETS = re.compile(r"\[([0-9]{1,18}):([0-9]{1,18})\]")
_SPAN = "[0-9]{1,18}-[0-9]{1,18}"
_DASHES = re.compile(rf"(?P<head>.*?)(?P<spans>{_SPAN}(?::{_SPAN})*)(?P<tail>.*)", re.DOTALL)
_IPV4_DASHES = re.compile(r"[0-9:-]+(\.[0-9:-]+){3}")


class Span(NamedTuple):
    """Numbers from first to last, upwards or downwards, with zeros before them up to the width."""

    first: int
    last: int
    width: int = 0

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return abs(self.last - self.first) + 1

    def numbers(self) -> Iterator[str]:
        """The numbers as they stand in names."""
        step = 1 if self.first <= self.last else -1
        return (f"{number:0{self.width}d}" for number in range(self.first, self.last + step, step))


Choice = tuple[Span, ...]
"""Spans one after the other, in one place of a name."""


@dataclass(frozen=True, slots=True)
class NameRange:
    """A name with any number of ranges in it; nothing is expanded until `names` is asked, so `count` first."""

    parts: tuple[str | Choice, ...]

    @classmethod
    def in_brackets(cls, text: str) -> "NameRange":
        """`node[1:40]`, both ends included, `[01:40]` with zeros; of several ranges the last one runs fastest. Raises `ValueError`."""
        parts: list[str | Choice] = []
        rest_at = 0
        for found in _BRACKETS.finditer(text):
            parts += [text[rest_at : found.start()], (_in_order(found[0], found[1], found[2]),)]
            rest_at = found.end()
        parts.append(text[rest_at:])
        if any(bracket in part for part in parts if isinstance(part, str) for bracket in "[]"):
            raise ValueError(f"{text!r} has brackets that are no range (a range is [1:40], or [01:40] for names with zeros)")
        return cls(tuple(parts))

    @classmethod
    def with_dashes(cls, text: str) -> "NameRange":
        """As config-tools has it in what begins with `=`: `node1-40`, `node1-3:7-9`, `10.0.1-2.1-20`; only the first one of a name."""
        if "-" in text and _IPV4_DASHES.fullmatch(text):
            numbers = [part.split(":") for part in text.split(".")]
            return cls(tuple(part for number in numbers for part in (".", tuple(map(_of_dashes, number))))[1:])
        found = _DASHES.fullmatch(text)
        if not found:
            return cls((text,))
        return cls((found["head"], tuple(map(_of_dashes, found["spans"].split(":"))), found["tail"]))

    @property
    def count(self) -> int:
        """How many names it stands for."""
        return prod(sum(span.size for span in part) for part in self.parts if not isinstance(part, str))

    @property
    def is_one(self) -> bool:
        """True for a name without a range in it."""
        return all(isinstance(part, str) for part in self.parts)

    def names(self) -> Iterator[str]:
        """Every name, in the order of the numbers."""
        columns = [[part] if isinstance(part, str) else [text for span in part for text in span.numbers()] for part in self.parts]
        return map("".join, product(*columns))


def _in_order(text: str, first: str, last: str) -> Span:
    if int(first) > int(last):
        raise ValueError(f"the range {text} runs backwards")
    padded = [number for number in (first, last) if number[0] == "0" and len(number) > 1]
    if padded and len(first) != len(last):
        raise ValueError(f"the range {text} has zeros before one of its ends: write both with as many digits")
    return Span(int(first), int(last), len(first) if padded else 0)


def _of_dashes(text: str) -> Span:
    ends = text.split("-")
    if len(ends) > 2 or not all(ends):
        raise ValueError(f"{text!r} is no range of numbers")
    return Span(int(ends[0]), int(ends[-1]), len(ends[0]) if ends[0][0] == "0" else 0)
