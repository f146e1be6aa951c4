"""What an installation in the rescue system needs: a layout that is fetched, and the verb's end."""

import io
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from reprov.adapters import rescue_install
from reprov.domain.release import ReleaseId
from reprov.domain.rescue_command_line import Installation
from reprov.errors import ReprovError

WANTED = Installation(ReleaseId("base", "1.0"), "rsync://h:8730", "http://h/l")


def test_a_layout_is_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[tuple[str, float]] = []

    def urlopen(url: str, timeout: float) -> io.BytesIO:
        asked.append((url, timeout))
        return io.BytesIO(b"{}")

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    monkeypatch.setattr(rescue_install, "_FETCHED", tmp_path / "layout")
    assert Path(rescue_install.fetch_layout("http://h/l")).read_bytes() == b"{}"
    assert asked == [("http://h/l", 20)]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        pytest.param(urllib.error.URLError("refused"), "the layout http://h/l cannot be fetched: refused", id="no server"),
        pytest.param(TimeoutError("timed out"), "the layout http://h/l cannot be fetched: timed out", id="no answer"),
        pytest.param(
            urllib.error.HTTPError("http://h/l", 404, "Not Found", None, None),  # type: ignore[arg-type] # what urllib itself passes
            "the layout http://h/l cannot be fetched: Not Found",
            id="no such layout",
        ),
    ],
)
def test_a_layout_that_cannot_be_fetched(monkeypatch: pytest.MonkeyPatch, error: Exception, message: str) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("urllib.request.urlopen", fail)
    with pytest.raises(ReprovError) as caught:
        rescue_install.fetch_layout("http://h/l")
    assert caught.value.message == message


def test_what_is_too_large_is_no_layout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: io.BytesIO(bytes((1 << 20) + 1)))
    monkeypatch.setattr(rescue_install, "_FETCHED", tmp_path / "layout")
    with pytest.raises(ReprovError, match="http://h/l is no layout: it is larger than 1048576 bytes"):
        rescue_install.fetch_layout("http://h/l")
    assert not (tmp_path / "layout").exists()


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """How the verb ends, and as what it was called."""
    end = SimpleNamespace(status=0, argv=())

    @contextmanager
    def spawn(argv: tuple[str, ...], **_: object) -> Iterator[SimpleNamespace]:
        end.argv = argv
        yield SimpleNamespace(stdout=io.BytesIO(b"first\nsecond\n"), wait=lambda: end.status)

    monkeypatch.setattr(rescue_install, "spawn", spawn)
    return end


@pytest.mark.parametrize("status", [pytest.param(0, id="done"), pytest.param(100, id="done, and a reboot is wanted, which comes anyway")])
def test_an_installation_that_went_well(ended: SimpleNamespace, status: int) -> None:
    ended.status = status
    said: list[str] = []
    rescue_install.install(WANTED, "/run/l", said.append)
    assert said == ["first", "second"]
    words = ("base", "1.0", "--layout", "/run/l", "--from", "rsync://h:8730", "--yes")
    assert ended.argv == ("/usr/sbin/reprov", "install", *words)


def test_a_node_that_may_be_new(ended: SimpleNamespace) -> None:
    rescue_install.install(replace(WANTED, may_be_new=True), "/run/l", lambda _: None)
    assert ended.argv[-2:] == ("--yes", "--new-node")


@pytest.mark.parametrize("status", [1, 2, 4, 6, 7, -9])
def test_any_other_end_is_an_error(ended: SimpleNamespace, status: int) -> None:
    ended.status = status
    with pytest.raises(ReprovError, match=rf"^base 1\.0 is not installed: `reprov install` ended with status {status}$"):
        rescue_install.install(WANTED, "/run/l", lambda _: None)
