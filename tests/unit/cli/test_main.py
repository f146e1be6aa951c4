"""The command line as a whole: help, errors as one line and a hint, exit statuses, signals."""

import logging
import os
import signal
import sys
from collections.abc import Callable

import click
import pytest

from reprov import __version__
from reprov.cli import verbs
from reprov.cli.verbs import VERBS
from reprov.errors import ExitCode, InvalidInput, NeedsAttention, Refused, ReprovError
from tests.conftest import Ran

Reprov = Callable[..., Ran]


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Makes `status` run the given function."""

    def become(function: Callable[[], object]) -> None:
        made = click.Command("status", callback=function, params=[click.Option(["--root"])])
        monkeypatch.setattr("reprov.cli.main.load", lambda _name: made)

    return become


def raiser(error: BaseException) -> Callable[[], object]:
    def verb_that_fails(**_options: object) -> object:
        raise error

    return verb_that_fails


def test_version(reprov: Reprov) -> None:
    assert reprov("--version") == (0, f"reprov {__version__}\n", "")


def test_help_lists_every_verb_and_imports_none(reprov: Reprov) -> None:
    before = set(sys.modules)
    ran = reprov("--help")
    assert ran.status == 0
    assert all(f"\n  {name} " in ran.stdout and verb.summary in ran.stdout for name, verb in VERBS.items())
    assert not {f"reprov.cli.{name}" for name in VERBS} & (set(sys.modules) - before)


def test_without_a_verb_the_help_goes_to_stderr(reprov: Reprov) -> None:
    ran = reprov()
    assert (ran.status, ran.stdout) == (2, "")
    assert ran.stderr.startswith("Usage: reprov [OPTIONS] VERB ...")


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_of_the_table_has_its_module_and_help(name: str, reprov: Reprov) -> None:
    loaded = verbs.load(name)
    assert isinstance(loaded, click.Command)
    assert loaded.help, f"{name} has no help"
    assert all(isinstance(option, click.Argument) or getattr(option, "help", None) for option in loaded.params)
    assert reprov(name, "--help").status == 0


@pytest.mark.parametrize(
    ("error", "status", "stderr"),
    [
        pytest.param(ReprovError("no route to store"), 1, "reprov: no route to store\n", id="a failure"),
        pytest.param(InvalidInput("a.yaml:3: no", hint="fix it"), 2, "reprov: a.yaml:3: no\nhint: fix it\n", id="bad input with a hint"),
        pytest.param(Refused("/srv is a mount"), 4, "reprov: /srv is a mount\n", id="a guard"),
        pytest.param(NeedsAttention("half"), 6, "reprov: half\n", id="neither old nor new"),
        pytest.param(ReprovError("two\nlines \x1b[31m"), 1, "reprov: two lines \\x1b[31m\n", id="nothing that a terminal obeys"),
        pytest.param(ReprovError("file \udcff"), 1, "reprov: file \\udcff\n", id="a byte that is not UTF-8"),
        pytest.param(
            OSError(28, "No space left on device", "/srv/x"),
            1,
            "reprov: No space left on device: /srv/x\nhint: REPROV_DEBUG=1 shows where it happened\n",
            id="an error of the system",
        ),
        pytest.param(
            BrokenPipeError(32, "Broken pipe"),
            1,
            "reprov: Broken pipe\nhint: REPROV_DEBUG=1 shows where it happened\n",
            id="a broken pipe that is not stdout",
        ),
        pytest.param(
            KeyError("size"),
            1,
            "reprov: this is a bug in reprov: KeyError: 'size'\nhint: run it again with REPROV_DEBUG=1 and report what it prints\n",
            id="a bug",
        ),
        pytest.param(click.Abort(), 1, "reprov: interrupted: no answer\n", id="the end of input at a question"),
    ],
)
def test_what_a_verb_raises(
    error: Exception, status: int, stderr: str, reprov: Reprov, verb: Callable[[object], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REPROV_DEBUG", raising=False)
    verb(raiser(error))
    assert reprov("status") == (status, "", stderr)


def test_permission_denied_says_that_root_is_needed(
    reprov: Reprov, verb: Callable[[object], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    verb(raiser(PermissionError(13, "Permission denied", b"/.reprov")))
    assert reprov("status") == (1, "", "reprov: Permission denied: /.reprov\nhint: this needs root\n")


def test_a_traceback_is_for_those_who_ask(reprov: Reprov, verb: Callable[[object], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPROV_DEBUG", "1")
    verb(raiser(KeyError("size")))
    ran = reprov("status")
    assert ran.status == 1
    assert ran.stderr.startswith("Traceback (most recent call last):\n")
    assert "reprov: this is a bug in reprov: KeyError: 'size'\n" in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "stderr"),
    [
        pytest.param(("upgarde",), "reprov: there is no verb 'upgarde'\nhint: did you mean 'upgrade'?\n", id="a slip in a verb"),
        pytest.param(("zzz",), "reprov: there is no verb 'zzz'\nhint: reprov --help lists the verbs\n", id="no verb at all"),
        pytest.param(("status", "x"), "reprov: Got unexpected extra argument (x)\nhint: reprov status --help\n", id="an extra argument"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], stderr: str, reprov: Reprov, verb: Callable[[object], None]) -> None:
    verb(lambda **_options: None)
    ran = reprov(*arguments)
    assert (ran.status, ran.stdout) == (2, "")
    assert ran.stderr.replace("'x'", "x").replace("argument (x).", "argument (x)") == stderr


def test_a_slip_in_an_option_names_the_nearest(reprov: Reprov, verb: Callable[[object], None]) -> None:
    verb(lambda **_options: None)
    ran = reprov("status", "--rot", "/")
    assert ran.status == 2
    assert "--rot" in ran.stderr and "--root" in ran.stderr.splitlines()[0]
    assert ran.stderr.endswith("\nhint: reprov status --help\n")


@pytest.mark.parametrize(
    ("returned", "status"),
    [
        pytest.param(None, 0, id="nothing is done"),
        pytest.param(ExitCode.PENDING, 3, id="there is something to do"),
        pytest.param(ExitCode.REBOOT_WANTED, 100, id="a reboot is wanted"),
    ],
)
def test_what_a_verb_returns(returned: object, status: int, reprov: Reprov, verb: Callable[[object], None]) -> None:
    verb(lambda **_options: returned)
    assert reprov("status").status == status


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_verb_after_its_cleanup(number: signal.Signals, reprov: Reprov, verb: Callable[[object], None]) -> None:
    cleaned: list[str] = []

    def work(**_options: object) -> None:
        try:
            os.kill(os.getpid(), number)
            cleaned.append("not interrupted")
        finally:
            os.kill(os.getpid(), signal.SIGINT)  # an impatient second one does not cut the cleanup short
            cleaned.append("cleaned")

    before = signal.getsignal(number)
    verb(work)
    assert reprov("status") == (128 + number, "", f"reprov: interrupted: stopped by {number.name}, after cleaning up\n")
    assert cleaned == ["cleaned"]
    assert signal.getsignal(number) is before


def test_a_hangup_that_nohup_ignores_stays_ignored(reprov: Reprov, verb: Callable[[object], None]) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        verb(lambda **_options: os.kill(os.getpid(), signal.SIGHUP))
        assert reprov("status").status == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_verbose_shows_commands_and_only_while_the_verb_runs(reprov: Reprov, verb: Callable[[object], None]) -> None:
    verb(lambda **_options: logging.getLogger("reprov.run").debug("run: %s", "rsync -a 'a b' c"))
    assert reprov("-v", "status").stderr == "run: rsync -a 'a b' c\n"
    assert logging.getLogger("reprov.run").handlers == []


def test_completion_knows_verbs_without_importing_them(reprov: Reprov, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"_REPROV_COMPLETE": "bash_complete", "COMP_WORDS": "reprov rollb", "COMP_CWORD": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delitem(sys.modules, "reprov.cli.rollback", raising=False)
    assert reprov().stdout == "plain,rollback\n"
    assert "reprov.cli.rollback" not in sys.modules
