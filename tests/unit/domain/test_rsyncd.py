"""The daemon's configuration as text; the oracle tier starts a daemon with it."""

from pathlib import PurePath

import pytest

from reprov.domain.rsyncd import Served, render_config, render_unit
from reprov.errors import InvalidInput

SERVED = Served.of(PurePath("/srv/re prov"), "127.0.0.1", 8730, 7)


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_root_is_jailed() -> None:
    text = lines(render_config(SERVED, PurePath("/run/x"), as_root=True))
    assert {"use chroot = yes", "uid = 0", "gid = 0"} <= {*text}


def test_others_cannot_be_jailed() -> None:
    text = lines(render_config(SERVED, PurePath("/run/x"), as_root=False))
    assert "use chroot = no" in text
    assert not [line for line in text if line.startswith(("uid", "gid"))]


def test_two_modules_read_only_and_not_listed() -> None:
    text = lines(render_config(SERVED, PurePath("/run/x"), as_root=True))
    assert text[-4:] == ["[trees]", "path = /srv/re prov/trees", "[releases]", "path = /srv/re prov/releases"]
    assert {"read only = yes", "list = no", "max connections = 7", "address = 127.0.0.1", "port = 8730"} <= {*text}


def test_the_unit_serves_the_same() -> None:
    text = lines(render_unit(SERVED, "/opt/reprov"))
    assert 'ExecStart=/opt/reprov serve --store "/srv/re prov" --address 127.0.0.1 --port 8730 --max-connections 7' in text
    assert {"NoNewPrivileges=yes", "ProtectSystem=strict"} <= {*text}


@pytest.mark.parametrize(
    ("store", "address", "port", "connections", "message"),
    [
        pytest.param("/a\nuid = 0", "::1", 1, 1, "'/a\\nuid = 0' cannot be written into rsync's configuration", id="a line break"),
        pytest.param("/a%HOME%", "::1", 1, 1, "'/a%HOME%' cannot be written into rsync's configuration", id="a variable"),
        pytest.param('/a"', "::1", 1, 1, "'/a\"' cannot be written into rsync's configuration", id="a quote"),
        pytest.param("/a ", "::1", 1, 1, "'/a ' cannot be written into rsync's configuration", id="a space at the end"),
        pytest.param("/a", "localhost", 1, 1, "--address localhost: not an IP address", id="a name for an address"),
        pytest.param("/a", "::1", 0, 1, "--port 0: not a port", id="no port"),
        pytest.param("/a", "::1", 65536, 1, "--port 65536: not a port", id="a port too far"),
        pytest.param("/a", "::1", 1, 0, "--max-connections 0: at least one", id="nobody may connect"),
    ],
)
def test_bad_input(store: str, address: str, port: int, connections: int, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        Served.of(PurePath(store), address, port, connections)
    assert raised.value.message == message


@pytest.mark.parametrize(
    ("address", "local"), [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("0.0.0.0", False), ("192.0.2.1", False)]
)
def test_who_can_connect(address: str, local: bool) -> None:
    assert Served.of(PurePath("/a"), address, 1, 1).is_local is local
