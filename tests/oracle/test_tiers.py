"""The rules of tests/conftest.py, shown on a small suite of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.commands

REPOSITORY = Path(__file__).parents[2]
SKIPPING = """
import pytest
@pytest.mark.needs("no-such-program", "sh")
def test_tool(): pass
def test_skip(): pytest.skip("not today")
@pytest.mark.xfail(reason="known")
def test_known(): assert False
def test_fine(): pass
"""
SKIPPING_MODULE = 'import pytest\npytest.importorskip("no_such_module")\n'
CHEATING = "import pytest\n@pytest.mark.commands\ndef test_cheat(): pass\n"


def suite(directory: Path, *, tier: str, text: str, strict: bool) -> tuple[int, str]:
    """Run pytest on one file of a tier; its status and what it printed."""
    folder = directory / "tests" / tier
    folder.mkdir(parents=True)
    shutil.copy(REPOSITORY / "tests/conftest.py", directory / "tests")
    shutil.copy(REPOSITORY / "pyproject.toml", directory)
    (folder / "test_it.py").write_text(text, encoding="utf-8")
    done = subprocess.run(
        (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests"),
        cwd=directory,
        env={**os.environ, "REPROV_TEST_STRICT": "1" if strict else "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_skip_names_its_reason(tmp_path: Path) -> None:
    status, said = suite(tmp_path, tier="oracle", text=SKIPPING, strict=False)
    assert status == 0
    assert "needs no-such-program: make setup installs it" in said
    assert "1 passed, 2 skipped, 1 xfailed" in said


def test_a_skip_is_a_failure_in_strict_mode(tmp_path: Path) -> None:
    status, said = suite(tmp_path, tier="oracle", text=SKIPPING, strict=True)
    assert status == 1
    assert "not today (REPROV_TEST_STRICT=1 allows no skips)" in said
    assert "1 failed, 1 passed, 1 xfailed, 1 error" in said


@pytest.mark.parametrize(("strict", "word"), [(False, "1 skipped"), (True, "1 error")], ids=["skipped", "an error in strict mode"])
def test_a_module_that_cannot_be_imported(tmp_path: Path, strict: bool, word: str) -> None:
    _, said = suite(tmp_path, tier="oracle", text=SKIPPING_MODULE, strict=strict)
    assert word in said.splitlines()[-1]


def test_a_unit_test_cannot_leave_the_guard(tmp_path: Path) -> None:
    status, said = suite(tmp_path, tier="unit", text=CHEATING, strict=False)
    assert status == 4
    assert "test_cheat is marked `commands`: a test that starts programs belongs to tests/oracle" in said
