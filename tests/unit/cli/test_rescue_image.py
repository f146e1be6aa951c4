"""reprov rescue-image: words and answers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reprov.errors import InvalidInput
from reprov.workflows import rescue_image as workflow
from reprov.workflows.rescue_image import MadeImage, WantedImage

Reprov = Callable[..., Any]


@pytest.fixture
def making(monkeypatch: pytest.MonkeyPatch, reprov: Reprov) -> Callable[..., Any]:
    """Runs `reprov rescue-image`; what it asked for goes into the list."""

    def run(asked: list[tuple[Path, WantedImage]], *words: object) -> Any:
        def make(tree: Path, wanted: WantedImage, _monitor: object) -> MadeImage:
            asked.append((tree, wanted))
            return MadeImage(Path("/srv/tftp/rescue"), "6.1.0-50-amd64", 10_941, 319_200_000, 75_400_000)

        monkeypatch.setattr(workflow, "make_rescue_image", make)
        monkeypatch.setattr(workflow, "tree_of", lambda store, release: store / release.path)
        return reprov("rescue-image", *words, "--output", "/srv/tftp/rescue")

    return run


def test_the_answer(making: Callable[..., Any]) -> None:
    asked: list[tuple[Path, WantedImage]] = []
    done = making(asked, "rescue", "1.0", "--store", "/srv/reprov")
    assert (done.status, done.stdout) == (
        0,
        "/srv/tftp/rescue: vmlinuz 6.1.0-50-amd64, initrd.img 75.4 MB\n  10,941 paths, which take 319.2 MB of a node's memory\n",
    )
    assert asked == [(Path("/srv/reprov/rescue/1.0"), WantedImage(Path("/srv/tftp/rescue")))]


def test_json(making: Callable[..., Any], tmp_path: Path) -> None:
    assert json.loads(making([], "--tree", tmp_path, "--json").stdout) == {
        "folder": "/srv/tftp/rescue",
        "kernel": "6.1.0-50-amd64",
        "paths": 10_941,
        "unpacked_bytes": 319_200_000,
        "initrd_bytes": 75_400_000,
    }


def test_everything_that_can_be_asked_for(making: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, layout = tmp_path / "k", tmp_path / "l"
    key.touch()
    layout.touch()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    asked: list[tuple[Path, WantedImage]] = []
    making(asked, "--tree", tmp_path, "--kernel", "6", "--ssh-key", key, "--layout", layout)
    assert asked == [(tmp_path, WantedImage(Path("/srv/tftp/rescue"), "6", (key,), (layout,), 1_700_000_000))]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param((), "which tree? ROLE VERSION, or --tree DIR", id="nothing"),
        pytest.param(("rescue", "1", "--tree", "/"), "which tree? ROLE VERSION, or --tree DIR", id="both"),
        pytest.param(("rescue",), "which release? a role and a version are needed", id="half a release"),
        pytest.param(("Rescue", "1"), "'Rescue' is not a role name", id="no role"),
    ],
)
def test_bad_words(making: Callable[..., Any], words: tuple[str, ...], message: str) -> None:
    done = making([], *words)
    assert (done.status, done.stderr.splitlines()[0]) == (InvalidInput.exit_code, f"reprov: {message}")


def test_a_time_that_is_none(making: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    done = making([], "--tree", tmp_path)
    assert (done.status, done.stderr) == (2, "reprov: SOURCE_DATE_EPOCH=yesterday: not a number of seconds\n")
