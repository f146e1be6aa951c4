"""The documents say what the program does: exit statuses, verbs."""

import re
from pathlib import Path

import pytest

from reprov.cli.verbs import VERBS
from reprov.domain.role import RoleFile
from reprov.errors import ExitCode

REPOSITORY = Path(__file__).parents[2]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
MAN_PAGE = (REPOSITORY / "docs/man/reprov.1").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "listed",
    [
        pytest.param(re.findall(r"^\| (\d+) \|", README, re.MULTILINE), id="in the README"),
        pytest.param(re.findall(r"^\.It Li (\d+)$", MAN_PAGE, re.MULTILINE), id="in the man page"),
    ],
)
def test_every_exit_status_is_listed_in_order(listed: list[str]) -> None:
    assert [int(number) for number in listed] == [code.value for code in ExitCode]


@pytest.mark.parametrize("name", VERBS)
def test_the_man_page_has_a_section_for_every_verb(name: str) -> None:
    assert f'\n.Ss "reprov {name}' in MAN_PAGE


def test_the_example_of_an_rpm_role_is_one() -> None:
    role = RoleFile.parse((REPOSITORY / "docs/role-el.yaml").read_text(encoding="utf-8"), "role-el.yaml")
    assert role.distribution == "almalinux"
    assert {repository.key for repository in role.repositories} == {"RPM-GPG-KEY-AlmaLinux-10"}
