"""Real servers on loopback: the store over rsync, a stand-in that breaks off, an SSH daemon with keys of its own."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PATIENCE_S = 20.0


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(store: Path) -> Iterator[str]:
    """The store over `reprov serve` on loopback; the address to upgrade from."""
    port = free_port()
    argv = [sys.executable, "-m", "reprov", "serve", "--store", str(store), "--address", "127.0.0.1", "--port", str(port)]
    with _running(argv, port):
        yield f"rsync://127.0.0.1:{port}"


@contextmanager
def sshd(folder: Path) -> Iterator[int]:
    """An SSH daemon on loopback that lets root in with the key `folder/key`; its port."""
    folder.mkdir()
    port = free_port()
    for name in ("key", "host"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    (folder / "key.pub").rename(folder / "authorized")
    options = {
        "ListenAddress": "127.0.0.1",
        "Port": str(port),
        "HostKey": str(folder / "host"),
        "AuthorizedKeysFile": str(folder / "authorized"),
        "PidFile": "none",
        "UsePAM": "no",
        "StrictModes": "no",
        "PermitRootLogin": "prohibit-password",
    }
    (folder / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in options.items()))
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where it locks itself in before somebody has logged in
    with _running(["/usr/sbin/sshd", "-D", "-e", "-f", str(folder / "sshd_config")], port):
        yield port


def ssh_config(folder: Path) -> Path:
    """A client configuration to use the key of `sshd` and to believe any host."""
    options = (f"IdentityFile {folder / 'key'}", "IdentitiesOnly yes", "StrictHostKeyChecking no", "UserKnownHostsFile /dev/null")
    file = folder / "ssh_config"
    file.write_text("".join(f"{option}\n" for option in (*options, "LogLevel ERROR")))
    return file


class Relay:
    """Passes connections on to a server, until a connection has brought so many bytes: then it is cut off, as a server that dies."""

    def __init__(self, port: int, breaks_after_bytes: int) -> None:
        self._target = port
        self._left = breaks_after_bytes
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self.has_broken = False
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        """Stop listening, and wait for the connections to end."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in tuple(self._threads):
            thread.join(_PATIENCE_S)

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client = self._listening.accept()[0]
                server = socket.create_connection(("127.0.0.1", self._target))
                for source, sink, counts in ((client, server, False), (server, client, True)):
                    thread = threading.Thread(target=self._pass_on, args=(source, sink, counts), daemon=True)
                    self._threads.append(thread)
                    thread.start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, counts: bool) -> None:
        with suppress(OSError):
            while (block := source.recv(1 << 16)) and not self.has_broken:
                if counts:
                    self._left -= len(block)
                    self.has_broken = self._left < 0
                if not self.has_broken:
                    sink.sendall(block)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        if counts:
            source.close()
            sink.close()


@contextmanager
def relayed(port: int, *, breaks_after_bytes: int) -> Iterator[Relay]:
    """A relay to a port of loopback."""
    relay = Relay(port, breaks_after_bytes)
    try:
        yield relay
    finally:
        relay.close()


@contextmanager
def _running(argv: list[str], port: int) -> Iterator[None]:
    """A server in a session of its own, once it listens; stopped politely at the end, and rudely if that does not help."""
    with subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    ) as server:
        try:
            _wait_for(server, port)
            yield
        finally:
            server.terminate()
            try:
                server.communicate(timeout=_PATIENCE_S)
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(server.pid, 9)


def _wait_for(server: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while server.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    assert server.stderr is not None
    raise AssertionError(f"{server.args!r} does not listen: {server.stderr.read().decode() if server.poll() is not None else 'timed out'}")
