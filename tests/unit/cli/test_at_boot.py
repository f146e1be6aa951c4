"""What the boot of a node is told by its launcher, and what it answers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reprov.cli.at_boot import main
from reprov.errors import NeedsAttention
from reprov.events import Note, PhaseStarted
from reprov.workflows import boot_commit
from reprov.workflows.boot_commit import Done


@pytest.fixture
def booting(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs `at-boot` where this comes out."""

    def run(comes_out: Done | Exception, *words: str, seen: list[Any] | None = None) -> int:
        def carry_out(root: Path, monitor: Any, *, recover_only: bool) -> Done:
            if seen is not None:
                seen.append((root, recover_only))
            monitor.emit(PhaseStarted("commit", "Exchanging"))
            monitor.emit(Note("said"))
            if isinstance(comes_out, Exception):
                raise comes_out
            return comes_out

        monkeypatch.setattr(boot_commit, "carry_out", carry_out)
        return main(words)

    return run


@pytest.mark.parametrize(
    ("comes_out", "status", "said"),
    [
        pytest.param(Done.NOTHING, 0, "", id="nothing to do"),
        pytest.param(Done.EXCHANGED, 100, "", id="other trees than before"),
        pytest.param(Done.GIVEN_UP, 1, "", id="as it was"),
        pytest.param(NeedsAttention("broken", hint="mend it"), 3, "reprov: broken\nreprov: hint: mend it\n", id="somebody has to look"),
        pytest.param(ValueError("x"), 3, "reprov: this is a bug in reprov: report it\n", id="a bug"),
    ],
)
def test_the_status_says_what_has_become_of_the_node(
    booting: Callable[..., int], capsys: pytest.CaptureFixture[str], comes_out: Done | Exception, status: int, said: str
) -> None:
    assert booting(comes_out) == status
    assert capsys.readouterr().out == f"reprov: Exchanging\nreprov: said\n{said}"


@pytest.mark.parametrize(("words", "recover_only"), [((), False), (("--recover",), True)])
def test_what_it_is_asked_for(booting: Callable[..., int], words: tuple[str, ...], recover_only: bool) -> None:
    seen: list[Any] = []
    booting(Done.NOTHING, *words, seen=seen)
    assert seen == [(Path("/"), recover_only)]


def test_what_nobody_knows_changes_nothing(booting: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[Any] = []
    assert booting(Done.NOTHING, "--now", seen=seen) == 3
    assert seen == []
    assert capsys.readouterr().out == "reprov: --now is none of at-boot's options\n"
