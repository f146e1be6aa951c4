"""The `reprov` command: finds the verb, runs it, and turns what it raises into a line, a hint and an exit status.

This is the only module that prints errors and decides the exit status. A verb returns an `ExitCode`, or None for 0.
"""

import contextlib
import difflib
import gc
import io
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

import click

from reprov import __version__
from reprov.cli.signals import Interrupted, interruptible, listen_only_when_interruptible
from reprov.cli.verbs import VERBS, Section, load
from reprov.errors import ExitCode, InvalidInput, ReprovError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_COMPLETE_VARIABLE = "_REPROV_COMPLETE"
_BROKEN_PIPE_STATUS = 141  # what a shell reports for a program that SIGPIPE ended


class VerbGroup(click.Group):
    """A group that knows its verbs from a table, so that help and completion import none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs in the order of the help."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb, imported now."""
        return load(cmd_name) if cmd_name in VERBS else None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Split off the verb; names the nearest one when there is no such verb."""
        if args[0] not in VERBS:
            near = difflib.get_close_matches(args[0], VERBS, n=1)
            raise InvalidInput(
                f"there is no verb {args[0]!r}", hint=f"did you mean {near[0]!r}?" if near else "reprov --help lists the verbs"
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs by the machine that they are for."""
        for section in Section:
            with formatter.section(section.value):
                formatter.write_dl([(name, verb.summary) for name, verb in VERBS.items() if verb.section is section])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Verbs from the table, options from click."""
        from click.shell_completion import CompletionItem

        verbs = [CompletionItem(name, help=verb.summary) for name, verb in VERBS.items() if name.startswith(incomplete)]
        return verbs + click.Command.shell_complete(self, ctx, incomplete)


@click.group(
    cls=VerbGroup, invoke_without_command=True, subcommand_metavar="VERB ...", context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.option("-v", "--verbose", is_flag=True, help="Show every program that is run, ready to be pasted.")
@click.option("-q", "--quiet", is_flag=True, help="No progress and no notes; errors are still shown.")
@click.pass_context
def reprov(context: click.Context, verbose: bool, quiet: bool) -> None:
    """Re-image Linux nodes in place: the release is staged beside the live system, swapped in atomically, and
    the way back is kept.

    Answers go to standard output, progress and errors to standard error. "reprov VERB --help" explains a verb.
    """
    if verbose:
        _log_commands(context)
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        context.exit(ExitCode.INVALID)


def entry() -> NoReturn:
    """The console script: `main`, then out of the process at once.

    A run is short and holds tuples by the hundred thousand, none of them in a cycle: looking for cycles, and freeing all
    of it one by one at the end, would be a tenth of `reprov verify`.
    """
    gc.disable()
    listen_only_when_interruptible()
    status = main()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line (default: the process's own) and return its exit status."""
    if _COMPLETE_VARIABLE in os.environ:
        from click.shell_completion import shell_complete

        return shell_complete(reprov, {}, "reprov", _COMPLETE_VARIABLE, os.environ[_COMPLETE_VARIABLE])
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a locale that cannot write a character must not end an upgrade
    try:
        with interruptible():
            status = _run_verb(list(sys.argv[1:] if arguments is None else arguments))
            sys.stdout.flush()
            return status
    except Exception as error:
        return _report(error)
    except Interrupted as interruption:
        _print_error(f"interrupted: stopped by {interruption.signal.name}, after cleaning up")
        return 128 + interruption.signal


def _run_verb(arguments: list[str]) -> int:
    # Not click's own main(): it exits 1 on a closed pipe and prints errors in its own form.
    try:
        with reprov.make_context("reprov", arguments) as context:
            result = reprov.invoke(context)
    except click.exceptions.Exit as done:
        return done.exit_code
    return int(result) if isinstance(result, int) else ExitCode.DONE


def _report(error: Exception) -> int:
    """Print an error as one line and a hint, and return the exit status that it means."""
    if isinstance(error, BrokenPipeError) and _stdout_is_gone():
        return _BROKEN_PIPE_STATUS
    if _debugging():
        import traceback

        traceback.print_exception(error)
    if isinstance(error, ReprovError):
        _print_error(error.message, error.hint)
        return error.exit_code
    if isinstance(error, click.ClickException):
        _print_error(error.format_message(), _hint_of_usage(error))
        return error.exit_code
    if isinstance(error, click.Abort):
        _print_error("interrupted: no answer")
        return ExitCode.FAILED
    if isinstance(error, OSError):
        name = f": {os.fsdecode(error.filename)}" if isinstance(error.filename, str | bytes) else ""
        denied = isinstance(error, PermissionError) and os.geteuid() != 0
        _print_error(f"{error.strerror or error}{name}", "this needs root" if denied else "REPROV_DEBUG=1 shows where it happened")
        return ExitCode.FAILED
    _print_error(f"this is a bug in reprov: {type(error).__name__}: {error}", "run it again with REPROV_DEBUG=1 and report what it prints")
    return ExitCode.FAILED


def _print_error(message: str, hint: str | None = None) -> None:
    print(f"reprov: {_one_line(message)}", file=sys.stderr)
    if hint:
        print(f"hint: {_one_line(hint)}", file=sys.stderr)


def _one_line(text: str) -> str:
    """The text without line breaks and without anything that a terminal would obey."""
    flat = " ".join(text.split())
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in flat)


def _hint_of_usage(error: click.ClickException) -> str | None:
    if isinstance(error, click.UsageError) and error.ctx is not None:
        return f"{error.ctx.command_path} --help"
    return None


def _stdout_is_gone() -> bool:
    """True when the reader of stdout has left (`reprov history | head`); what is still buffered is thrown away."""
    import select

    try:
        stdout = sys.stdout.fileno()
    except OSError:  # not a file: somebody runs `main` in a process of their own
        return False
    poll = select.poll()
    poll.register(stdout, 0)  # 0: closed ends are reported without being asked for
    if not poll.poll(0):
        return False
    # Else the interpreter would complain when it flushes at exit: https://docs.python.org/3/library/signal.html#note-on-sigpipe
    os.dup2(os.open(os.devnull, os.O_WRONLY), stdout)
    return True


def _debugging() -> bool:
    return os.environ.get("REPROV_DEBUG", "") not in ("", "0")


def _log_commands(context: click.Context) -> None:
    import logging

    from reprov.cli.monitors import say

    class SayHandler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            say(self.format(record))

    log, handler = logging.getLogger("reprov.run"), SayHandler()
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    context.call_on_close(lambda: log.removeHandler(handler))
