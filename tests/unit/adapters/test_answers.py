"""Who greets, and how the kernel and ICMP write what is asked."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from reprov.adapters import answers
from reprov.domain.health import Listener


@contextmanager
def serving(greeting: bytes) -> Iterator[Listener]:
    """A server that says that to whoever comes first."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(greeting)

        thread = threading.Thread(target=serve)
        thread.start()
        yield Listener("127.0.0.1", server.getsockname()[1])
        thread.join()


@pytest.mark.parametrize(
    ("greeting", "expected"),
    [
        pytest.param(b"SSH-2.0-x\r\n", True, id="sshd"),
        pytest.param(b"@RSYNCD: 31.0\n", False, id="another server"),
        pytest.param(b"", False, id="one that says nothing and leaves"),
    ],
)
def test_a_server_is_known_by_its_first_words(greeting: bytes, expected: bool) -> None:
    with serving(greeting) as server:
        assert answers.greets(server, b"SSH-") is expected


def test_a_server_has_as_long_as_it_is_given() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:  # its kernel takes the connection, and nobody says a word
        assert not answers.greets(Listener("127.0.0.1", server.getsockname()[1]), b"SSH-", timeout_s=0.01)


def test_nobody_greets_where_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert not answers.greets(Listener("127.0.0.1", port), b"SSH-")


@pytest.mark.parametrize(
    ("text", "family", "address"),
    [
        pytest.param("0100007F", socket.AF_INET, "127.0.0.1", id="IPv4"),
        pytest.param("00000000000000000000000001000000", socket.AF_INET6, "::1", id="IPv6"),
        pytest.param("B80D0120000000000000000007000000", socket.AF_INET6, "2001:db8::7", id="IPv6 of all words"),
    ],
)
def test_addresses_of_the_kernel(text: str, family: int, address: str) -> None:
    """On a little-endian machine, as proc_net(5) has them."""
    assert answers._address(text, family) == address


def test_the_checksum_of_an_echo_request_is_that_of_rfc_1071() -> None:
    assert answers._echo(8, 0x1234, 1) == bytes.fromhex("0800e5ca12340001")
