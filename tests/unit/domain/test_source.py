"""Where releases come from, as rsync is told."""

import pytest

from reprov.domain.release import ReleaseId
from reprov.domain.source import Source
from reprov.errors import InvalidInput

SSH = ("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10")


@pytest.mark.parametrize(
    ("text", "prefix", "shell"),
    [
        pytest.param("rsync://install:8730", "rsync://install:8730/", (), id="a daemon"),
        pytest.param("rsync://install:8730/", "rsync://install:8730/", (), id="a daemon with a slash"),
        pytest.param("rsync://[fd00::1]:8730", "rsync://[fd00::1]:8730/", (), id="a daemon by its IPv6 address"),
        pytest.param("/srv/reprov", "/srv/reprov/", (), id="a directory"),
        pytest.param("/srv/re prov//", "/srv/re prov/", (), id="a directory with a space and slashes"),
        pytest.param("/", "/", (), id="the root directory"),
        pytest.param("ssh://me@install/srv/reprov", "me@install:/srv/reprov/", SSH, id="ssh"),
        pytest.param("ssh://install:2222/srv/reprov/", "install:/srv/reprov/", (*SSH, "-p", "2222"), id="ssh with a port, without a user"),
        pytest.param("ssh://[fd00::1]/srv", "[fd00::1]:/srv/", SSH, id="ssh to an IPv6 address"),
    ],
)
def test_what_an_operator_writes(text: str, prefix: str, shell: tuple[str, ...]) -> None:
    assert Source.parse(text) == Source(text, prefix, shell)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "srv/reprov",
        "./srv",
        "http://install/srv",
        "rsync://",
        "rsync://install/module",
        "rsync://in stall",
        "ssh://install",
        "ssh://a b@install/srv",
        "ssh://install:port/srv",
        "install:/srv",
        "file:///srv",
    ],
)
def test_what_is_no_source(text: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        Source.parse(text)
    assert raised.value.message == f"{text!r} is not a source"
    assert raised.value.hint == "write rsync://HOST:8730, ssh://USER@HOST/srv/reprov or an absolute directory"


def test_the_parts_of_a_store() -> None:
    source, release = Source.parse("rsync://install:8730"), ReleaseId("base", "1.0")
    assert source.trees == "rsync://install:8730/trees/"
    assert source.release(release) == "rsync://install:8730/releases/base/1.0/"
    assert source.versions("base") == "rsync://install:8730/releases/base/"


@pytest.mark.parametrize(
    ("text", "server"),
    [
        pytest.param("rsync://install:8730", ("install", 8730), id="a daemon"),
        pytest.param("rsync://install/", ("install", 873), id="a daemon at rsync's own port"),
        pytest.param("rsync://me@[fd00::1]:8730", ("fd00::1", 8730), id="a daemon by its IPv6 address, with a user"),
        pytest.param("ssh://me@install/srv", ("install", 22), id="ssh"),
        pytest.param("ssh://[fd00::1]:2222/srv", ("fd00::1", 2222), id="ssh by its IPv6 address, with a port"),
        pytest.param("/srv/reprov", None, id="a directory"),
    ],
)
def test_the_server_to_reach(text: str, server: tuple[str, int] | None) -> None:
    assert Source.parse(text).server == server
