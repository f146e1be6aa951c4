"""The systemd unit of `reprov serve` as systemd itself reads it."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.commands, pytest.mark.needs("systemd-analyze")]


def test_systemd_takes_every_line(tmp_path: Path, reprov: Callable[..., Any]) -> None:
    unit = tmp_path / "reprov-serve.service"
    unit.write_text(reprov("serve", "--systemd", "--store", tmp_path / "with space", "--address", "::1").stdout)
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_line_that_systemd_does_not_know_is_complained_about(tmp_path: Path, reprov: Callable[..., Any]) -> None:
    unit = tmp_path / "reprov-serve.service"
    unit.write_text(reprov("serve", "--systemd", "--store", tmp_path).stdout.replace("ProtectSystem", "ProtectSystemm"))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], check=False, capture_output=True, text=True)
    assert "ProtectSystemm" in done.stderr
