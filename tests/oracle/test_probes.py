"""reprov_probes through real Ansible, against servers, files and programs of this machine."""

import hashlib
import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from reprov.domain.check import Outcome, parse_junit
from tests.ansible_modules import AnsibleModules

pytestmark = pytest.mark.commands


@dataclass
class Site:
    """A web server on a port of its own; what it answers can be changed."""

    url: str = ""
    status: int = 200
    first: list[int] = field(default_factory=list)
    """The statuses of the first answers, where these are others."""
    body: str = "it works"
    delay_s: float = 0.0
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def site() -> Iterator[Site]:
    found = Site()
    slow = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            if slow.wait(found.delay_s):
                return  # who asked is gone
            self.send_response(found.first.pop(0) if found.first else found.status)
            self.end_headers()
            self.wfile.write(found.body.encode())

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found.url = f"http://127.0.0.1:{server.server_port}/"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield found
        slow.set()
        server.shutdown()
        thread.join()


Module = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> AnsibleModules:
    return AnsibleModules(tmp_path_factory.mktemp("roles"))


@pytest.fixture
def probes(modules: AnsibleModules, tmp_path: Path) -> Module:
    """Runs the module with the record and the report of the test; gives what it answers."""

    def run(state: str, *entries: dict[str, Any], check: bool = False, **more: Any) -> dict[str, Any]:
        paths = {"record": f"{tmp_path}/probes.json", "junit": f"{tmp_path}/probes.xml"}
        arguments = {"state": state, "probes": entries, **paths, **more}
        result = modules.run("reprov_probes", arguments, *(["--check"] if check else []))
        return {**result.values, "failed": not result.is_fine}

    return run


def test_what_was_seen_before_must_hold_afterwards(probes: Module, site: Site, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("a line\n")
    with socket.create_server(("127.0.0.1", 0)) as server:
        entries: list[dict[str, Any]] = [
            {"name": "page", "kind": "url", "url": site.url, "body": "works"},
            {"name": "door", "kind": "port", "host": "127.0.0.1", "port": server.getsockname()[1]},
            {"name": "this machine", "kind": "name", "dns": "localhost"},
            {"name": "kept", "kind": "file", "path": str(kept)},
            {"name": "program", "kind": "command", "argv": [sys.executable, "-c", "print('one'); print('two')"], "output": "one"},
        ]
        first = probes("created", *entries)
        assert (first["changed"], first["lost"]) == (True, {}), first
        record = json.loads((tmp_path / "probes.json").read_text())["probes"]
        assert record["kept"]["facts"] == {"sha256": hashlib.sha256(b"a line\n").hexdigest()}
        assert probes("created", *entries)["changed"] is False
        assert len(site.asked) == 1  # what is in the record is what was before, and is not looked at again
        assert probes("checked")["lost"] == {}  # the record knows the probes
    site.status, site.body = 503, "no"
    kept.write_text("another line\n")
    after = probes("checked")
    assert after["failed"], after
    assert after["lost"].keys() == {"page", "door", "kept"}
    assert after["lost"]["page"] == ["answers with 503 instead of 200"]
    assert after["lost"]["door"] == ["Connection refused"]
    assert after["msg"].startswith("3 of 5 probes do not hold: ")
    assert after["msg"].endswith(f"({tmp_path}/probes.json has what was there before; mend it, or go back)")
    cases = {case.name: case for case in parse_junit((tmp_path / "probes.xml").read_text())}
    assert {name: case.outcome for name, case in cases.items()} == {
        "probes::page": Outcome.FAILED,
        "probes::door": Outcome.FAILED,
        "probes::this machine": Outcome.PASSED,
        "probes::kept": Outcome.FAILED,
        "probes::program": Outcome.PASSED,
    }
    assert cases["probes::page"].message == "answers with 503 instead of 200"


def test_what_does_not_hold_yet_is_waited_for(probes: Module, site: Site) -> None:
    site.first = [503, 503]
    assert probes("checked", {"name": "page", "kind": "url", "url": site.url}, record=None, wait_s=120)["lost"] == {}
    assert len(site.asked) == 3


def test_a_probe_that_fails_before_the_upgrade_is_not_taken_for_what_was_there(probes: Module, site: Site, tmp_path: Path) -> None:
    entries = [
        {"name": "page", "kind": "url", "url": site.url, "status": 200},
        {"name": "gone", "kind": "file", "path": f"{tmp_path}/gone"},
    ]
    answer = probes("created", *entries)
    assert answer["lost"] == {"gone": [f"{tmp_path}/gone: No such file or directory"]}
    assert "nothing was upgraded yet" in answer["msg"]
    assert json.loads((tmp_path / "probes.json").read_text())["probes"].keys() == {"page"}
    (tmp_path / "gone").touch()
    assert probes("created", *entries)["changed"] is True


def test_no_probe_lasts_longer_than_it_may(probes: Module, site: Site, tmp_path: Path) -> None:
    site.delay_s = 600.0
    child = tmp_path / "child"
    hanging = ["/bin/sh", "-c", f"sleep 600 & echo $! > {child}; wait"]
    began = time.monotonic()
    answer = probes(
        "checked",
        {"name": "page", "kind": "url", "url": site.url, "timeout_s": 2},
        {"name": "program", "kind": "command", "argv": hanging, "timeout_s": 2},
        record=None,
    )
    assert time.monotonic() - began < 300
    assert answer["lost"] == {"page": ["no answer within 2 s"], "program": ["no answer within 2 s"]}
    status = Path(f"/proc/{child.read_text().strip()}/status")
    while status.exists() and "State:\tZ" not in status.read_text():  # until somebody has heard of its end
        assert time.monotonic() - began < 300
        time.sleep(0.05)


def test_check_mode_writes_nothing_and_runs_no_program(probes: Module, site: Site, tmp_path: Path) -> None:
    entries = [
        {"name": "page", "kind": "url", "url": site.url},
        {"name": "program", "kind": "command", "argv": ["/bin/sh", "-c", f"touch {tmp_path}/ran"]},
    ]
    assert probes("created", *entries, check=True)["changed"] is True
    assert probes("checked", *entries, check=True, record=None)["lost"] == {}
    assert site.asked == ["/"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("state", "entries", "said"),
    [
        pytest.param("checked", [], "nobody has looked at the probes before the upgrade", id="a comparison with nothing"),
        pytest.param("created", [{"name": "a", "kind": "urls"}], "there is no kind 'urls' of probes", id="an unknown kind"),
        pytest.param(
            "created", [{"name": "a", "kind": "network"}], "the network cannot be asked for: ", id="a cloud that nobody has credentials for"
        ),
    ],
)
def test_what_cannot_be_done_is_told(probes: Module, state: str, entries: list[dict[str, Any]], said: str) -> None:
    answer = probes(state, *entries)
    assert answer["failed"]
    assert said in answer["msg"]
