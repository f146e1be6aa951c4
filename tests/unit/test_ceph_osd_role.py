"""What the role ceph-osd brings beside its packages: the check of a node, and its part of a post-script."""

import importlib.util
import json
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from jinja2 import Environment, StrictUndefined

from reprov.adapters.library import Library
from reprov.adapters.role_files import load_role

REPOSITORY = Path(__file__).parents[2]
RUNNING = {"id": 3, "fsid": "f-3", "state": "running", "problem": ""}
DOWN = {"id": 4, "fsid": "f-4", "state": "left alone", "problem": "its db is missing"}
NO_PROGRAM = FileNotFoundError(2, "No such file or directory", "x")


class Node:
    """A node on which programs answer what a test says."""

    def __init__(self, check: ModuleType) -> None:
        self.check = check
        self.answers: dict[str, str | Exception] = {
            "reprov": json.dumps({"osds": [RUNNING]}),
            "ceph-osd": "ceph version 16.2.15 (618f) pacific (stable)\n",
            "ceph": json.dumps({"osds": [{"osd": 3, "uuid": "f-3", "up": 1}]}),
        }

    def run(self, *argv: str, fine: tuple[int, ...] = (0,)) -> str:
        answer = self.answers[argv[0]]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Node:
    loader = SourceFileLoader("ceph_osds", str(REPOSITORY / "roles/ceph-osd/checks/ceph-osds"))
    spec = importlib.util.spec_from_loader("ceph_osds", loader)
    assert spec
    check = importlib.util.module_from_spec(spec)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    loader.exec_module(check)
    made = Node(check)
    monkeypatch.setattr(check, "run", made.run)
    monkeypatch.setattr(check, "HOMES", tmp_path / "osd")
    monkeypatch.setattr(check, "SOCKETS", tmp_path)
    return made


