"""Shared options: what a verb receives, and what is refused before it runs."""

import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from reprov.cli import options
from reprov.errors import ExitCode, InvalidInput, ReprovError
from reprov.events import Monitor, Note

SEEN: dict[str, object] = {}


@click.command()
@options.root
@options.store
@options.library
@options.source
@options.as_json
@options.yes
@options.monitored
def node(monitor: Monitor, **arguments: object) -> ExitCode:
    monitor.emit(Note("heard"))
    SEEN.clear()
    SEEN.update(arguments)
    return ExitCode.PENDING


def invoke(*arguments: str) -> object:
    with node.make_context("node", list(arguments)) as context:
        return node.invoke(context)


def test_defaults() -> None:
    assert invoke("--from", "rsync://h:8730") is ExitCode.PENDING
    assert SEEN == {
        "root": Path("/"),
        "store": Path("/srv/reprov"),
        "library": None,
        "source": "rsync://h:8730",
        "as_json": False,
        "yes": False,
    }


def test_directories_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "node").mkdir()
    monkeypatch.chdir(tmp_path)
    invoke("--root", "node", "--library", "node", "--store", "new", "--from", "./store", "--json", "--yes")
    assert SEEN == {
        "root": tmp_path / "node",
        "store": tmp_path / "new",
        "library": tmp_path / "node",
        "source": "./store",
        "as_json": True,
        "yes": True,
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(("--from", "x", "--root", "/nowhere"), "Directory '/nowhere' does not exist.", id="no such root"),
        pytest.param(("--from", "x", "--root", "/etc/passwd"), "Directory '/etc/passwd' is a file.", id="a file as root"),
        pytest.param((), "Missing option '--from'.", id="no source"),
    ],
)
def test_what_is_refused(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(click.UsageError) as raised:
        invoke(*arguments)
    assert raised.value.format_message().endswith(message)
    assert raised.value.exit_code == ExitCode.INVALID


def test_the_monitor_is_open_in_the_verb(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    invoke("--from", "x", "--events", str(tmp_path / "events"))
    assert capsys.readouterr().err == "note: heard\n"
    assert '"heard"' in (tmp_path / "events").read_text(encoding="ascii")


@click.command()
@options.release
@options.as_json
@options.monitored
def deploy(**arguments: object) -> object:
    """Any verb that names a release."""
    return arguments["role"], arguments["version"]


def deploying(*arguments: str) -> object:
    with deploy.make_context("deploy", list(arguments)) as context:
        return deploy.invoke(context)


@pytest.mark.parametrize(
    ("words", "release"),
    [
        pytest.param(("1.1",), (None, "1.1"), id="a version alone leaves the role to the node"),
        pytest.param(("base", "1.1"), ("base", "1.1"), id="role and version"),
        pytest.param(("base", "--json", "1.1"), ("base", "1.1"), id="an option between them"),
    ],
)
def test_a_release_is_a_version_with_or_without_its_role(words: tuple[str, ...], release: object) -> None:
    assert deploying(*words) == release


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param((), "Missing argument '[ROLE] VERSION'.", id="nothing"),
        pytest.param(("a", "b", "1.1"), "a release is [ROLE] VERSION, not 'a b 1.1'", id="a word too many"),
    ],
)
def test_what_is_no_release(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(click.UsageError) as raised:
        deploying(*words)
    assert raised.value.format_message() == message


def answering(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put an operator with this answer at the terminal."""
    answer: Callable[..., str] = lambda *_args, **_options: text  # noqa: E731
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr("click.termui.visible_prompt_func", answer)


def test_yes_asks_nothing() -> None:
    options.confirm("delete 3 releases?", yes=True)


def test_a_yes_at_the_terminal_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    answering("y", monkeypatch)
    options.confirm("delete 3 releases?", yes=False)


def test_a_no_at_the_terminal_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    answering("n", monkeypatch)
    with pytest.raises(ReprovError, match="not done, as you answered"):
        options.confirm("delete 3 releases?", yes=False)


def test_nobody_is_asked_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False)
    with pytest.raises(InvalidInput) as raised:
        options.confirm("delete 3 releases?", yes=False)
    assert (raised.value.message, raised.value.hint) == (
        "nobody can be asked: delete 3 releases?",
        "add --yes, because standard input is not a terminal",
    )
