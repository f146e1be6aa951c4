"""The file of an infra: the example that is documented, and files that are none."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from reprov.adapters.infra_file import load_infra, read_infra
from reprov.errors import InvalidInput

EXAMPLE = Path(__file__).parents[3] / "docs/infra.yaml"


def test_the_example_is_an_infra() -> None:
    infra, notes = read_infra(EXAMPLE)
    assert notes == ()
    assert {name: len(infra.of_profile(name)) for name in infra.ordered_profiles} == {
        "load-balancer": 2,
        "controller": 3,
        "compute": 40,
        "storage": 6,
    }
    computes = infra.of_profile("compute")
    assert (computes[10].address, computes[10].failure_domain) == ("cmpt11.paris.example", "rack2")
    assert [host.variables["hugepages"] for host in computes[5:8]] == [64, 16, 64]
    assert [host.name for host in infra.of_profile("storage") if host.failure_domain == "rack2"] == ["rack2-strg1", "rack2-strg2"]


def test_a_link_to_a_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "infra.yaml").symlink_to(EXAMPLE)
    assert load_infra(tmp_path / "infra.yaml").name == "paris"


def make_huge(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


UNREADABLE: dict[str, tuple[Callable[[Path], object], str]] = {
    "nothing": (lambda path: None, ": cannot be read (No such file or directory)"),
    "a link to nothing": (lambda path: path.symlink_to("none"), ": cannot be read (No such file or directory)"),
    "a link to itself": (lambda path: path.symlink_to(path.name), ": cannot be read (Too many levels of symbolic links)"),
    "a directory": (lambda path: path.mkdir(), ": cannot be read (Is a directory)"),
    "a FIFO that nobody writes to": (lambda path: os.mkfifo(path), ": is not a file"),
    "a file that is larger than any": (
        make_huge,
        ": is longer than 64 MiB, which nobody writes by hand",
    ),
    "bytes that are not UTF-8": (lambda path: path.write_bytes(b"name: x\nconfig: {a: \xff}\n"), ":2: not UTF-8 (invalid start byte)"),
    "an empty file": (lambda path: path.touch(), ":1: an infra is a list of 'key: value' lines"),
}


@pytest.mark.parametrize(("make", "said"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_cannot_be_read_is_said(make: Callable[[Path], object], said: str, tmp_path: Path) -> None:
    path = tmp_path / "infra.yaml"
    make(path)
    with pytest.raises(InvalidInput) as raised:
        load_infra(path)
    assert raised.value.message == f"{path}{said}"
