"""The generated configuration with a real rsync daemon on loopback: what it gives, and what it refuses."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from reprov.adapters.store import Store

pytestmark = [pytest.mark.commands, pytest.mark.needs("rsync", "setsid")]

_START_TIMEOUT_S = 20.0


class Served(NamedTuple):
    """A running `reprov serve`."""

    process: subprocess.Popen[str]
    port: int
    store: Path

    def rsync(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A client's try; @ in its words is the daemon's address."""
        argv = ["rsync", "--no-motd", *(word.replace("@", f"rsync://127.0.0.1:{self.port}") for word in words)]
        return subprocess.run(argv, check=False, capture_output=True, text=True, timeout=30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def can_connect(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A small store, served until the end of the test; a secret lies beside it."""
    store = Store.created(tmp_path / "store").root
    tree = store / "trees/base/1.0"
    (tree / "etc").mkdir(parents=True)
    (tree / "etc/hostname").write_text("golden\n")
    (tree / "etc/shadow").write_text("secret\n")
    (tree / "etc/shadow").chmod(0o600)
    (tree / "inside").symlink_to("etc/hostname")
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside/private").write_text("private\n")
    (tree / "out").symlink_to(tmp_path / "beside")
    (tree / "up").symlink_to("../../../../beside")
    (store / "releases/base/1.0").mkdir(parents=True)
    (store / "releases/base/1.0/release.json").write_text("{}\n")
    port = free_port()
    argv = [sys.executable, "-m", "reprov", "serve", "--store", str(store), "--port", str(port), "--max-connections", "2"]
    with (tmp_path / "log").open("w") as log, subprocess.Popen(argv, stdout=log, stderr=log, text=True) as process:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not can_connect(port) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        try:
            yield Served(process, port, store)
        finally:
            process.terminate()
            process.wait(timeout=30)


def test_a_node_gets_trees_and_releases(served: Served, tmp_path: Path) -> None:
    got = tmp_path / "got"
    assert served.rsync("-a", "@/trees/base/1.0/", f"{got}/").returncode == 0
    assert (got / "etc/shadow").read_text() == "secret\n"
    assert (got / "up").readlink() == Path("../../../../beside")
    assert (got / "out").readlink() == tmp_path / "beside"
    assert served.rsync("@/releases/base/1.0/release.json", f"{got}/").returncode == 0


def test_only_named_files_are_fetched(served: Served, tmp_path: Path) -> None:
    # From the module's root, the list marks where the tree begins: rsync 3.5.0's daemon finds nothing of a list below it without a chroot.
    (tmp_path / "wanted").write_bytes(b"base/1.0/./etc/hostname\0")
    done = served.rsync("-a", "--from0", f"--files-from={tmp_path}/wanted", "@/trees/", f"{tmp_path}/got/")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "got").rglob("*")] == ["etc", "hostname"]


def test_a_whole_tree_can_be_mirrored_as_nodes_of_old_did(served: Served, tmp_path: Path) -> None:
    (tmp_path / "got/old").mkdir(parents=True)
    done = served.rsync("-aH", "--numeric-ids", "--delete", "@/trees/base/1.0/", f"{tmp_path}/got/")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "got").iterdir()) == ["etc", "inside", "out", "up"]


def test_modules_are_not_listed(served: Served) -> None:
    done = served.rsync("@/")
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["@/pool/", "got/"], "Unknown module 'pool'", id="the pool is no module"),
        pytest.param(["@/build/", "got/"], "Unknown module 'build'", id="nor are builds"),
        pytest.param(["upload", "@/trees/"], "module is read only", id="nothing can be uploaded"),
        pytest.param(["-a", "--delete", "empty/", "@/trees/"], "configured to refuse --delete", id="nothing can be deleted"),
        pytest.param(["-a", "--copy-links", "@/trees/base/1.0/", "got/"], "configured to refuse --copy-links", id="links are not followed"),
        pytest.param(["-a", "--checksum", "@/trees/", "got/"], "configured to refuse --checksum", id="nobody makes the server hash"),
        pytest.param(["-a", "--copy-unsafe-links", "@/trees/", "got/"], "configured to refuse --copy-unsafe-links", id="nor unsafe ones"),
    ],
)
def test_what_is_refused(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "upload").write_text("x")
    (tmp_path / "empty").mkdir()
    done = served.rsync(*words)
    assert done.returncode != 0
    assert said in done.stderr
    assert not (tmp_path / "got").exists() or not [*(tmp_path / "got").iterdir()]


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("trees/../../beside/private", id="dots above the module"),
        pytest.param("trees/base/1.0/out/private", id="through an absolute link"),
        pytest.param("trees/base/1.0/up/private", id="through a relative link"),
        pytest.param("trees/base/1.0/out/", id="the directory behind a link"),
        pytest.param("releases/../../beside/private", id="dots above the other module"),
    ],
)
def test_no_path_leads_out_of_the_store(served: Served, tmp_path: Path, path: str) -> None:
    served.rsync("-a", f"@/{path}", f"{tmp_path}/got/")
    assert not [*(tmp_path / "got").rglob("private")]


def test_more_clients_than_allowed_are_told_to_wait(served: Served) -> None:
    held = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(2)]
    try:
        for client in held:
            client.sendall(b"@RSYNCD: 31.0 md5\ntrees\n")
            assert client.recv(100).startswith(b"@RSYNCD: ")
        deadline = time.monotonic() + _START_TIMEOUT_S
        while "max connections (2) reached" not in (said := served.rsync("@/trees/").stderr) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert "max connections (2) reached -- try again later" in said
    finally:
        for client in held:
            client.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_daemon_and_its_connections(served: Served, number: signal.Signals) -> None:
    with socket.create_connection(("127.0.0.1", served.port)) as client:
        client.sendall(b"@RSYNCD: 31.0 md5\ntrees\n")
        client.recv(100)
        served.process.send_signal(number)
        assert served.process.wait(timeout=20) == 128 + number
        assert not can_connect(served.port)
        client.settimeout(10)
        with suppress(ConnectionResetError):
            while client.recv(1000):
                pass


def test_a_port_in_use_is_an_error_with_a_way_out(served: Served) -> None:
    argv = [sys.executable, "-m", "reprov", "serve", "--store", str(served.store), "--port", str(served.port)]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "Address already in use" in done.stderr
    assert done.stderr.splitlines()[-1] == "hint: is the port in use? --port takes another one"
