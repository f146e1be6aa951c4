"""Unit files in a root."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from reprov.adapters.files import opened_directory
from reprov.adapters.systemd_units import read_unit_directories

LIB, ETC = "usr/lib/systemd/system", "etc/systemd/system"


def state(name: str) -> str:
    return f"[Service]\nStateDirectory={name}\n"


CASES = {
    "units of packages and of the administrator": (
        {f"{LIB}/a.service": state("a"), f"{ETC}/b.service": state("b")},
        ["var/lib/a", "var/lib/b"],
    ),
    "the administrator's goes before the package's": (
        {f"{LIB}/a.service": state("a"), f"{ETC}/a.service": state("other")},
        ["var/lib/other"],
    ),
    "a drop-in adds": ({f"{LIB}/a.service": state("a"), f"{ETC}/a.service.d/x.conf": state("b")}, ["var/lib/a", "var/lib/b"]),
    "drop-ins are read in the order of their names": (
        {f"{LIB}/a.service": state("a"), f"{ETC}/a.service.d/1.conf": state(""), f"{LIB}/a.service.d/2.conf": state("b")},
        ["var/lib/b"],
    ),
    "a drop-in of the same name goes before the package's": (
        {f"{LIB}/a.service": state("a"), f"{ETC}/a.service.d/x.conf": "", f"{LIB}/a.service.d/x.conf": state("b")},
        ["var/lib/a"],
    ),
    "other files are no units": ({f"{LIB}/a.timer": state("a"), f"{LIB}/a.service.d/readme": state("b"), f"{LIB}/x": state("c")}, []),
    "a root without systemd has none": ({}, []),
}


def directories(root: Path, files: Mapping[str, str]) -> list[str]:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    with opened_directory(root) as root_fd:
        return [found.path for found in read_unit_directories(root_fd)]


@pytest.mark.parametrize(("files", "paths"), CASES.values(), ids=CASES)
def test_the_directories_of_installed_units(tmp_path: Path, files: dict[str, str], paths: list[str]) -> None:
    assert directories(tmp_path, files) == paths


def test_a_masked_unit_has_none(tmp_path: Path) -> None:
    (tmp_path / ETC).mkdir(parents=True)
    (tmp_path / ETC / "a.service").symlink_to("/dev/null")
    assert directories(tmp_path, {f"{LIB}/a.service": state("a")}) == []


def test_a_merged_usr_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "lib").symlink_to("usr/lib")
    assert directories(tmp_path, {f"{LIB}/a.service": state("a")}) == ["var/lib/a"]
