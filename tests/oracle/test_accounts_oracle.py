"""Merged account files mean to pwck(8) and grpck(8) what they mean to reprov: an upgrade breaks nothing that they look at."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings

from reprov.domain.account_files import AccountFiles
from reprov.domain.accounts import merge_accounts
from tests.account_worlds import Case, untouched_upgrades, upgrades

pytestmark = [pytest.mark.commands, pytest.mark.needs("unshare", "pwck", "grpck")]

# There is nothing but the files in the tree; questions are answered with "No"; a difference between group and gshadow is none of an error.
BESIDE_THE_POINT = re.compile(r"(directory|program) '.*' does not exist|no changes|\? No$|is a member of the|last password change")
EXAMPLES = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def complaints(files: AccountFiles, root: Path) -> set[str]:
    """What pwck and grpck say of the files in a tree of their own; they look up users and groups there, too."""
    shutil.rmtree(root / "etc", ignore_errors=True)
    (root / "etc").mkdir()
    for path, content in files.by_path().items():
        (root / path).write_bytes(content)
    said: set[str] = set()
    for program in ("pwck", "grpck"):
        done = subprocess.run(
            ["unshare", "--map-root-user", program, "-R", str(root), "-r"],
            capture_output=True,
            check=False,
            text=True,
            errors="surrogateescape",
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
        )
        # An entry that is made in gshadow has the members of the group, with those that there are no users for.
        said.update(
            line.removeprefix("shadow ") for line in (done.stdout + done.stderr).splitlines() if line and not BESIDE_THE_POINT.search(line)
        )
    return said


@EXAMPLES
@given(upgrades)
def test_an_upgrade_adds_nothing_that_pwck_or_grpck_complain_of(tmp_path: Path, case: Case) -> None:
    merged = merge_accounts(*case)
    assume(not merged.blockers)
    assert not complaints(merged.files, tmp_path) - complaints(case.live, tmp_path)


@EXAMPLES
@given(untouched_upgrades)
def test_a_node_that_nobody_touched_has_nothing_that_they_complain_of(tmp_path: Path, case: Case) -> None:
    assert not complaints(merge_accounts(*case).files, tmp_path)


def test_the_tools_see_an_account_without_a_group_and_without_a_password(tmp_path: Path) -> None:
    files = AccountFiles(b"root:x:0:0:::\nd:x:5:7:::\nd:x:6:0:::\n", b"root:x:0:\nd:x:1:\n", b"root:*:1::::::\n", b"root:*::\n")
    assert complaints(files, tmp_path) == {
        "duplicate password entry",
        "user 'd': no group 7",
        "no matching password file entry in /etc/shadow",
        "no matching group file entry in /etc/gshadow",
    }
