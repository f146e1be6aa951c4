"""Write the verbs and their options into the man page, between the marks; the prose around them is written by hand.

    manpage.py [--check] FILE

With --check nothing is written: exits 1 when the page is not what would be written.
"""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from reprov.cli.main import reprov
from reprov.cli.verbs import VERBS, Section, load

_BEGIN = '.\\" BEGIN GENERATED (make man)\n'
_END = '.\\" END GENERATED\n'


def main(arguments: list[str]) -> int:
    """Bring the page up to date, or tell whether it is."""
    check = arguments[:1] == ["--check"]
    page = Path(arguments[-1])
    old = page.read_text(encoding="utf-8")
    head, _, rest = old.partition(_BEGIN)
    _, mark, tail = rest.partition(_END)
    if not mark:
        print(f"{page}: the marks {_BEGIN.strip()!r} and {_END.strip()!r} are not there", file=sys.stderr)
        return 1
    new = head + _BEGIN + "".join(f"{line}\n" for line in verbs()) + _END + tail
    if check and new != old:
        print(f"{page} does not show the verbs and options of the program: run `make man`", file=sys.stderr)
        return 1
    if not check:
        page.write_text(new, encoding="utf-8")
    return 0


def verbs() -> Iterator[str]:
    """The mdoc(7) lines of the options of the command itself and of every verb."""
    yield ".Ss Before the verb"
    yield from options(reprov, click.Context(reprov))
    for section in Section:
        yield f".Sh {section.value.upper()}"
        for name, verb in VERBS.items():
            if verb.section is section:
                yield from one_verb(name)


def one_verb(name: str) -> Iterator[str]:
    """A verb: usage, help, options."""
    yield from one_command(load(name), f"reprov {name}")


def one_command(command: click.Command, name: str) -> Iterator[str]:
    """A command and those below it."""
    context = click.Context(command, info_name=name)
    pieces = [piece for piece in command.collect_usage_pieces(context) if piece != "[OPTIONS]"]
    yield f'.Ss "{" ".join([name, *pieces])}"'
    yield from prose(inspect.cleandoc(command.help or "").split("\f")[0])
    yield from options(command, context)
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            assert found is not None
            yield from one_command(found, f"{name} {below}")


def prose(text: str) -> Iterator[str]:
    """Paragraphs; one that starts with click's \\b mark keeps its line breaks."""
    for number, paragraph in enumerate(text.strip().split("\n\n")):
        if paragraph.startswith("\b\n"):
            yield ".Bd -literal -offset indent"
            yield from map(escape, paragraph.removeprefix("\b\n").splitlines())
            yield ".Ed"
            continue
        if number:
            yield ".Pp"
        yield from map(escape, paragraph.splitlines())


def options(command: click.Command, context: click.Context) -> Iterator[str]:
    """The list of options, without --help."""
    shown = [option for option in command.params if isinstance(option, click.Option)]
    records = [record for record in (option.get_help_record(context) for option in shown) if record]
    if not records:
        return
    yield ".Bl -tag -width Ds"
    for left, text in records:
        yield ".It " + " , ".join(flag(part) for part in left.split(", "))
        yield escape(text)
    yield ".El"


def flag(text: str) -> str:
    """`--root DIR` in macros."""
    name, _, metavar = text.partition(" ")
    return f"Fl {name.removeprefix('-')}" + (f' Ar "{metavar}"' if metavar else "")


def escape(line: str) -> str:
    """A line of text that roff(7) takes as text."""
    line = line.replace("\\", "\\e")
    return f"\\&{line}" if line.startswith((".", "'")) else line


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
