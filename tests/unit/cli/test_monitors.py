"""Progress as lines, JSON lines and bars; and that nothing of it can stop the work."""

import io
import json
import sys
from pathlib import Path

import pytest

from reprov.cli.bars import BarMonitor
from reprov.cli.monitors import JsonMonitor, LineMonitor, Tee, open_monitor, phase_line
from reprov.errors import InvalidInput
from reprov.events import Event, Note, PhaseAdvanced, PhaseEnded, PhaseStarted, phase

STAGE = (
    PhaseStarted("stage", "Staging", 1234, 56_700_000),
    PhaseAdvanced("stage", 600, 20_000_000),
    PhaseEnded("stage", 3.2, 1234, 56_700_000),
)


class Terminal(io.StringIO):
    """A stderr that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("ended", "line"),
    [
        pytest.param(PhaseEnded("stage", 3.2, 1234, 56_700_000), "stage: 1,234 files, 56.7 MB in 3.2 s", id="files and bytes"),
        pytest.param(PhaseEnded("scan", 0.5, 1, 0), "scan: 1 file in 0.5 s", id="files alone"),
        pytest.param(PhaseEnded("commit", 0.009, 0, 0), "commit: done in 9 ms", id="nothing to count"),
        pytest.param(PhaseEnded("fetch", 65, 0, 0, ok=False), "fetch: failed after 1 min 05 s", id="failed at once"),
        pytest.param(PhaseEnded("fetch", 2, 3, 4000, ok=False), "fetch: failed after 2.0 s (3 files, 4.0 kB)", id="failed on the way"),
    ],
)
def test_the_line_of_a_phase(ended: PhaseEnded, line: str) -> None:
    assert phase_line(ended) == line


def test_a_log_gets_one_line_for_each_phase_and_note(capsys: pytest.CaptureFixture[str]) -> None:
    for event in (*STAGE, Note("rsync 3.2.7 is older than 3.5.0")):
        LineMonitor().emit(event)
    assert capsys.readouterr() == ("", "stage: 1,234 files, 56.7 MB in 3.2 s\nnote: rsync 3.2.7 is older than 3.5.0\n")


def test_json_lines_carry_format_time_and_every_field() -> None:
    stream = io.StringIO()
    for event in (*STAGE, Note("line\nbreak")):
        JsonMonitor(stream).emit(event)
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [event["event"] for event in events] == ["phase_started", "phase_advanced", "phase_ended", "note"]
    assert {event["format"] for event in events} == {1}
    assert all(len(event["time"]) == len("2024-05-06T07:08:09.123Z") and event["time"].endswith("Z") for event in events)
    assert {key: events[0][key] for key in ("phase", "title", "files", "size_bytes")} == {
        "phase": "stage",
        "title": "Staging",
        "files": 1234,
        "size_bytes": 56_700_000,
    }
    assert events[2]["ok"] is True
    assert events[3]["text"] == "line\nbreak"


def test_events_go_to_a_file_as_they_happen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "events"
    with open_monitor(str(log), quiet=False) as monitor:
        monitor.emit(Note("one"))
        assert json.loads(log.read_text(encoding="ascii"))["text"] == "one"
    assert capsys.readouterr().err == "note: one\n"


def test_events_go_to_stdout_for_a_dash_and_quiet_silences_the_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with open_monitor("-", quiet=True) as monitor:
        monitor.emit(Note("one"))
    out, err = capsys.readouterr()
    assert (json.loads(out)["text"], err) == ("one", "")


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as raised, open_monitor(f"{tmp_path}/none/events", quiet=True):
        pass
    assert raised.value.message == f"--events {tmp_path}/none/events: No such file or directory"
    assert raised.value.hint == 'name a file that can be written, or "-" for stdout'


class Gone:
    """A monitor whose reader has left."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.told = 0

    def emit(self, event: Event) -> None:
        self.told += 1
        raise self.error


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(BrokenPipeError(), id="the reader of --events - has left"),
        pytest.param(OSError(28, "No space left on device"), id="the disk of --events FILE is full"),
        pytest.param(ValueError("I/O operation on closed file"), id="the stream was closed"),
    ],
)
def test_a_monitor_that_fails_is_left_out_and_the_work_goes_on(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    gone = Gone(error)
    tee = Tee(gone, LineMonitor())
    tee.emit(Note("one"))
    tee.emit(Note("two"))
    assert gone.told == 1
    assert capsys.readouterr().err == "note: one\nnote: two\n"


def show(monkeypatch: pytest.MonkeyPatch, *events: Event) -> str:
    """What a terminal of 80 columns receives."""
    for name, value in {"COLUMNS": "80", "TERM": "xterm-256color"}.items():
        monkeypatch.setenv(name, value)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with open_monitor(None, quiet=False) as monitor:
        for event in events:
            monitor.emit(event)
    return terminal.getvalue()


def test_a_terminal_sees_title_amounts_and_totals_and_then_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = show(monkeypatch, *STAGE)
    assert "Staging" in shown
    assert "1,234" in shown and "/56.7 MB" in shown
    assert shown.rstrip().endswith("stage: 1,234 files, 56.7 MB in 3.2 s")


def test_phases_inside_a_phase_have_their_own_bars_and_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = show(
        monkeypatch,
        PhaseStarted("upgrade", "Upgrading"),
        PhaseStarted("scan", "Scanning [/usr]", files=10),
        PhaseEnded("scan", 1.0, 10, 0),
        Note("half way"),
        PhaseEnded("upgrade", 2.0, 0, 0),
    )
    assert "Scanning [/usr]" in shown
    order = [shown.index(line) for line in ("scan: 10 files in 1.0 s", "note: half way", "upgrade: done in 2.0 s")]
    assert order == sorted(order)


def test_the_cursor_comes_back_when_a_phase_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(sys, "stderr", terminal)
    with pytest.raises(OSError), open_monitor(None, quiet=False) as monitor, phase(monitor, "fetch", "Fetching"):
        raise OSError("gone")
    assert terminal.getvalue().count("\x1b[?25l") == terminal.getvalue().count("\x1b[?25h") == 1
    assert "fetch: failed after" in terminal.getvalue()
    assert sys.stderr is terminal


@pytest.mark.parametrize("term", ["dumb", ""])
def test_a_terminal_that_cannot_move_its_cursor_gets_lines(monkeypatch: pytest.MonkeyPatch, term: str) -> None:
    monkeypatch.setenv("TERM", term)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with open_monitor(None, quiet=False) as monitor:
        for event in STAGE:
            monitor.emit(event)
    assert terminal.getvalue() == "stage: 1,234 files, 56.7 MB in 3.2 s\n"


def test_an_advance_without_a_start_draws_nothing() -> None:
    bars = BarMonitor()
    bars.emit(PhaseAdvanced("stage", 1, 1))
    bars.close()
