"""The guard of the unit tier: whatever starts a process is stopped."""

import os
import subprocess
from collections.abc import Callable

import plumbum
import pytest

from reprov.adapters.run import run, spawn
from tests.conftest import UnexpectedCommand


def enter_spawn() -> None:
    with spawn(("true",)):
        pass


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(lambda: run(("true",)), id="the one door"),
        pytest.param(enter_spawn, id="the one door, streaming"),
        pytest.param(lambda: subprocess.run(["true"], check=True), id="subprocess.run"),
        pytest.param(lambda: subprocess.check_output(["true"]), id="subprocess.check_output"),
        pytest.param(lambda: plumbum.local["true"](), id="plumbum, which holds its own Popen"),
        pytest.param(lambda: os.system("true"), id="os.system"),
        pytest.param(lambda: os.posix_spawn("/bin/true", ["true"], {}), id="os.posix_spawn"),
        pytest.param(lambda: os.fork(), id="os.fork"),
    ],
)
def test_no_process_starts(start: Callable[[], object]) -> None:
    with pytest.raises(UnexpectedCommand):
        start()
