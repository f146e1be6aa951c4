"""reprov rescue-boot: its answer is a word, and none when something failed."""

from collections.abc import Callable
from typing import Any

import pytest

from reprov.domain.rescue_command_line import Then
from reprov.errors import ReprovError
from reprov.workflows import rescue


def test_the_answer_is_what_comes_next(reprov: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str | None] = []

    def boot(command_line: str | None, _monitor: object) -> Then:
        asked.append(command_line)
        return Then.POWEROFF

    monkeypatch.setattr(rescue, "boot", boot)
    assert reprov("rescue-boot").stdout == "poweroff\n"
    assert reprov("rescue-boot", "--command-line", "reprov.ip=none").stdout == "poweroff\n"
    assert asked == [None, "reprov.ip=none"]


def test_a_failure_has_no_answer(reprov: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def boot(_command_line: str | None, _monitor: object) -> Then:
        raise ReprovError("nobody answers DHCP on eno1")

    monkeypatch.setattr(rescue, "boot", boot)
    done = reprov("rescue-boot")
    assert (done.status, done.stdout, done.stderr) == (1, "", "reprov: nobody answers DHCP on eno1\n")
