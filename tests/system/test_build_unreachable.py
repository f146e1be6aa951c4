"""A build whose mirror cannot be reached: what the operator is told, and that nothing is left."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Ran
from tests.system.servers import free_port

pytestmark = [pytest.mark.commands, pytest.mark.system, pytest.mark.needs("mmdebstrap", "unshare", "nsenter")]


def test_a_mirror_that_cannot_be_reached_is_named_with_the_reason(tmp_path: Path, reprov: Callable[..., Ran]) -> None:
    mirror, store, role = f"http://127.0.0.1:{free_port()}", tmp_path / "store", tmp_path / "library/roles/lost/role.yaml"
    role.parent.mkdir(parents=True)
    role.write_text(f"suite: bookworm\nmirror: {mirror}\nexcludes: [base]\n")
    before = Path("/proc/self/mountinfo").read_text()
    ran = reprov("build", "lost", "--version", "1", "--store", store, "--library", tmp_path / "library")
    log = store / "build/.log-lost-1"
    error, hint = ran.stderr.partition("reprov: ")[2].splitlines()
    assert (ran.status, hint) == (1, f"hint: all that it said is in {log}")
    assert error.startswith(f"mmdebstrap failed: E: Failed to fetch {mirror}/")
    assert "Connection refused" in error
    assert "E: mmdebstrap failed to run" in log.read_text().splitlines()
    assert list((store / "build/lost").iterdir()) == []
    assert not list((store / "build").glob(".tmp-*"))
    assert Path("/proc/self/mountinfo").read_text() == before
