"""What a node says of its upgrade while Ansible follows it: its events, in the answers to a task that looks at them again and again."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from reprov.events import Event, event_of

_ANSWERS: Final = ("runner_retry", "runner_on_ok", "runner_on_failed")
_NUMBERED: Final = re.compile(r"(\d+):(\{.*\})")
"""A line of `grep -n`: each answer has all events once more, and only those that were not heard yet are new."""


class Said(NamedTuple):
    """An event of a node's own."""

    host: str
    event: Event


class NodeTalk:
    """Hears the events of one run of Ansible, and finds in them what nodes say."""

    def __init__(self) -> None:
        self._heard: dict[str, int] = {}
        """The number of the last line, by host."""

    def hear(self, event: Mapping[str, Any]) -> Iterator[Said]:
        """What is new in one event of ansible-runner's."""
        if event.get("event") not in _ANSWERS:
            return
        data = event.get("event_data") or {}
        answer = (data.get("res") or {}).get("stdout")
        if not isinstance(answer, str):
            return
        for line in answer.splitlines():
            found = _NUMBERED.fullmatch(line)
            if not found or int(found[1]) <= self._heard.get(data["host"], 0):
                continue
            try:
                fields = json.loads(found[2])
            except ValueError:  # it is still being written, and whole in the next answer
                continue
            self._heard[data["host"]] = int(found[1])
            if said := event_of(fields):
                yield Said(data["host"], said)
