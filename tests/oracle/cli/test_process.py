"""The command as a process: what it loads, how it takes a reader that leaves and a signal that ends it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.commands

REPOSITORY = Path(__file__).parents[3]
HANGING_VERB = """
import sys, time, click, reprov.cli.main as cli
def hang(**_options):
    try:
        print("working", flush=True)
        time.sleep(60)
    finally:
        print("cleaned", flush=True)
cli.load = lambda name: click.Command(name, callback=hang)
sys.exit(cli.main(["status"]))
"""
COMMITTING_VERB = """
import os, subprocess, sys, click, reprov.cli.main as cli
from reprov.workflows.commit import signals_held, void_held_signals
number = int(sys.argv.pop(1))
def ask():
    os.kill(os.getpid(), number)
def commit(**_options):
    with signals_held():
        ask()
        void_held_signals()
    ask()
    program = subprocess.run(["sh", "-c", "kill -$0 $$; echo not stopped", str(number)])
    print("done; a program that it started ended with", program.returncode)
    ask()
exit_now = os._exit
def exit_after_asking(status):
    ask()
    exit_now(status)
os._exit = exit_after_asking
cli.load = lambda name: click.Command(name, callback=commit)
cli.entry()
"""
TALKING_VERB = """
import sys, click, reprov.cli.main as cli
cli.load = lambda name: click.Command(name, callback=lambda: [click.echo("x" * 1000) for _ in range(1000)] and None)
sys.exit(cli.main(["status"]))
"""


def python(*arguments: str) -> subprocess.Popen[str]:
    """Start Python with the package of this checkout."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen((sys.executable, *arguments), env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_version_loads_neither_rich_nor_any_adapter() -> None:
    with python("-X", "importtime", "-m", "reprov", "--version") as process:
        out, err = process.communicate(timeout=30)
    loaded = {line.rpartition("|")[2].strip() for line in err.splitlines()}
    assert out.startswith("reprov ")
    assert "reprov.cli.main" in loaded
    assert not {
        name for name in loaded if name.split(".")[0] in {"rich", "jinja2", "pyroute2", "pyudev", "plumbum", "logging", "subprocess"}
    }
    assert not {name for name in loaded if name.startswith(("reprov.adapters", "reprov.workflows"))}


def test_a_reader_that_leaves_ends_it_quietly() -> None:
    with python("-c", TALKING_VERB) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert (process.wait(timeout=30), process.stderr.read()) == (141, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_after_its_cleanup(number: signal.Signals) -> None:
    with python("-c", HANGING_VERB) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "working\n"
        process.send_signal(number)
        assert process.wait(timeout=30) == 128 + number
        assert process.stdout.read() == "cleaned\n"
        assert process.stderr.read() == f"reprov: interrupted: stopped by {number.name}, after cleaning up\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_after_a_commit_changes_neither_the_answer_nor_the_exit_status(number: signal.Signals) -> None:
    with python("-c", COMMITTING_VERB, str(int(number)), "status") as process:
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, f"done; a program that it started ended with {-number}\n", "")