def lines(node: Node, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    return node.check.main(), capsys.readouterr().out.splitlines()


def test_a_node_that_is_well(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    assert lines(node, capsys) == (0, ["1 OSDs, 0 faults"])


def test_a_cluster_that_cannot_be_reached_is_said_and_no_fault(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    node.answers["ceph"] = subprocess.SubprocessError("ceph: timed out")
    assert lines(node, capsys) == (0, ["1 OSDs, 0 faults; the cluster cannot be reached from here and was not asked"])


FAULTS: dict[str, tuple[str, str | Exception, str]] = {
    "one is not up": ("reprov", json.dumps({"osds": [RUNNING, DOWN]}), "osd.4 (f-4) is left alone: its db is missing"),
    "reprov is not there": ("reprov", NO_PROGRAM, "the OSDs of this node cannot be listed: [Errno 2] No such file or directory: 'x'"),
    "reprov says no JSON": ("reprov", "oops", "the OSDs of this node cannot be listed: Expecting value: line 1 column 1 (char 0)"),
    "ceph-osd fails": ("ceph-osd", subprocess.SubprocessError("ceph-osd: broken"), "ceph-osd does not tell its version: ceph-osd: broken"),
    "the cluster has it down": (
        "ceph",
        json.dumps({"osds": [{"osd": 3, "uuid": "f-3", "up": 0}]}),
        "osd.3 runs, and is down in the cluster",
    ),
    "the cluster has another": (
        "ceph",
        json.dumps({"osds": [{"osd": 3, "uuid": "f-9", "up": 1}]}),
        "osd.3 is f-3 here, and f-9 in the cluster",
    ),
    "the cluster has none": ("ceph", json.dumps({"osds": []}), "osd.3 is not of the cluster"),
}


@pytest.mark.parametrize(("program", "answer", "line"), FAULTS.values(), ids=FAULTS)
def test_a_fault(node: Node, capsys: pytest.CaptureFixture[str], program: str, answer: str | Exception, line: str) -> None:
    node.answers[program] = answer
    status, said = lines(node, capsys)
    assert (status, said[0], "1 faults" in said[-1]) == (1, line, True)


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[Callable[[bytes], None]]:
    """Answers once on the admin socket of osd.3."""
    threads: list[threading.Thread] = []

    def start(answer: bytes) -> None:
        server = socket.socket(socket.AF_UNIX)
        here = Path.cwd()
        os.chdir(tmp_path)  # the path of a socket has at most 108 bytes
        server.bind("ceph-osd.3.asok")
        os.chdir(here)
        server.listen()

        def serve() -> None:
            with server, server.accept()[0] as peer:
                if peer.recv(100) == b'{"prefix": "version"}\0':
                    peer.sendall(answer)

        threads.append(threading.Thread(target=serve))
        threads[-1].start()

    yield start
    for thread in threads:
        thread.join(10)


VERSIONS: dict[str, tuple[bytes, list[str]]] = {
    "the installed one": (b'\0\0\0\x15{"version":"16.2.15"}', []),
    "an older one": (b'\0\0\0\x15{"version":"16.2.11"}', ["osd.3 runs 16.2.11, and ceph version 16.2.15 is installed"]),
    "part of the installed one": (b'\0\0\0\x14{"version":"16.2.1"}', ["osd.3 runs 16.2.1, and ceph version 16.2.15 is installed"]),
    "none": (b"", ["SOCKET does not answer: Expecting value: line 1 column 1 (char 0)"]),
}


@pytest.mark.parametrize(("answer", "expected"), VERSIONS.values(), ids=VERSIONS)
def test_the_version_that_an_osd_runs(
    node: Node, tmp_path: Path, answering: Callable[[bytes], None], monkeypatch: pytest.MonkeyPatch, answer: bytes, expected: list[str]
) -> None:
    answering(answer)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(node.check, "SOCKETS", Path())
    assert node.check.other_versions() == [line.replace("SOCKET", "ceph-osd.3.asok") for line in expected]


def test_a_host_of_cephadm_has_no_version_of_its_own(node: Node) -> None:
    node.answers["ceph-osd"] = NO_PROGRAM
    assert node.check.other_versions() == []


def test_what_is_roots_in_an_osd_directory_is_a_fault_and_an_empty_mount_point_is_none(node: Node, tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("needs root, to make files of others")
    for path in ("ceph-3/keyring", "ceph-3/whoami", "ceph-4/whoami"):
        (tmp_path / "osd" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "osd" / path).write_text("")
        os.chown(tmp_path / "osd" / path, 64045, 64045)
    (tmp_path / "osd/ceph-5").mkdir()
    os.chown(tmp_path / "osd/ceph-3", 64045, 64045)
    os.chown(tmp_path / "osd/ceph-3/keyring", 0, 0)
    (tmp_path / "osd/ceph-3/journal").symlink_to("whoami")  # a link of root's to what is not
    (tmp_path / "osd/ceph-3/block").symlink_to("keyring")
    (tmp_path / "osd/ceph-3/block.db").symlink_to("gone")
    found = [line.removeprefix(str(tmp_path)) for line in node.check.owned_by_root()]
    assert found == [
        "/osd/ceph-3/block belongs to root",
        "/osd/ceph-3/block.db leads nowhere",
        "/osd/ceph-3/keyring belongs to root",
        "/osd/ceph-4 belongs to root",
    ]


def test_the_files_that_the_role_names_are_there() -> None:
    role = load_role("ceph-osd", Library((REPOSITORY,)))
    names: dict[str, Any] = {"checks": role.named(lambda file: file.checks), "post": role.named(lambda file: file.post_scripts)}
    assert names == {"checks": ("ceph-osds",), "post": ("50-ceph-osd",)}
    assert os.access(REPOSITORY / "roles/ceph-osd/checks/ceph-osds", os.X_OK)


def test_the_post_script_needs_no_variable() -> None:
    text = (REPOSITORY / "post-scripts/50-ceph-osd.sh.j2").read_text()
    assert Environment(undefined=StrictUndefined, autoescape=False).from_string(text).render() == text.rstrip("\n")
    assert "ceph-osd@" not in text  # nothing is restarted
