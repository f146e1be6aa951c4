"""Answers on stdout: tables and JSON, and numbers as people read them."""

import json
import shlex
import shutil
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import click

from reprov.domain.plain import plain

_SIZE_UNITS = ("kB", "MB", "GB", "TB", "PB")
_GAP = "  "
_WIDTH = 79
_LEAST_COLUMNS = 20


class _Folding(TypedDict):
    subsequent_indent: str
    break_long_words: bool
    break_on_hyphens: bool


_FOLDING: _Folding = {"subsequent_indent": "  ", "break_long_words": False, "break_on_hyphens": False}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: its heading, and whether its cells are numbers that line up on the right."""

    heading: str
    right: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of finished text. Paths must have gone through `domain.entry.show`: a table does not escape."""

    columns: tuple[Column, ...]
    rows: Sequence[Sequence[str]]

    @classmethod
    def of(cls, *headings: str, rows: Sequence[Sequence[str]]) -> "Table":
        """A table by its headings; one that starts with ">" ("> size") names a column of numbers."""
        return cls(tuple(Column(text.lstrip("> "), right=text.startswith(">")) for text in headings), rows)

    def lines(self) -> list[str]:
        """Plain text of any width, one line a row: what pipes, logs and tests get."""
        cells = self._cells()
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        padded = (
            (
                cell.rjust(width) if column.right else cell.ljust(width)
                for cell, width, column in zip(row, widths, self.columns, strict=True)
            )
            for row in cells
        )
        return [_GAP.join(row).rstrip() for row in padded]

    def folded_lines(self, width: int) -> list[str]:
        """The same in so many columns: the last cell of a row is folded between its words, below the others where these leave no room."""
        indent = sum(max(map(len, column)) + len(_GAP) for column in list(zip(*self._cells(), strict=True))[:-1])
        beside = width - indent >= _LEAST_COLUMNS
        folded: list[str] = []
        for line in self.lines():
            head, tail = line[:indent], line[indent:]
            if beside or len(line) <= width:
                under = _Folding(subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)
                folded += textwrap.wrap(tail, width, initial_indent=head, **under)
            else:
                folded += [head.rstrip(), *textwrap.wrap(tail, width, initial_indent="  ", **_FOLDING)]
        return folded

    def _cells(self) -> list[list[str]]:
        return [[column.heading for column in self.columns], *([*row] for row in self.rows)]


def print_table(table: Table) -> None:
    """Print a table: coloured and folded to the terminal's width on a terminal, plain and of full width anywhere else."""
    if not sys.stdout.isatty():
        click.echo("\n".join(table.lines()))
        return
    # Imported here, because a verb that prints no table must not wait 100 ms for rich.
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable(box=None, pad_edge=False, padding=(0, len(_GAP), 0, 0), header_style="bold")
    for column in table.columns:
        drawn.add_column(column.heading, justify="right" if column.right else "left", no_wrap=column.right, overflow="fold")
    for row in table.rows:
        drawn.add_row(*(Text(cell) for cell in row))  # Text: a file named "[red]" is no markup
    Console(highlight=False).print(drawn)


def print_late(table: Table) -> None:
    """Print a table after an exchange: folded on a terminal as others are, but without rich, which would come from another tree."""
    click.echo("\n".join(table.folded_lines(_terminal_columns()) if sys.stdout.isatty() else table.lines()))


def print_text(text: str) -> None:
    """Print one line; on a terminal it is folded to the terminal's width, between words."""
    click.echo(textwrap.fill(text, _terminal_columns(), **_FOLDING) if sys.stdout.isatty() else text)


def print_command(argv: Sequence[str]) -> None:
    """Print a command that can be pasted; on a terminal it is folded to the terminal's width, between its words, and still can be."""
    if not sys.stdout.isatty():
        click.echo(shlex.join(argv))
        return
    text = " ".join(shlex.quote(word).replace(" ", "\0") for word in argv)
    lines = textwrap.wrap(text, _terminal_columns() - len(" \\"), **_FOLDING)
    click.echo(" \\\n".join(lines).replace("\0", " "))


def _terminal_columns() -> int:
    return max(shutil.get_terminal_size().columns, _LEAST_COLUMNS)


def labelled(label: str, words: Sequence[str]) -> str:
    """A label and a list of words behind it, broken into lines that fit an 80-column terminal; no word is ever broken."""
    # Blanks inside a word are no place to break: a word is a name.
    text = ", ".join(word.replace(" ", "\0") for word in words) or "none"
    lines = textwrap.fill(
        text, _WIDTH, initial_indent=label, subsequent_indent=" " * len(label), break_long_words=False, break_on_hyphens=False
    )
    return lines.replace("\0", " ")


def print_json(answer: object) -> None:
    """Print an answer as JSON: indented on a terminal, else on one line, so that `--events -` stays JSON lines.

    Pure ASCII; a byte of a path that is not UTF-8 appears as its surrogate (`\\udcff`), from which Python's
    `os.fsencode` gives the byte back.
    """
    click.echo(json.dumps(plain(answer), indent=2 if sys.stdout.isatty() else None))


def human_count(count: int) -> str:
    """1234567 as "1,234,567"."""
    return f"{count:,}"


def human_files(count: int) -> str:
    """1234 as "1,234 files", 1 as "1 file"."""
    return f"{count:,} file{'' if count == 1 else 's'}"


def human_steps(count: int) -> str:
    """1234 as "1,234 steps", 1 as "1 step"."""
    return f"{count:,} step{'' if count == 1 else 's'}"


def human_paths(count: int) -> str:
    """1234 as "1,234 paths", 1 as "1 path"."""
    return f"{count:,} path{'' if count == 1 else 's'}"


def human_size(size_bytes: int) -> str:
    """Bytes with three or four digits and a decimal unit: "999 B", "1.2 kB", "56.7 MB"."""
    if abs(size_bytes) < 1000:
        return f"{size_bytes} B"
    exponent = 1
    while abs(round(size_bytes / 1000**exponent, 1)) >= 1000 and exponent < len(_SIZE_UNITS):
        exponent += 1
    return f"{size_bytes / 1000**exponent:,.1f} {_SIZE_UNITS[exponent - 1]}"


def human_time(seconds: float) -> str:
    """A duration: "12 ms", "3.2 s", "4 min 05 s", "2 h 01 min"."""
    if seconds < 0.1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest_s = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest_s:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
