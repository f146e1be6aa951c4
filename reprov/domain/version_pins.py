"""Values of an OpenStack service's configuration that are pinned for the time of an upgrade, such as those of [upgrade_levels].

A file is read as oslo.config reads it: a section may stand in it more than once (its name in any case), a key may be repeated (the last
one counts), and a value goes on in the lines below that begin with white space. What is not pinned stays as it is, byte by byte.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

REMARK = "# Pinned by reprov for the time of an upgrade."
"""Stands above every line that was written."""
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")


class Prior(NamedTuple):
    """What a file had where it is pinned."""

    pins: Mapping[str, str]
    """What it was pinned to."""
    texts: Mapping[str, str | None]
    """The lines that assigned a key before, without the end of the last one; None where there were none."""
    is_section_ours: bool
    """There was no such section."""

    @classmethod
    def parse(cls, text: str) -> Prior:
        """A note that `to_text` wrote. Raises `ValueError`."""
        note = json.loads(text)
        try:
            return cls(dict(note["pins"]), dict(note["before"]), bool(note["section_is_ours"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"it is no note of pins: {text[:80]!r}") from error

    def to_text(self) -> str:
        """JSON, the same for the same."""
        note = {"pins": dict(self.pins), "before": dict(self.texts), "section_is_ours": self.is_section_ours}
        return json.dumps(note, indent=2, sort_keys=True) + "\n"


class Pinned(NamedTuple):
    """A file that is pinned."""

    text: str
    prior: Prior


class Restored(NamedTuple):
    """A file that is as it was before it was pinned."""

    text: str
    left: tuple[str, ...]
    """Keys that somebody has changed or removed since: they stay as they are."""


class _Assignment(NamedTuple):
    key: str
    value: str
    start: int
    end: int
    """Its lines, `end` not among them."""


class _Section(NamedTuple):
    headers: tuple[int, ...]
    assignments: tuple[_Assignment, ...]

    def last(self, key: str) -> _Assignment | None:
        return next((found for found in reversed(self.assignments) if found.key == key), None)


def wrong_pins(pins: Mapping[str, Any]) -> str:
    """What is wrong with pins; "" when they can be written."""
    for key, value in pins.items():
        if not _WORD.fullmatch(key):
            return f"{key!r} is not the name of an option"
        if isinstance(value, float):
            return f"{key}: {value} is a number, in which 4.1 and 4.10 are the same: write it in quotes"
        if isinstance(value, bool) or not _WORD.fullmatch(str(value)):
            return f'{key}: {value!r} is neither "auto" nor the name of a release nor a version of messages'
    return ""


def pinned(text: str, section: str, pins: Mapping[str, str], prior: Prior | None = None) -> Pinned:
    """The text with these pins and no others. `prior` is what was noted when it was pinned before: with the same pins, nothing changes."""
    if prior:
        text = restored(text, section, prior).text
    is_section_ours = not _read(text, section).headers
    if is_section_ours:
        text = _with_lines(text, len(_lines(text)), [f"[{section}]"])
    before: dict[str, str | None] = {}
    for key, value in reversed(list(pins.items())):
        found = _read(text, section)
        last = found.last(key)
        if last is None:
            before[key] = None
            text = _with_lines(text, found.headers[-1] + 1, [REMARK, f"{key} = {value}"])
        else:
            lines = _lines(text)
            before[key] = "".join(lines[last.start : last.end]).rstrip("\r\n")
            if last.value != value:
                text = _exchanged(text, last.start, last.end, _style(lines).join((REMARK, f"{key} = {value}")))
    return Pinned(text, Prior(dict(pins), before, is_section_ours))


def restored(text: str, section: str, prior: Prior) -> Restored:
    """The text with what was noted; a key that no longer has the value it was pinned to stays as it is."""
    left = []
    for key, value in prior.pins.items():
        lines, last, before = _lines(text), _read(text, section).last(key), prior.texts.get(key)
        now = "".join(lines[last.start : last.end]).rstrip("\r\n") if last else None
        if now == before:
            continue
        if last is None or last.value != value:
            left.append(key)
            continue
        start = last.start - 1 if lines[last.start - 1].rstrip() == REMARK else last.start
        text = _exchanged(text, start, last.end, before)
    return Restored(_without_section(text, section) if prior.is_section_ours else text, tuple(left))


def _read(text: str, section: str) -> _Section:
    """Where a section and its assignments are, in all the places where it stands."""
    lines = _lines(text)
    headers, found, is_inside, index = [], [], False, 0
    while index < len(lines):
        start, line = index, lines[index].rstrip()
        index += 1
        if line.startswith("["):
            is_inside = line.endswith("]") and _normal(line[1:-1]) == _normal(section)
            headers += [start] if is_inside else []
        elif line and line[0] not in "#; \t":
            while index < len(lines) and lines[index][0] in " \t" and lines[index].strip():
                index += 1
            if is_inside:
                key, value = _key_and_value(line)
                more = [other.strip() for other in lines[start + 1 : index]]
                found.append(_Assignment(key, "\n".join([value, *more]), start, index))
    return _Section(tuple(headers), tuple(found))


def _key_and_value(line: str) -> tuple[str, str]:
    key, value = (part.strip() for part in (*re.split("[=:]", line, maxsplit=1), "")[:2])
    is_quoted = value[:1] in ("'", '"') and value[:1] == value[-1:]
    return key, value[1:-1] if is_quoted else value


def _normal(section: str) -> str:
    """oslo.config compares sections without regard to case, but for its DEFAULT."""
    return section if section == "DEFAULT" else section.lower()


def _without_section(text: str, section: str) -> str:
    """Without the last header of that name, when nothing has come to stand below it."""
    lines, headers = _lines(text), _read(text, section).headers
    if not headers:
        return text
    below = next((line for line in lines[headers[-1] + 1 :] if line.strip()), "[")
    return _exchanged(text, headers[-1], headers[-1] + 1, None) if below.startswith("[") else text


def _with_lines(text: str, index: int, new: list[str]) -> str:
    """With lines before the one of this index. A text whose last line has no end gets none."""
    lines = _lines(text)
    ending = _style(lines)
    added = [line + ending for line in new]
    if index == len(lines) and lines and not _ending(lines[-1]):
        lines[-1] += ending
        added[-1] = new[-1]
    return "".join([*lines[:index], *added, *lines[index:]])


def _exchanged(text: str, start: int, end: int, new: str | None) -> str:
    """With something else in place of some lines, which ends as they did; None: with nothing."""
    lines = _lines(text)
    ending = _ending(lines[end - 1])
    if new is not None:
        return "".join([*lines[:start], new + ending, *lines[end:]])
    if start and not ending:
        lines[start - 1] = lines[start - 1].rstrip("\r\n")
    return "".join([*lines[:start], *lines[end:]])


def _lines(text: str) -> list[str]:
    """Not `splitlines`, which finds ends of lines that nobody else does."""
    return _LINE.findall(text)


def _style(lines: list[str]) -> str:
    """How the lines of a file end."""
    return _ending(lines[0]) or "\n" if lines else "\n"


def _ending(line: str) -> str:
    return "\r\n" if line.endswith("\r\n") else "\n" if line.endswith("\n") else ""
