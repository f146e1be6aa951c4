"""What infra.yaml asks of a site, in a generated project that Ansible runs: before the first stage, and behind the last one."""

import http.server
import json
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reprov.domain.check import Outcome, parse_junit
from tests.clouds import a_cloud
from tests.conftest import Ran

pytestmark = [pytest.mark.commands, pytest.mark.needs("setpriv", "flock")]
PLAYBOOK = Path(sysconfig.get_path("scripts")) / "ansible-playbook"
PROBES = """\
probes:
  - {{name: page, kind: url, url: "{url}"}}
checks: [checks/works]
config: {{site_patience_s: 0, ansible_connection: local, ansible_become: false}}
"""
CHECK = '#!/bin/sh\ntest -f inventory.yaml || exit 2\ncat "{folder}/said"; test ! -e "{folder}/broken"\n'


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A web server that has a page as long as there is the file `page`."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(tmp_path))  # type: ignore[arg-type]

        def log_message(self, format: str, *arguments: object) -> None:
            """The output is the test's."""

    (tmp_path / "page").write_text("it works")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/page"
        server.shutdown()
        thread.join()


@pytest.fixture
def project(reprov: Callable[..., Ran], tmp_path: Path, url: str) -> Path:
    """The project of a rollout that brings nothing new, so that it runs on a host that has no reprov."""
    infra, store = a_cloud(tmp_path, {"compute": 2})
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks/works").write_text(CHECK.format(folder=tmp_path))
    (tmp_path / "said").write_text("all is well\n")
    infra.write_text(infra.read_text() + PROBES.format(url=url))
    ran = reprov("rollout", "plan", tmp_path / "may", "--infra", infra, "--store", store, "--now", "compute=2", "compute=2")
    assert (ran.status, ran.stderr) == (0, "")
    assert [line.split()[:4] for line in ran.stdout.splitlines() if line.startswith("site-")] == [
        ["site-before", "2", "once", "1"],
        ["site-after", "2", "once", "9"],
    ]
    return tmp_path / "may/project"


def play(project: Path, stage: str) -> tuple[int, str]:
    ran = subprocess.run(
        [PLAYBOOK, f"stages/{stage}.yml", "--limit", "compute1"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return ran.returncode, ran.stdout + ran.stderr


def test_what_the_site_was_like_is_written_down_and_compared(project: Path, tmp_path: Path) -> None:
    status, said = play(project, "site-before")
    assert status == 0, said
    assert "changed=1" in said
    assert json.loads((project / "reports/site.json").read_text())["probes"].keys() == {"checks/works", "page"}
    assert "changed=0" in play(project, "site-before")[1]
    status, said = play(project, "site-after")
    assert (status, "changed=0" in said) == (0, True), said
    (tmp_path / "broken").touch()
    (tmp_path / "page").unlink()
    (tmp_path / "said").write_text("nova has no conductor\n")
    status, said = play(project, "site-after")
    assert status == 2
    told = "2 of 2 probes do not hold: checks/works: ended with status 1: nova has no conductor; page: answers with 404 instead of 200"
    assert told in said
    report = parse_junit((project / "reports/site-compute1.xml").read_text())
    assert [(case.name, case.outcome) for case in report] == [("probes::checks/works", Outcome.FAILED), ("probes::page", Outcome.FAILED)]


def test_a_site_that_does_not_work_begins_no_rollout(project: Path, tmp_path: Path) -> None:
    (tmp_path / "broken").touch()
    words = [sys.executable, "-m", "reprov", "rollout", "run", str(project.parent)]
    ran = subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert ran.returncode == 1, ran.stderr
    assert "stopped: stage site-before failed on compute1, and what follows needs it: " in ran.stdout
    assert "1 of 2 probes does not hold: checks/works: ended with status 1: all is well (nothing was upgraded yet" in ran.stdout
    assert (project / "reports/site-before.xml").is_file()
