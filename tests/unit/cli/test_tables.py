"""Answers: tables in a pipe and on a terminal, JSON, numbers as people read them."""

import io
import json
import os
import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

import pytest

from reprov.cli.tables import (
    Table,
    human_count,
    human_files,
    human_paths,
    human_size,
    human_time,
    labelled,
    print_command,
    print_json,
    print_table,
    print_text,
)
from reprov.domain.entry import Entry, Kind
from reprov.domain.release import ReleaseId
from reprov.errors import ExitCode

RELEASES = Table.of("role", "version", "> size", rows=[("base", "1.0", "312.4 MB"), ("ceph-osd", "2.11", "1.2 GB")])


class Terminal(io.StringIO):
    """A stdout that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def on_terminal(monkeypatch: pytest.MonkeyPatch, table: Table, **environment: str) -> str:
    """What the table looks like on a terminal of 80 columns."""
    return written(monkeypatch, lambda: print_table(table), **environment)


def written(monkeypatch: pytest.MonkeyPatch, write: Callable[[], None], **environment: str) -> str:
    """What something writes to a terminal of 80 columns."""
    for name, value in {"COLUMNS": "80", "TERM": "xterm-256color", **environment}.items():
        monkeypatch.setenv(name, value)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    write()
    return terminal.getvalue()


LONG = f"{'word ' * 20}end-of-it"
COMMAND = ("ceph-volume", "lvm", "activate", "--no-systemd", "a name with blanks", *(f"--option-{number}" for number in range(6)))


def test_a_long_line_is_folded_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    print_text(LONG)
    assert capsys.readouterr().out == f"{LONG}\n"
    lines = written(monkeypatch, lambda: print_text(LONG)).splitlines()
    assert lines == [("word " * 16).rstrip(), "  word word word word end-of-it"]
    assert len(lines[0]) <= 80


def test_a_command_can_be_pasted_from_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    print_command(COMMAND)
    assert capsys.readouterr().out == f"{shlex.join(COMMAND)}\n"
    for columns in ("80", "30"):
        text = written(monkeypatch, lambda: print_command(COMMAND), COLUMNS=columns)
        assert max(map(len, text.splitlines())) <= int(columns)
        assert len(text.splitlines()) > 1
        assert tuple(shlex.split(text.replace(" \\\n", " "))) == COMMAND


def test_a_table_lines_up_its_columns_without_trailing_blanks() -> None:
    assert RELEASES.lines() == [
        "role      version      size",
        "base      1.0      312.4 MB",
        "ceph-osd  2.11       1.2 GB",
    ]


def test_a_table_without_rows_is_its_headings() -> None:
    assert Table.of("role", "> size", rows=[]).lines() == ["role  size"]


def test_in_a_pipe_nothing_is_cut_or_coloured(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(Table.of("path", "why", rows=[("/" + "long/" * 60, "kept")]))
    assert capsys.readouterr().out.splitlines()[1] == "/" + "long/" * 60 + "  kept"


def test_in_a_pipe_a_table_is_the_same_whatever_the_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    print_table(RELEASES)
    assert capsys.readouterr().out.splitlines() == RELEASES.lines()


def test_a_list_of_words_breaks_between_words_and_before_column_80() -> None:
    services = [f"a-service-{number}.service" for number in range(7)]
    assert labelled("services: ", services) == (
        "services: a-service-0.service, a-service-1.service, a-service-2.service,\n"
        "          a-service-3.service, a-service-4.service, a-service-5.service,\n"
        "          a-service-6.service"
    )


@pytest.mark.parametrize(
    ("words", "text"),
    [
        pytest.param([], "services: none", id="no word"),
        pytest.param(["x" * 99, "a b"], f"services: {'x' * 99},\n          a b", id="a word that is longer than a line stays whole"),
    ],
)
def test_a_list_of_words(words: list[str], text: str) -> None:
    assert labelled("services: ", words) == text


def test_on_a_terminal_a_long_path_folds_and_stays_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = on_terminal(monkeypatch, Table.of("why", "path", rows=[("kept", "/" + "long/" * 30)]), NO_COLOR="1")
    shown = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert max(map(len, shown.splitlines())) <= 80
    assert "/" + "long/" * 30 in "".join(line.removeprefix("kept").strip() for line in shown.splitlines()[1:])


def test_no_color_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = on_terminal(monkeypatch, RELEASES, NO_COLOR="1")
    assert not {"\x1b[3", "\x1b[9", "\x1b[38"} & {shown[at : at + 3] for at in range(len(shown))}


def test_a_file_name_is_no_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "/[red]:smile:" in on_terminal(monkeypatch, Table.of("path", rows=[("/[red]:smile:",)]))


@dataclass(frozen=True)
class Answer:
    """A value as workflows return them."""

    id: ReleaseId
    entries: tuple[Entry, ...]
    code: ExitCode
    names: frozenset[str]
    root: PurePosixPath


def test_json_of_nested_values_keeps_names_and_bytes(capsys: pytest.CaptureFixture[str]) -> None:
    name = os.fsdecode(b"na\xffme\n")
    entry = Entry(name, Kind.FILE, 0o644, 0, 0, 1, xattrs=(("user.a", b"\0\1"),))
    print_json(Answer(ReleaseId("base", "1.0"), (entry,), ExitCode.PENDING, frozenset({"b", "a"}), PurePosixPath("/mnt")))
    printed = capsys.readouterr().out
    assert printed.isascii()
    assert printed.count("\n") == 1
    answer = json.loads(printed)
    assert answer["id"] == {"role": "base", "version": "1.0"}
    assert (answer["code"], answer["names"], answer["root"]) == (3, ["a", "b"], "/mnt")
    assert answer["entries"][0]["kind"] == "file"
    assert answer["entries"][0]["xattrs"] == [["user.a", "AAE="]]
    assert os.fsencode(answer["entries"][0]["path"]) == b"na\xffme\n"


def test_json_on_a_terminal_is_indented(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    print_json({"a": [1]})
    assert terminal.getvalue() == '{\n  "a": [\n    1\n  ]\n}\n'


def test_json_refuses_what_it_does_not_know() -> None:
    with pytest.raises(TypeError, match="object has no JSON form"):
        print_json([object()])


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        pytest.param(0, "0 B", id="nothing"),
        pytest.param(999, "999 B", id="the last that is bytes"),
        pytest.param(1000, "1.0 kB", id="decimal units"),
        pytest.param(999_949, "999.9 kB", id="the last that is kB"),
        pytest.param(999_950, "1.0 MB", id="never 1000.0 kB"),
        pytest.param(56_700_000, "56.7 MB", id="megabytes"),
        pytest.param(1_900_000_000, "1.9 GB", id="gigabytes"),
        pytest.param(5 * 10**18, "5,000.0 PB", id="above the last unit"),
        pytest.param(-1_500, "-1.5 kB", id="a shrinking"),
    ],
)
def test_human_size(size_bytes: int, text: str) -> None:
    assert human_size(size_bytes) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        pytest.param(0.0004, "0 ms", id="next to nothing"),
        pytest.param(0.012, "12 ms", id="milliseconds"),
        pytest.param(3.21, "3.2 s", id="seconds"),
        pytest.param(59.94, "59.9 s", id="the last with a decimal"),
        pytest.param(59.96, "1 min 00 s", id="never 60.0 s"),
        pytest.param(245, "4 min 05 s", id="minutes"),
        pytest.param(3599.7, "1 h 00 min", id="never 60 min"),
        pytest.param(7260, "2 h 01 min", id="hours"),
    ],
)
def test_human_time(seconds: float, text: str) -> None:
    assert human_time(seconds) == text


def test_counts_have_thousands_separators() -> None:
    assert (human_count(1234567), human_files(1), human_files(1234)) == ("1,234,567", "1 file", "1,234 files")
    assert (human_paths(1), human_paths(1234)) == ("1 path", "1,234 paths")
